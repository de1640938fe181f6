"""`/api/v1/ai/errors/{pattern_id}`: one error pattern, its state of work, and its correction.

A correction is switched on only where evidence speaks for it, or with an override that says why;
both are written to the audit. From there applications get it by the playbook.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.api import conditional, evidence
from goldseam.api.deps import CallerOf, Connection, needs
from goldseam.api.parameters import Id
from goldseam.api.problems import Conflict, Invalid, NotFound, ProblemRoute
from goldseam.api.schemas.errors import (
    ErrorPattern,
    ErrorPatternDetail,
    ErrorPatternPatch,
    Evidence,
)
from goldseam.storage import audit, patterns, queries
from goldseam.storage.keys import Scope
from goldseam.storage.patterns import Pattern

router = APIRouter(prefix="/errors", tags=["errors"], route_class=ProblemRoute)

EVIDENCE_WINDOW: Final = timedelta(days=30)

PatternId = Annotated[Id, Path(description="16 hex digits, as in /logs/errors/top")]


@router.get(
    "/{pattern_id}",
    summary="One error pattern",
    dependencies=[needs(Scope.ERRORS_READ)],
    response_model=ErrorPatternDetail,
)
async def one(request: Request, connection: Connection, pattern_id: PatternId) -> Response:
    """Show a pattern, what has helped against it, and what its correction does."""
    found = await _find(connection, pattern_id)
    return conditional.answer(request, await _detail(connection, found), revised=_audited(found))


@router.patch(
    "/{pattern_id}", summary="Change an error pattern", dependencies=[needs(Scope.ERRORS_WRITE)]
)
async def change(
    response: Response,
    connection: Connection,
    caller: CallerOf,
    pattern_id: PatternId,
    patch: ErrorPatternPatch,
    *,
    if_match: conditional.IfMatch = None,
) -> ErrorPatternDetail:
    """Set where work stands, or the correction; switching one on needs evidence."""
    now = datetime.now(UTC)
    seen = await _find(connection, pattern_id)
    conditional.check(if_match, _audited(seen))
    values = _status_values(patch, now) | await _correction_values(
        connection, seen, patch, actor=caller.actor, now=now
    )
    changed = await patterns.change(connection, seen, values, now=now) if values else seen
    if changed is None:
        raise Conflict("Somebody else has just changed this pattern: read it again, then decide.")
    if values:
        await audit.record(
            connection,
            tenant=seen.tenant_id,
            actor=caller.actor,
            action=_action(seen, changed),
            target=pattern_id,
            now=now,
            details={
                "before": _audited(seen),
                "after": _audited(changed),
                "override": patch.override,
                "reason": patch.reason,
            },
        )
    detail = await _detail(connection, changed)
    response.headers["ETag"] = conditional.tag(detail, revised=_audited(changed))
    return detail


async def evidence_for(connection: AsyncConnection, pattern: Pattern) -> list[Evidence]:
    """Return what strategies did against a pattern, in its tenant, lately."""
    until = datetime.now(UTC)
    found = await queries.strategies(
        connection,
        since=until - EVIDENCE_WINDOW,
        until=until,
        error_pattern=pattern.error_pattern,
        tenant_id=pattern.tenant_id,
    )
    return [evidence.weigh(each) for each in found]


async def _find(connection: AsyncConnection, pattern_id: str) -> Pattern:
    found = await patterns.pattern(connection, pattern_id)
    if found is None:
        raise NotFound("error pattern with this id")
    return found


async def _detail(connection: AsyncConnection, found: Pattern) -> ErrorPatternDetail:
    outcomes = await patterns.outcomes(connection, [found])
    return ErrorPatternDetail(
        **ErrorPattern.model_validate(found).model_dump(),
        evidence=await evidence_for(connection, found),
        effect=evidence.effect_of(found, outcomes),
    )


def _status_values(patch: ErrorPatternPatch, now: datetime) -> dict[str, Any]:
    if patch.resolution_status is None:
        return {}
    resolved_at = now if patch.resolution_status == "resolved" else None
    return {"resolution_status": patch.resolution_status, "resolved_at": resolved_at}


async def _correction_values(
    connection: AsyncConnection,
    seen: Pattern,
    patch: ErrorPatternPatch,
    *,
    actor: str,
    now: datetime,
) -> dict[str, Any]:
    if patch.auto_correction_enabled is None and patch.correction_config is None:
        return {}
    config = patch.correction_config
    if config is None:
        kept = seen.correction_config or {}
        config = {name: value for name, value in kept.items() if name != "override"}
    is_on = patch.auto_correction_enabled
    if is_on is None:
        is_on = seen.auto_correction_enabled
    if (fault := evidence.config_fault(config)) and (is_on or patch.correction_config is not None):
        raise Invalid("correction_config", fault)
    if is_on:
        await _check(connection, seen, config, patch)
    return {
        "auto_correction_enabled": is_on,
        "correction_config": (config | ({"override": True} if patch.override else {})) or None,
        "correction_changed_at": now,
        "correction_changed_by": actor,
    }


async def _check(
    connection: AsyncConnection, seen: Pattern, config: dict[str, Any], patch: ErrorPatternPatch
) -> None:
    """Refuse a correction that cannot work, or for which no evidence speaks."""
    if useless := evidence.cannot_work(seen.error_code, config["strategy"]):
        raise Conflict(f"This correction cannot work: {useless}.")
    if patch.override:
        if not (patch.reason or "").strip():
            raise Invalid("reason", "say why the evidence is overridden")
        return
    weighed = await evidence_for(connection, seen)
    if why := evidence.not_eligible(config, weighed):
        raise Conflict(
            f"Evidence does not speak for this correction: {why}. To enable it all the same, send "
            "override: true with a reason; it ends itself after 20 bad outcomes.",
            evidence=[each.model_dump() for each in weighed],
        )


def _action(before: Pattern, after: Pattern) -> str:
    if after.correction_changed_at == before.correction_changed_at:
        return "errors.resolution"
    if after.auto_correction_enabled != before.auto_correction_enabled:
        return f"errors.correction.{'enable' if after.auto_correction_enabled else 'disable'}"
    return "errors.correction.change"


def _audited(pattern: Pattern) -> dict[str, Any]:
    names = ("resolution_status", "auto_correction_enabled", "correction_config")
    return {name: getattr(pattern, name) for name in names}
