"""Error patterns as people work with them: read one, change one, see what its correction did.

Called by the API inside `engine.tenant_transaction`. A correction's id is a function of the pattern
and of when it was last changed, so what is measured belongs to the words of that correction and to
no earlier ones. Spans never write what this module writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage.engine import tenant_of
from goldseam.storage.measures import ERROR_MEASURES
from goldseam.storage.models import AIErrorAnalysis
from goldseam.storage.windows import cut, sources

CORRECTIONS_MAX: Final = 1_000
"""As many as a playbook may hold."""

RECENT: Final = 50
"""Latest outcomes of a correction that count: what helped last month says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A row of `ai_error_analysis`; see its comments for meanings."""

    tenant_id: str
    pattern_id: str
    error_pattern: str
    error_code: str
    error_message_pattern: str
    provider: str
    normaliser_version: int
    occurrence_count: int
    recovered_count: int
    first_seen: datetime
    last_occurred: datetime
    probable_cause: str
    suggested_action: str
    resolution_status: str
    resolved_at: datetime | None
    auto_correction_enabled: bool
    correction_config: dict[str, Any] | None
    correction_changed_at: datetime | None
    correction_changed_by: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def correction_id(self) -> str | None:
        """Name of the correction in telemetry; None where there never was one."""
        if self.correction_changed_at is None:
            return None
        return f"{self.pattern_id}-{int(self.correction_changed_at.timestamp() * 1000):x}"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the latest applications of a correction brought, `RECENT` at most."""

    applied: int = 0
    successes: int = 0

    @property
    def failures(self) -> int:
        """Applications after which the call was as broken as before."""
        return self.applied - self.successes


@dataclass(frozen=True, slots=True)
class Waste:
    """What calls that failed for good with a code cost."""

    calls: int
    seconds: float
    tokens: int
    cost_usd: float


async def pattern(conn: AsyncConnection, pattern_id: str) -> Pattern | None:
    """Return the pattern with this id."""
    found = await _patterns(conn, AIErrorAnalysis.pattern_id == pattern_id)
    return found[0] if found else None


async def patterns_of(
    conn: AsyncConnection, code: str, *, key: str | None = None, limit: int = 5
) -> list[Pattern]:
    """Return the latest patterns of an error code, or those of one fingerprint.

    Args:
        conn: Transaction.
        code: Error code.
        key: Fingerprint's key, the last part of `error_pattern`.
        limit: Patterns at most.
    """
    conditions = [AIErrorAnalysis.error_code == code]
    if key is not None:
        conditions.append(AIErrorAnalysis.error_pattern.endswith(f":{key}", autoescape=True))
    return await _patterns(conn, *conditions, limit=limit)


async def enabled(conn: AsyncConnection) -> list[Pattern]:
    """Return the patterns whose correction is on, the latest changed first."""
    found = await _patterns(conn, AIErrorAnalysis.auto_correction_enabled, limit=CORRECTIONS_MAX)
    return sorted(found, key=lambda each: each.correction_changed_at or each.updated_at)[::-1]


async def change(
    conn: AsyncConnection, seen: Pattern, values: Mapping[str, Any], *, now: datetime
) -> Pattern | None:
    """Change columns of a pattern; None where somebody else has changed it meanwhile.

    Counters go on moving under a reader's eyes, so only what people change is compared.
    """
    table = AIErrorAnalysis
    unchanged = (
        getattr(table, name).is_not_distinct_from(getattr(seen, name))
        for name in ("auto_correction_enabled", "correction_changed_at", "resolved_at")
    )
    query = (
        update(table)
        .where(table.tenant_id == seen.tenant_id, table.pattern_id == seen.pattern_id, *unchanged)
        .values(**values, updated_at=now)
        .returning(table.pattern_id)
    )
    if (await conn.execute(query)).first() is None:
        return None
    return await pattern(conn, seen.pattern_id)


async def outcomes(conn: AsyncConnection, those: Iterable[Pattern]) -> dict[str, Outcomes]:
    """Return what each correction brought, by its id; corrections never applied are left out."""
    found: dict[str, Outcomes] = {}
    for each in those:
        if each.correction_id is None or not each.correction_config:
            continue
        given = {
            "tenant": each.tenant_id,
            "strategy": each.correction_config.get("strategy"),
            "since": each.correction_changed_at,
            "id": each.correction_id,
            "recent": RECENT,
        }
        row = (await conn.execute(_OUTCOMES, given)).one()
        if row.applied:
            found[each.correction_id] = Outcomes(row.applied, row.successes)
    return found


async def waste(conn: AsyncConnection, code: str, *, since: datetime, until: datetime) -> Waste:
    """Return what calls that failed for good with `code` cost in [`since`, `until`)."""
    tenant, pieces = tenant_of(conn), cut(since, until, now=datetime.now(UTC))
    measures = [measure for measure in ERROR_MEASURES if measure.name in _WASTED]
    source = sources(
        "error_",
        ", ".join(_WASTED),
        ", ".join(f"SIGN * {measure.sql} AS {measure.name}" for measure in measures),
        pieces=pieces,
        tenant=tenant,
        condition="error_code = :code",
        raw_condition="status = 'error' AND error_code = :code",
    )
    totals = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _WASTED)
    given = {**pieces.parameters(tenant), "code": code}
    query = text(f"SELECT {totals} FROM {source}")
    row = (await conn.execute(query, given)).one()
    return Waste(
        int(row.failed_count),
        float(row.wasted_ms) / 1000,
        int(row.wasted_tokens),
        float(row.wasted_cost_usd),
    )


_WASTED: Final = ("failed_count", "wasted_ms", "wasted_tokens", "wasted_cost_usd")

# Columns of the table, not of the class, as in `queries`.
_SELECTED: Final = select(*(AIErrorAnalysis.__table__.c[field.name] for field in fields(Pattern)))

_OUTCOMES: Final = text("""
    SELECT count(*) AS applied, count(*) FILTER (WHERE was_successful) AS successes
    FROM (
        SELECT was_successful FROM ai_error_recovery
        WHERE tenant_id = :tenant AND strategy_name = :strategy AND created_at >= :since
            AND recovery_result ->> 'correction_id' = :id
        ORDER BY created_at DESC LIMIT :recent
    ) AS latest
""")


async def _patterns(conn: AsyncConnection, *conditions: Any, limit: int = 1) -> list[Pattern]:
    query = _SELECTED.where(*conditions)
    if (tenant := tenant_of(conn)) is not None:
        query = query.where(AIErrorAnalysis.tenant_id == tenant)
    rows = await conn.execute(query.order_by(AIErrorAnalysis.last_occurred.desc()).limit(limit))
    return [Pattern(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
