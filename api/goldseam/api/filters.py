"""Which calls a list is about: the parameters that `/recent` and `/export` share."""

from typing import Annotated, Literal

from fastapi import Depends, Query

from goldseam.api.parameters import Since, Text, Until
from goldseam.storage.queries import RecentFilter

Status = Literal["pending", "success", "error", "cancelled", "abandoned"]


async def recent_filter(
    *,
    module: Annotated[Text, Query(description="Part of the application")] = None,
    status: Annotated[Status | None, Query(description="How the call ended")] = None,
    provider: Annotated[Text, Query(description="Provider that answered or failed last")] = None,
    model: Annotated[Text, Query(description="Model that was asked for")] = None,
    error_code: Annotated[Text, Query(description="What went wrong in the end")] = None,
    trace_id: Annotated[Text, Query(description="32 hex digits")] = None,
    user_id: Annotated[Text, Query(description="User on whose behalf it was")] = None,
    since: Since = None,
    until: Until = None,
    recovered: Annotated[bool | None, Query(description="Mended calls only, or without")] = None,
) -> RecentFilter:
    """Return what narrows the list; without `since` it reaches back 30 days.

    By provider, model, error code, user or recovery it reaches back 24 hours. Async as
    `parameters.window` is.
    """
    return RecentFilter(
        module=module,
        status=status,
        provider=provider,
        model=model,
        error_code=error_code,
        trace_id=trace_id,
        user_id=user_id,
        since=since,
        until=until,
        recovered=recovered,
    )


FilterOf = Annotated[RecentFilter, Depends(recent_filter)]
