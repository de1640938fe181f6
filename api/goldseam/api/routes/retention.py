"""`DELETE /api/v1/ai/logs/old-logs`: old calls go, by the code of `goldseam db prune`."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from goldseam.api.deps import CallerOf, Tenant, needs
from goldseam.api.problems import Problem, ProblemRoute
from goldseam.api.schemas.deletion import Deletion
from goldseam.api.services import services
from goldseam.storage import audit, engine, retention, tenant_rows
from goldseam.storage.keys import Scope
from goldseam.storage.roles import ALL_TENANTS, Role

router = APIRouter(prefix="/logs", tags=["retention"], route_class=ProblemRoute)

_DAYS_MAX: Final = 36_500
_RETRY_AFTER_S: Final = "5"

Days = Annotated[int, Query(ge=1, le=_DAYS_MAX, description="Full UTC days to keep besides today")]


@router.delete("/old-logs", dependencies=[needs(Scope.LOGS_DELETE)], summary="Delete old calls")
async def delete_old_logs(
    request: Request,
    caller: CallerOf,
    tenant: Tenant,
    *,
    days: Days,
    dry_run: Annotated[bool, Query(description="Only count")] = False,
) -> Deletion:
    """Drop whole days for all tenants, or delete one tenant's rows; the roll-ups stay."""
    now = datetime.now(UTC)
    here = services(request)
    if here.deleting.locked():
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Old calls are being deleted already; ask again when that is done.",
            headers={"Retry-After": _RETRY_AFTER_S},
        )
    async with here.deleting:
        report = await run_in_threadpool(
            lambda: _prune(here.database_url, tenant, days, now, dry_run=dry_run)
        )
    deletion = Deletion(
        scope="partitions" if tenant == ALL_TENANTS else "rows",
        tenant_id=tenant,
        before=report.before,
        deleted=report.requests,
        recoveries=report.recoveries,
        partitions=list(report.partitions),
        skipped=report.skipped,
        dry_run=dry_run,
    )
    if not dry_run:
        await _write_down(request, deletion, caller.actor, now)
    return deletion


def _prune(
    url: str, tenant: str, days: int, now: datetime, *, dry_run: bool
) -> retention.PruneReport:
    with engine.connect(url, Role.OWNER) as connection:
        if tenant == ALL_TENANTS:
            return retention.prune(connection, days=days, today=now.date(), dry_run=dry_run)
        return tenant_rows.prune_tenant(connection, tenant, days=days, now=now, dry_run=dry_run)


async def _write_down(request: Request, deletion: Deletion, actor: str, now: datetime) -> None:
    async with engine.tenant_transaction(services(request).engine, deletion.tenant_id) as opened:
        await audit.record(
            opened,
            tenant=deletion.tenant_id,
            actor=actor,
            action="logs.delete",
            now=now,
            details=deletion.model_dump(mode="json", exclude={"tenant_id", "dry_run"}),
        )
