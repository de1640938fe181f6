"""`/api/v1/ai/recovery`: how the strategies did, and the playbook that applications poll.

Whoever writes a playbook looks at what its corrections brought, and leaves out and switches off
those that do not work; so no correction outlives its use by more than a poll.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.api import conditional, evidence
from goldseam.api.deps import Connection, needs
from goldseam.api.parameters import Text, WindowOf
from goldseam.api.problems import ProblemRoute
from goldseam.api.schemas.errors import Evidence, Playbook, PlaybookCorrection
from goldseam.storage import audit, patterns, queries
from goldseam.storage.keys import Scope
from goldseam.storage.patterns import Outcomes, Pattern

router = APIRouter(prefix="/recovery", tags=["recovery"], route_class=ProblemRoute)

GUARD = "guard"
"""Who switched a correction off that does not work."""


@router.get("/strategies", summary="How each strategy did", dependencies=[needs(Scope.STATS_READ)])
async def strategies(
    connection: Connection,
    window: WindowOf,
    *,
    error_code: Annotated[Text, Query(description="Only after this first error")] = None,
) -> list[Evidence]:
    """List success by strategy, provider and what had been tried before."""
    found = await queries.strategies(
        connection, since=window.since, until=window.until, error_code=error_code
    )
    return [evidence.weigh(each) for each in found]


@router.get(
    "/playbook",
    summary="Corrections to apply",
    dependencies=[needs(Scope.PLAYBOOK_READ)],
    response_model=Playbook,
)
async def playbook(request: Request, connection: Connection) -> Response:
    """Give the corrections that are on, in the form of docs/playbook.schema.json."""
    now = datetime.now(UTC)
    those = await patterns.enabled(connection)
    outcomes = await patterns.outcomes(connection, those)
    in_force: dict[tuple[str, int], PlaybookCorrection] = {}
    for each in those:
        found = outcomes.get(each.correction_id or "", Outcomes())
        if evidence.has_failed(each.correction_config or {}, found):
            await _switch_off(connection, each, found, now)
        else:
            key = each.error_pattern, each.normaliser_version
            in_force.setdefault(key, _correction(each))  # seen as all tenants: the latest
    document = Playbook(version=1, generated_at=now, corrections=list(in_force.values()))
    return conditional.answer(request, document, identity=document.corrections)


async def _switch_off(
    connection: AsyncConnection, pattern: Pattern, found: Outcomes, now: datetime
) -> None:
    values = {"auto_correction_enabled": False, "correction_changed_by": GUARD}
    if await patterns.change(connection, pattern, values, now=now) is None:
        return  # somebody was faster
    await audit.record(
        connection,
        tenant=pattern.tenant_id,
        actor=GUARD,
        action="errors.correction.disable",
        target=pattern.pattern_id,
        now=now,
        details={
            "applied": found.applied,
            "successes": found.successes,
            "correction_config": pattern.correction_config,
        },
    )


def _correction(pattern: Pattern) -> PlaybookCorrection:
    config: dict[str, Any] = dict(pattern.correction_config or {})
    config.pop("override", None)
    return PlaybookCorrection(
        id=pattern.correction_id or pattern.pattern_id,
        error_pattern=pattern.error_pattern,
        normaliser_version=pattern.normaliser_version,
        config=config,
        expires_at=None,
    )
