"""Bodies that make and show keys; only the answer to a creation holds a key's text."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from goldseam.api.parameters import NO_NUL, TEXT_MAX
from goldseam.api.schemas.rows import Row
from goldseam.storage.keys import Scope
from goldseam.storage.roles import ALL_TENANTS

_DAYS_MAX: Final = 36_500


class KeyInfo(Row):
    """A key without its secret, which is nowhere kept."""

    key_id: str = Field(description="12 hex digits, the third part of the key's text")
    tenant_id: str = Field(description="For whom it speaks; * for all")
    environment: str = Field(description="Second part of the key's text: live, test, …")
    scopes: list[Scope] = Field(description="What it is for")
    label: str | None = Field(description="What it is for, in its owner's words")
    created_at: datetime = Field(description="When it was made, UTC")
    created_by: str = Field(description="Key id, `command line` or `loopback`")
    expires_at: datetime | None = Field(description="When it ends by itself, UTC; null: never")
    last_used_at: datetime | None = Field(description="Last use, UTC, to the hour")
    revoked_at: datetime | None = Field(description="When it was revoked, UTC")


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    scopes: list[Scope] = Field(min_length=1, description="What it is for")
    tenant_id: str = Field(
        default=ALL_TENANTS,
        min_length=1,
        max_length=TEXT_MAX,
        pattern=NO_NUL,
        description="For whom it speaks; * for all, as admin keys do",
    )
    label: str | None = Field(
        default=None, max_length=TEXT_MAX, pattern=NO_NUL, description="What it is for, in words"
    )
    environment: str = Field(
        default="live",
        pattern=r"^[a-z0-9]{1,16}$",
        description="Written into the key's text: live, test, …",
    )
    expires_days: int | None = Field(
        default=None,
        ge=1,
        le=_DAYS_MAX,
        strict=True,
        description="Days until it ends by itself; null: never",
    )


class CreatedKey(KeyInfo):
    """A new key; its text is shown this once."""

    key: str = Field(description="Text to present: `Authorization: Bearer …`; nowhere kept")
