"""The tables of sums that the writer keeps beside the rows: the roll-ups.

`schema` creates them, `rollup_statements` fills them, `figures` reads them. They hold nothing that
the rows do not tell, so a day can be rebuilt while its rows are there; afterwards they are all that
is left of it. Each exists per tenant and, ending in `_all`, for all tenants together. Buckets start
at full hours and days of UTC.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from goldseam.storage.measures import (
    ERROR_MEASURES,
    MEASURES,
    NAMES_PER_DAY,
    STEP_MEASURES,
    TOTALS,
    Measure,
)
from goldseam.storage.models import Base

SLOWEST_KEPT: Final = 50
"""Requests of a tenant and hour that `ai_stats_slow_hour` lists."""

_ZERO = text("0")


def _key(name: str, comment: str) -> Column[str]:
    return Column(name, Text, nullable=False, comment=comment)


def _tenant(*, everybody: bool) -> Column[str]:
    comment = "Always * (all tenants together)" if everybody else "Owner of the requests"
    return _key("tenant_id", comment)


def _bucket(grain: str, what: str = "calls") -> Column[object]:
    comment = f"Start of the {grain} in UTC in which the {what} started"
    return Column("bucket", DateTime(timezone=True), nullable=False, comment=comment)


def _sums(measures: tuple[Measure, ...]) -> list[Column[object]]:
    return [
        Column(
            m.name,
            BigInteger if m.kind == "count" else Numeric,
            nullable=False,
            server_default=_ZERO,
            comment=m.comment,
        )
        for m in measures
    ]


def _name(stem: str, grain: str, *, everybody: bool) -> str:
    return f"ai_stats_{stem}{grain}{'_all' if everybody else ''}"


def _by_model(*, everybody: bool) -> Table:
    return Table(
        _name("", "hour", everybody=everybody),
        Base.metadata,
        _tenant(everybody=everybody),
        _bucket("hour"),
        _key("provider", "provider_used of the requests, or other"),
        _key("model", "model_requested of the requests, unknown, or other"),
        _key("module", "Module of the requests, or other"),
        *_sums(MEASURES),
        PrimaryKeyConstraint("tenant_id", "bucket", "provider", "model", "module"),
        comment="Sums over the requests of each hour, without duplicates",
    )


def _totals(grain: str, *, everybody: bool) -> Table:
    return Table(
        _name("total_", grain, everybody=everybody),
        Base.metadata,
        _tenant(everybody=everybody),
        _bucket(grain),
        _key("provider", "provider_used of the requests, or other"),
        _key("module", "Module of the requests, or other"),
        *_sums(TOTALS),
        PrimaryKeyConstraint("tenant_id", "bucket", "provider", "module"),
        comment=f"Sums over the requests of each {grain}, all models together, no duplicates",
    )


def _errors(grain: str, *, everybody: bool) -> Table:
    return Table(
        _name("error_", grain, everybody=everybody),
        Base.metadata,
        _tenant(everybody=everybody),
        _bucket(grain),
        _key("error_pattern", "As in ai_error_analysis; empty where a request has none"),
        _key("module", "Module of the requests, or other"),
        _key("error_code", "Final error of the requests; empty where they were mended"),
        *_sums(ERROR_MEASURES),
        PrimaryKeyConstraint("tenant_id", "bucket", "error_pattern", "module", "error_code"),
        comment=f"Requests of each {grain} that met an error, without duplicates",
    )


def _steps(grain: str, *, everybody: bool) -> Table:
    return Table(
        _name("step_", grain, everybody=everybody),
        Base.metadata,
        _tenant(everybody=everybody),
        _bucket(grain, "steps"),
        _key("strategy", "strategy_name of the steps, or other"),
        _key("provider", "Provider that the steps asked, unknown, or other"),
        _key("after", "Strategies that had run before in the same call, or other"),
        _key("call_error", "call_error of the steps"),
        *_sums(STEP_MEASURES),
        PrimaryKeyConstraint("tenant_id", "bucket", "strategy", "provider", "after", "call_error"),
        comment=f"Sums over the recovery steps of each {grain}",
    )


def _slow(*, everybody: bool) -> Table:
    whose = "all tenants together" if everybody else "each tenant"
    return Table(
        _name("slow_", "hour", everybody=everybody),
        Base.metadata,
        _key("tenant_id", "Owner of the request"),
        _bucket("hour"),
        Column(
            "created_at",
            DateTime(timezone=True),
            nullable=False,
            comment="Start of the request, as in ai_request_logs",
        ),
        Column("id", Uuid, nullable=False, comment="Request, as in ai_request_logs"),
        Column("processing_time_ms", Double, nullable=False, comment="Its duration, milliseconds"),
        # The list of everybody is looked for by its hour alone.
        PrimaryKeyConstraint(
            *(("bucket", "tenant_id") if everybody else ("tenant_id", "bucket")), "created_at", "id"
        ),
        Index(
            f"ix_{_name('slow_', 'hour', everybody=everybody)}_slowest",
            *(() if everybody else ("tenant_id",)),
            text("processing_time_ms DESC"),
            "created_at",
        ),
        comment=f"The {SLOWEST_KEPT} slowest requests of {whose} in each hour, and some more",
        postgresql_partition_by="RANGE (bucket)",
    )


LISTS: Final = {
    "provider": "providers",
    "model": "models",
    "module": "modules",
    "strategy": "strategies",
    "after": "afters",
}
"""Column of the sums → that of `ai_stats_names` or `ai_stats_step_names` that lists its names."""


def is_full(*kinds: str) -> str:
    """Return the condition by which a day has too many names of a kind to tell all apart."""
    longest = ", ".join(f"cardinality({LISTS[kind]})" for kind in kinds)
    return f"greatest({longest}) >= {NAMES_PER_DAY}"


def _names(table: str, *kinds: str, comment: str) -> Table:
    return Table(
        table,
        Base.metadata,
        _key("tenant_id", "Owner of the requests; * for the tables that end in _all"),
        Column("day", Date, nullable=False, comment="Day in UTC"),
        *(
            Column(
                LISTS[kind],
                ARRAY(Text),
                nullable=False,
                comment=f"Every {kind} of the day that is told apart; the rest counts as other",
            )
            for kind in kinds
        ),
        PrimaryKeyConstraint("tenant_id", "day"),
        Index(f"ix_{table}_full", "day", postgresql_where=text(is_full(*kinds))),
        comment=comment,
    )


NAMES: Final = _names(
    "ai_stats_names",
    "provider",
    "model",
    "module",
    comment="Which names the roll-ups of a day tell apart, so that senders cannot blow them up",
)
STEP_NAMES: Final = _names(
    "ai_stats_step_names",
    "strategy",
    "provider",
    "after",
    comment="Which names the roll-ups of recovery steps tell apart on a day",
)

BY_MODEL: Final = {
    ("hour", everybody): _by_model(everybody=everybody) for everybody in (False, True)
}
TOTALS_OF: Final = {
    (grain, everybody): _totals(grain, everybody=everybody)
    for grain in ("hour", "day")
    for everybody in (False, True)
}
ERRORS: Final = {
    (grain, everybody): _errors(grain, everybody=everybody)
    for grain in ("hour", "day")
    for everybody in (False, True)
}
STEPS: Final = {
    (grain, everybody): _steps(grain, everybody=everybody)
    for grain in ("hour", "day")
    for everybody in (False, True)
}
SLOW: Final = {everybody: _slow(everybody=everybody) for everybody in (False, True)}

SUMS: Final = (
    *BY_MODEL.values(),
    *TOTALS_OF.values(),
    *ERRORS.values(),
    *STEPS.values(),
)
NAME_LISTS: Final = (NAMES, STEP_NAMES)
ROLLUPS: Final = (*NAME_LISTS, *SUMS, *SLOW.values())
"""Every table that this module defines."""
