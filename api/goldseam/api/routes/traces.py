"""`/api/v1/ai/logs/trace/{trace_id}`: the requests of a trace as a tree."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path

from goldseam.api.deps import Connection, needs
from goldseam.api.problems import NotFound, ProblemRoute
from goldseam.api.schemas.rows import LogEntry, RecoveryStep
from goldseam.api.schemas.traces import Trace, TraceRequest
from goldseam.storage import queries
from goldseam.storage.keys import Scope

router = APIRouter(prefix="/logs", tags=["logs"], route_class=ProblemRoute)

TraceId = Annotated[str, Path(pattern="^[0-9a-fA-F]{32}$", description="32 hex digits")]


@router.get(
    "/trace/{trace_id}", summary="One trace as a tree", dependencies=[needs(Scope.LOGS_READ)]
)
async def trace(connection: Connection, trace_id: TraceId) -> Trace:
    """Show the requests of a trace, one inside the other, each with its recovery steps."""
    found = await queries.trace(connection, trace_id.lower())
    if not found.requests:
        raise NotFound("trace with this id")
    started_at = min(row.created_at for row in found.requests)
    ends = [
        row.created_at + timedelta(milliseconds=row.processing_time_ms) for row in found.requests
    ]
    return Trace(
        trace_id=trace_id.lower(),
        started_at=started_at,
        duration_ms=(max(ends) - started_at) / timedelta(milliseconds=1),
        requests=tree(found, started_at),
    )


def tree(found: queries.Trace, started_at: datetime) -> list[TraceRequest]:
    """Return the outermost requests; one whose parent is not stored, or is itself, is outermost."""
    steps = defaultdict(list)
    for step in found.steps:
        steps[step.request_log_id].append(RecoveryStep.model_validate(step))
    nodes = {
        row.span_id: TraceRequest(
            **LogEntry.model_validate(row).model_dump(),
            offset_ms=(row.created_at - started_at) / timedelta(milliseconds=1),
            recovery=steps[row.id],
            children=[],
        )
        for row in found.requests
    }
    return _nested(nodes.values(), nodes)


def _nested(nodes: Iterable[TraceRequest], by_span: dict[str, TraceRequest]) -> list[TraceRequest]:
    outermost = []
    for node in nodes:
        parent = by_span.get(node.parent_span_id or "")
        if parent is None or _holds(node, parent, by_span):
            outermost.append(node)
        else:
            parent.children.append(node)
    return outermost


def _holds(
    node: TraceRequest, other: TraceRequest | None, by_span: dict[str, TraceRequest]
) -> bool:
    """Tell whether `node` is `other` or above it; a sender may claim a circle."""
    seen: set[str] = set()
    while other is not None and other.span_id not in seen:
        if other is node:
            return True
        seen.add(other.span_id)
        other = by_span.get(other.parent_span_id or "")
    return False
