"""Body that shows a trace: its requests as a tree, each with its recovery steps."""

from datetime import datetime

from pydantic import BaseModel, Field

from goldseam.api.schemas.rows import LogEntry, RecoveryStep


class TraceRequest(LogEntry):
    """A request of a trace, with what happened inside it."""

    offset_ms: float = Field(description="From the start of the trace to its own, ms")
    recovery: list[RecoveryStep] = Field(description="Steps in the order in which they ran")
    children: list["TraceRequest"] = Field(description="Requests made inside it, in order")


class Trace(BaseModel):
    """What is stored of a trace."""

    trace_id: str = Field(description="32 lower-case hex digits")
    started_at: datetime = Field(description="Start of the first request, UTC")
    duration_ms: float = Field(description="To the end of the last request, ms")
    requests: list[TraceRequest] = Field(description="Outermost requests in order of their start")
