"""The collector's settings: one name each, read once at start from `GOLDSEAM_*`."""

from pathlib import Path
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
    receive_bytes: int = Field(
        default=256 * _MIB,
        gt=0,
        description="Inflated bodies that may be on their way at a time, from all senders "
        "together; beyond it senders get 503.",
    )
    queue_bytes: int = Field(
        default=64 * _MIB,
        gt=0,
        description="Bodies that may wait for the database; beyond it they go to the spool.",
    )
    rows_per_transaction: int = Field(
        default=5_000,
        gt=0,
        description="Rows that one commit carries at most; more gains nothing.",
    )
    ack_timeout_s: float = Field(
        default=5.0,
        gt=0,
        lt=10,
        description="Longest wait for a commit; then the body goes to the spool, or the sender "
        "gets 503 if there is none. The stock Python exporter waits 10 s in all.",
    )
    data_dir: Path | None = Field(
        default=None,
        description="Folder whose subfolder `spool` keeps bodies while the database does not take "
        "them. `None`: no spool. The command line always names one.",
    )
    spool_bytes: int = Field(
        default=1024 * _MIB,
        gt=0,
        description="Compressed bodies that the spool of one process holds at most; beyond it "
        "senders get 503.",
    )
    spool_max_age_s: float = Field(
        default=7 * 86_400.0,
        gt=0,
        description="When the oldest body in the spool has waited this long, senders get 503; "
        "nothing that was acknowledged is dropped.",
    )
    drain_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="Longest wait at stop for requests in flight and rows in the queue.",
    )
    retention_days: int = Field(
        default=30,
        ge=0,
        description="Full UTC days that are kept besides today; older ones are dropped every hour "
        "and spans from them refused. 0 keeps everything.",
    )
    pending_timeout_s: float = Field(
        default=900.0,
        gt=0,
        description="A call that has started and not ended is given up after this; it must exceed "
        "the longest time-out of a client.",
    )
