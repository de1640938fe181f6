"""The collector's settings: one name each, read once at start from `GOLDSEAM_*`."""

from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIB: Final = 1024 * 1024


class CollectorSettings(BaseSettings):
    """What the collector needs to know."""

    model_config = SettingsConfigDict(env_prefix="GOLDSEAM_", frozen=True, extra="ignore")

    database_url: str = Field(
        repr=False,  # it may hold a password
        description="PostgreSQL that holds the tables, as postgresql://user@host:5432/database.",
    )
    max_body_bytes: int = Field(
        default=16 * _MIB,
        gt=0,
        description="Largest OTLP body after inflation; a larger one is answered with 413.",
    )
    queue_bytes: int = Field(
        default=64 * _MIB,
        gt=0,
        description="Bodies that may wait for the database; beyond it senders get 503.",
    )
    rows_per_transaction: int = Field(
        default=5_000,
        gt=0,
        description="Rows that one commit carries at most; more gains nothing.",
    )
    ack_timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="Longest wait for a commit before the sender gets 503. The stock Python "
        "exporter waits 10 s in all, so it can still repeat.",
    )
    drain_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="Longest wait at stop for requests in flight and rows in the queue.",
    )
    pending_timeout_s: float = Field(
        default=900.0,
        gt=0,
        description="A call that has started and not ended is given up after this; it must exceed "
        "the longest time-out of a client.",
    )
