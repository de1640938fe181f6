"""Settings of the API, read once at start from flags or `GOLDSEAM_*` variables."""

import ipaddress
from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_STATEMENT_TIMEOUT_S: Final = 2.0
"""A question that takes longer is answered 503 rather than piling up behind the others."""

_POOL_SIZE: Final = 5
"""Connections kept to the database; requests beyond them wait."""


class OpenBindError(ValueError):
    """The API would listen on {host} without keys; bind it to 127.0.0.1."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The API would listen on {host}, where others can reach it, without keys. "
            "Bind it to loopback (127.0.0.1 or ::1) and put your own gateway in front."
        )


class ApiSettings(BaseSettings):
    """What the API needs to know."""

    model_config = SettingsConfigDict(env_prefix="GOLDSEAM_", frozen=True, extra="ignore")

    database_url: str = Field(
        repr=False,  # it may hold a password
        description="PostgreSQL to read from, postgresql://user:password@host:5432/database",
    )
    api_host: str = Field(default="127.0.0.1", description="Address to listen on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on")
    api_statement_timeout_s: float = Field(
        default=_STATEMENT_TIMEOUT_S,
        gt=0,
        description="Seconds after which a query is given up and answered 503",
    )
    api_pool_size: int = Field(
        default=_POOL_SIZE, ge=1, description="Database connections that the API may hold"
    )


def require_loopback(host: str) -> None:
    """Refuse to serve without keys where others could connect.

    Raises:
        OpenBindError: `host` is not a loopback address.
    """
    if host == "localhost":
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise OpenBindError(host)
