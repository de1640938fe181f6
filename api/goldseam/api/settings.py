"""Settings of the API, read once at start from flags or `GOLDSEAM_*` variables."""

from typing import Final, Self

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_STATEMENT_TIMEOUT_S: Final = 2.0
"""A question that takes longer is answered 503 rather than piling up behind the others."""

_POOL_SIZE: Final = 5
"""Connections kept to the database; requests beyond them wait."""

_REQUESTS_MAX: Final = 200
"""In progress at a time; more would only wait for each other."""

_STREAMS_MAX: Final = 40
"""Exports and live streams at a time; each keeps a page of rows in memory."""

_RATE_PER_MINUTE: Final = 6_000
"""A dashboard of twenty panels that refreshes each second stays far below."""


class ApiSettings(BaseSettings):
    """What the API needs to know."""

    model_config = SettingsConfigDict(env_prefix="GOLDSEAM_", frozen=True, extra="ignore")

    database_url: str = Field(
        repr=False,  # it may hold a password
        description="PostgreSQL to read from, postgresql://user:password@host:5432/database",
    )
    api_statement_timeout_s: float = Field(
        default=_STATEMENT_TIMEOUT_S,
        gt=0,
        description="Seconds after which a query is given up and answered 503",
    )
    api_pool_size: int = Field(
        default=_POOL_SIZE, ge=1, description="Database connections that the API may hold"
    )
    api_requests_max: int = Field(
        default=_REQUESTS_MAX,
        ge=1,
        description="Requests in progress at a time; one more is answered 503 at once",
    )
    api_streams_max: int = Field(
        default=_STREAMS_MAX,
        ge=1,
        description="Exports and live streams at a time; one more is answered 503, and 429 from "
        "a key that has a quarter of them",
    )
    api_open: bool = Field(
        default=True,
        description="Answer everybody while there is no key; only for loopback addresses",
    )
    api_rate_limit_per_minute: int = Field(
        default=_RATE_PER_MINUTE, ge=0, description="Requests a minute and key; 0 sets no limit"
    )
    api_cors_origins: tuple[str, ...] = Field(
        default=(), description="Origins whose pages may read the API, as a JSON list; none"
    )

    @classmethod
    def from_environment(cls) -> Self:
        """Return what the `GOLDSEAM_*` variables say.

        Raises:
            ValidationError: One of them is missing or wrong.
        """
        return cls()  # type: ignore[call-arg] # read from the environment
