"""Body of the answer to a deletion."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Deletion(BaseModel):
    """What was deleted, exactly; or what would be."""

    scope: Literal["partitions", "rows"] = Field(
        description="partitions: whole days of all tenants; rows: those of one tenant"
    )
    tenant_id: str = Field(description="Whose rows; * for all tenants")
    before: datetime = Field(description="Rows that started before this moment, UTC midnight")
    deleted: int = Field(description="Requests that went, or would go")
    recoveries: int = Field(description="Recovery steps that went, or would go")
    partitions: list[str] = Field(description="Partitions that were dropped, or would be")
    skipped: int = Field(description="Partitions that were in use; ask again to drop them")
    dry_run: bool = Field(description="Whether nothing was touched")
