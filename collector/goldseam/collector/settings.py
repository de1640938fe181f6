"""The collector's settings: one name each, read once at start from `GOLDSEAM_*`."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator
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
    ingest_keys: bool = Field(
        default=False,
        description="Whether senders must present a key with scope ingest:write, or a client "
        "certificate. `goldseam collector` on an address other than loopback always asks.",
    )
    tls_cert: Path | None = Field(
        default=None, description="Certificate chain in PEM; with it both receivers speak TLS only."
    )
    tls_key: Path | None = Field(default=None, description="Its private key in PEM.")
    tls_client_ca: Path | None = Field(
        default=None,
        description="Authorities in PEM; with it every client must present a certificate of theirs "
        "(mTLS).",
    )
    receive_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="Longest time from a request's headers to the end of its body; then the sender "
        "gets 503.",
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

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("set GOLDSEAM_TLS_CERT and GOLDSEAM_TLS_KEY, or neither")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("GOLDSEAM_TLS_CLIENT_CA needs GOLDSEAM_TLS_CERT and GOLDSEAM_TLS_KEY")
        return self
