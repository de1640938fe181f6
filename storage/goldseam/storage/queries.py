"""Questions to the tables: requests, traces, recovery steps, and figures over a window.

Called by the API inside `engine.tenant_transaction`. Row level security decides what a transaction
may see; the tenant is also put into each statement, because only then can indexes that start with
it be used. Every question is bounded in time, so that the database reads few daily partitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.semconv.ids import log_id_time_ms
from goldseam.storage.breakdowns import (
    ErrorFigures,
    Overview,
    ProviderFigures,
    StrategyFigures,
    overview,
    providers,
    slowest_keys,
    strategies,
    strategies_by_pattern,
    top_errors,
)
from goldseam.storage.engine import tenant_of
from goldseam.storage.figures import Statistics, statistics
from goldseam.storage.models import AIErrorRecovery, AIRequestLog
from goldseam.storage.records import RecoveryRecord, RequestRecord, frozen

__all__ = [
    "DEFAULT_WINDOW",
    "ErrorFigures",
    "Overview",
    "ProviderFigures",
    "RecentFilter",
    "RequestRow",
    "Statistics",
    "StrategyFigures",
    "Trace",
    "overview",
    "providers",
    "recent",
    "recovery_steps",
    "request_by_id",
    "request_by_request_id",
    "slowest",
    "statistics",
    "strategies",
    "strategies_by_pattern",
    "tenant_of",
    "top_errors",
    "trace",
]

DEFAULT_WINDOW: Final = timedelta(days=30)
"""As long as rows are kept unless retention is set otherwise."""

FREE_WINDOW: Final = timedelta(hours=24)
"""As far as a list reaches back that is narrowed by what no index holds: rows are read one by one
until enough of them fit."""

_FREE: Final = ("provider", "model", "error_code", "user_id", "recovered")

_ONE_DAY: Final = timedelta(days=1)

_STEPS_SINCE: Final = timedelta(hours=1)
_STEPS_UNTIL: Final = timedelta(days=2)
"""How far from its request's start a step is looked for: a clock may be set back in between, and a
call may take long, but no call takes two days."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_ID_TIME_MS: Final = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


@frozen
class RequestRow(RequestRecord):
    """A stored request: what was written, and when it last changed."""

    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the tables know of one trace.

    Attributes:
        requests: Its requests in the order in which they started, without duplicates.
        steps: Their recovery steps in the order in which they ran.
    """

    requests: list[RequestRow]
    steps: list[RecoveryRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentFilter:
    """Which requests `recent` lists; None does not narrow.

    Attributes:
        since: Earliest start, included; by default 30 days before `until` or now, or 24 hours where
            one of `provider`, `model`, `error_code`, `user_id` and `recovered` narrows the list
            and `trace_id` does not.
        until: Latest start, not included.
        recovered: True for mended calls only, False for all others.
        cursor: `(created_at, id)` of the last row of the page before.
    """

    module: str | None = None
    status: str | None = None
    provider: str | None = None
    model: str | None = None
    tenant_id: str | None = None
    error_code: str | None = None
    trace_id: str | None = None
    user_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    recovered: bool | None = None
    cursor: tuple[datetime, UUID] | None = None


async def recent(
    conn: AsyncConnection, filter_: RecentFilter | None = None, limit: int = 20
) -> list[RequestRow]:
    """Return the newest requests that fit, newest first, without duplicates.

    A page ends where `limit` says; the next one starts at `cursor`, however many rows have come in
    since.
    """
    wanted, tenant = filter_ or RecentFilter(), tenant_of(conn)
    for each in (_lately(wanted), wanted):
        given = _values(each, tenant)
        rows = (await conn.execute(_page(frozenset(given)), given | {"limit": limit})).all()
        if len(rows) == limit or each is wanted:
            break
    return [_request_row(row) for row in rows]


def _lately(filter_: RecentFilter) -> RecentFilter:
    """Return the filter for the last day of its window, where most pages end.

    Planning for thirty partitions takes longer than reading a page from one.
    """
    end = filter_.until or datetime.now(UTC)
    start = filter_.since or end - _window_of(filter_)
    lately = (filter_.cursor[0] if filter_.cursor else end) - _ONE_DAY
    return replace(filter_, since=lately) if start < lately else filter_


async def request_by_id(conn: AsyncConnection, row_id: UUID) -> RequestRow | None:
    """Return the request with this id; its partition is known from the time inside the id."""
    milliseconds = log_id_time_ms(row_id)
    if milliseconds > _LAST_ID_TIME_MS:
        return None
    start = _EPOCH + timedelta(milliseconds=milliseconds)
    given = {"id": row_id, "since": start, "until": start + timedelta(milliseconds=1)}
    return await _first(conn, _BY_ID, given)


async def request_by_request_id(
    conn: AsyncConnection, request_id: str, *, since: datetime | None = None
) -> RequestRow | None:
    """Return the newest request with this correlation id.

    Args:
        conn: Transaction.
        request_id: The caller's own id, or a row id as text.
        since: Earliest start; by default 30 days ago.
    """
    try:
        row = await request_by_id(conn, UUID(request_id))
    except ValueError:
        row = None
    if row is not None:
        return row
    given = {"request_id": request_id, "since": since or datetime.now(UTC) - DEFAULT_WINDOW}
    return await _first(conn, _BY_REQUEST_ID, given)


async def slowest(
    conn: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    limit: int = 10,
    min_ms: float = 0.0,
    tenant_id: str | None = None,
) -> list[RequestRow]:
    """Return the slowest answered requests of [`since`, `until`), slowest first; at most 50."""
    keys = await slowest_keys(
        conn, since=since, until=until, limit=limit, min_ms=min_ms, tenant_id=tenant_id
    )
    log = AIRequestLog
    query = _REQUESTS.where(
        log.created_at.in_([key["created_at"] for key in keys]),
        tuple_(log.tenant_id, log.created_at, log.id).in_(
            [(key["tenant_id"], key["created_at"], key["id"]) for key in keys]
        ),
    )
    rows = [_request_row(row) for row in await conn.execute(query)] if keys else []
    return sorted(rows, key=lambda row: -row.processing_time_ms)


async def trace(conn: AsyncConnection, trace_id: str, *, since: datetime | None = None) -> Trace:
    """Return the requests and steps of a trace that started at or after `since`.

    Args:
        conn: Transaction.
        trace_id: 32 hex digits.
        since: Earliest start; by default 30 days ago.
    """
    given = {"trace_id": trace_id, "since": since or datetime.now(UTC) - DEFAULT_WINDOW}
    rows = await _asked(conn, _OF_TRACE, given, tenant_of(conn))
    requests = [_request_row(row) for row in rows]
    return Trace(requests=requests, steps=await _steps_of(conn, requests))


async def recovery_steps(
    conn: AsyncConnection, request_log_id: UUID, *, tenant_id: str | None = None
) -> list[RecoveryRecord]:
    """Return the recovery steps of a request in the order in which they ran.

    Args:
        conn: Transaction.
        request_log_id: Id of the request.
        tenant_id: Whose request it is, for transactions that see all tenants.
    """
    milliseconds = min(log_id_time_ms(request_log_id), _LAST_ID_TIME_MS)
    start = _EPOCH + timedelta(milliseconds=milliseconds)
    given = {
        "request": request_log_id,
        "since": max(start, _EPOCH + _STEPS_SINCE) - _STEPS_SINCE,
        "until": start + _STEPS_UNTIL,
    }
    rows = await _asked(conn, _STEPS_OF_REQUEST, given, tenant_id or tenant_of(conn))
    return [RecoveryRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


async def _steps_of(conn: AsyncConnection, requests: list[RequestRow]) -> list[RecoveryRecord]:
    """Return the steps of `requests`, which are in the order of their starts."""
    if not requests:
        return []
    step = AIErrorRecovery
    query = _STEPS.where(
        step.tenant_id.in_({row.tenant_id for row in requests}),
        step.request_log_id.in_([row.id for row in requests]),
        step.created_at >= requests[0].created_at - _STEPS_SINCE,
        step.created_at < requests[-1].created_at + _STEPS_UNTIL,
    ).order_by(step.created_at, step.step_number)
    return [RecoveryRecord(**row._mapping) for row in await conn.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name for it


# Columns of the tables, not of the classes: SQLAlchemy compares the latter one by one with those of
# the statement that it has in its cache, at every question.
_REQUESTS: Final = select(*(AIRequestLog.__table__.c[field.name] for field in fields(RequestRow)))
_STEPS: Final = select(*(AIErrorRecovery.__table__.c[f.name] for f in fields(RecoveryRecord)))


# Built once: to build a statement anew takes SQLAlchemy as long as to send it.
_log, _step = AIRequestLog.__table__.c, AIErrorRecovery.__table__.c
_NEWEST: Final = _REQUESTS.order_by(_log.created_at.desc(), _log.tenant_id).limit(1)
_NARROWED: Final[Mapping[str, ColumnElement[bool]]] = {
    "tenant": _log.tenant_id == bindparam("tenant"),
    "tenant_id": _log.tenant_id == bindparam("tenant_id"),
    "module": _log.module == bindparam("module"),
    "status": _log.status == bindparam("status"),
    "provider": _log.provider_used == bindparam("provider"),
    "model": _log.model_requested == bindparam("model"),
    "error_code": _log.error_code == bindparam("error_code"),
    "trace_id": _log.trace_id == bindparam("trace_id"),
    "user_id": _log.user_id == bindparam("user_id"),
    "recovered": _log.recovery_outcome.is_not_distinct_from("recovered") == bindparam("recovered"),
    "since": _log.created_at >= bindparam("since"),
    "until": _log.created_at < bindparam("until"),
    # The pair alone would not keep the planner from reading newer partitions.
    "cursor": _log.created_at <= bindparam("cursor"),
    "cursor_id": tuple_(_log.created_at, _log.id)
    < tuple_(bindparam("cursor", type_=_log.created_at.type), bindparam("cursor_id")),
}
_BY_ID: Final = _NEWEST.where(
    _log.created_at >= bindparam("since"),
    _log.created_at < bindparam("until"),
    _log.id == bindparam("id"),
)
_BY_REQUEST_ID: Final = _NEWEST.where(
    _log.request_id == bindparam("request_id"),
    # The index leaves out rows without a correlation id of their own.
    _log.request_id != cast(_log.id, Text),
    _log.created_at >= bindparam("since"),
)
_OF_TRACE: Final = _REQUESTS.where(
    _log.trace_id == bindparam("trace_id"),
    _log.created_at >= bindparam("since"),
    _log.duplicate_of.is_(None),
).order_by(_log.created_at)
_STEPS_OF_REQUEST: Final = _STEPS.where(
    _step.request_log_id == bindparam("request"),
    _step.created_at >= bindparam("since"),
    _step.created_at < bindparam("until"),
).order_by(_step.step_number, _step.created_at)


def _values(filter_: RecentFilter, tenant: str | None) -> dict[str, object]:
    """Return what narrows `recent`, by the names of `_NARROWED`."""
    given = {field.name: getattr(filter_, field.name) for field in fields(RecentFilter)}
    given["tenant"] = tenant
    given["cursor"], given["cursor_id"] = given["cursor"] or (None, None)
    given["since"] = given["since"] or (given["until"] or datetime.now(UTC)) - _window_of(filter_)
    return {name: value for name, value in given.items() if value is not None}


@lru_cache(maxsize=256)
def _page(narrowed: frozenset[str]) -> Select[Any]:
    """Return the statement of `recent` with the conditions of these names."""
    conditions = (condition for name, condition in _NARROWED.items() if name in narrowed)
    return (
        _REQUESTS.where(_log.duplicate_of.is_(None), *conditions)
        .order_by(_log.created_at.desc(), _log.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )


def _window_of(filter_: RecentFilter) -> timedelta:
    is_free = any(getattr(filter_, name) is not None for name in _FREE)
    return FREE_WINDOW if is_free and filter_.trace_id is None else DEFAULT_WINDOW


async def _first(
    conn: AsyncConnection, query: Select[Any], given: Mapping[str, object]
) -> RequestRow | None:
    """Return the first row of `query`; the same id may exist once per tenant."""
    row = (await _asked(conn, query, given, tenant_of(conn))).first()
    return None if row is None else _request_row(row)


async def _asked(
    conn: AsyncConnection, query: Select[Any], given: Mapping[str, Any], tenant: str | None
) -> CursorResult[Any]:
    """Return what a statement of this module finds, of one tenant where there is one."""
    if tenant is None:
        found: CursorResult[Any] = await conn.execute(query, given)
    else:
        found = await conn.execute(_of_tenant(query), {**given, "tenant": tenant})
    return found


@lru_cache
def _of_tenant(query: Select[Any]) -> Select[Any]:
    return query.where(query.selected_columns.tenant_id == bindparam("tenant"))


def _request_row(row: Any) -> RequestRow:
    return RequestRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
