"""`AIMetrics`: four questions with short answers, for programs that want no more than that.

The facade of the original design; each method hands on to `queries` and gives plain values that
turn into JSON as they are.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage import queries


class AIMetrics:
    """Statistics over the last hours, inside `engine.tenant_transaction`."""

    def __init__(self, conn: AsyncConnection) -> None:
        """Ask through `conn`."""
        self._conn = conn

    async def get_error_rate(self, *, hours: int = 24, module: str | None = None) -> dict[str, Any]:
        """Return `total_requests error_count error_rate success_count avg_time`.

        `error_rate` is percent, 0 to 100; `avg_time` milliseconds. Without a call both are 0.
        """
        since, until = _last(hours)
        found = await queries.statistics(self._conn, since=since, until=until, module=module)
        names = ("total_requests", "error_count", "error_rate", "success_count", "avg_time")
        return {name: getattr(found, name) for name in names}

    async def get_provider_performance(self, *, hours: int = 24) -> dict[str, dict[str, float]]:
        """Return `success_rate` (percent), `avg_time` (ms) and `avg_tokens` by provider."""
        since, until = _last(hours)
        found = await queries.providers(self._conn, since=since, until=until)
        return {
            each.provider: {
                "success_rate": each.success_rate,
                "avg_time": each.avg_time,
                "avg_tokens": each.avg_tokens,
            }
            for each in found
        }

    async def get_top_errors(self, *, limit: int = 10, hours: int = 24) -> list[dict[str, Any]]:
        """Return `error_code error_message count` of the most frequent patterns."""
        since, until = _last(hours)
        found = await queries.top_errors(self._conn, since=since, until=until, limit=limit)
        names = ("error_code", "error_message", "count")
        return [{name: getattr(each, name) for name in names} for each in found]

    async def get_slowest_requests(
        self, *, limit: int = 10, hours: int = 24
    ) -> list[dict[str, Any]]:
        """Return `id provider_used provider_model module processing_time_ms created_at`."""
        since, until = _last(hours)
        found = await queries.slowest(self._conn, since=since, until=until, limit=limit)
        return [
            {
                "id": str(row.id),
                "provider_used": row.provider_used,
                "provider_model": row.provider_model,
                "module": row.module,
                "processing_time_ms": row.processing_time_ms,
                "created_at": row.created_at.isoformat(),
            }
            for row in found
        ]


def _last(hours: int) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(hours=hours), now
