"""What the collector does by the clock: partitions, retention, ends of overdue requests.

Started by `app` beside the writer, with connections of its own. A job that fails is repeated at its
next time: the database may be away.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from goldseam.collector.settings import CollectorSettings
from goldseam.storage import engine, partitions, retention, rewrites
from goldseam.storage.errors import StorageError
from goldseam.storage.roles import Role

PARTITION_PERIOD_S: Final = 3_600.0
DAYS_BEHIND: Final = 7
"""Spans this late still find their day's partition; older ones go to the default partition."""

DAYS_AHEAD: Final = 3
"""A weekend without maintenance leaves no day without its partition."""

OVERDUE_PERIOD_S: Final = 60.0
"""A call that never ended is shown as such this much later at most; sooner with a shorter time-out
for such calls."""

_STATEMENT_TIMEOUT_S: Final = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to do again and again; `run` may block."""

    name: str
    period_s: float
    run: Callable[[], object]


def jobs(settings: CollectorSettings) -> tuple[Job, ...]:
    """Return the collector's jobs."""
    url = settings.database_url
    timeout = timedelta(seconds=settings.pending_timeout_s)
    return (
        Job(
            name="creating and dropping partitions",
            period_s=PARTITION_PERIOD_S,
            run=lambda: keep_partitions(url, _now(), retention_days=settings.retention_days),
        ),
        Job(
            name="giving up overdue requests",
            period_s=min(OVERDUE_PERIOD_S, settings.pending_timeout_s),
            run=lambda: give_up_overdue(url, _now(), timeout=timeout),
        ),
    )


async def keep(settings: CollectorSettings) -> None:
    """Run the jobs, each for the first time after its period, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for job in jobs(settings):
            group.create_task(_repeat(job))


def ensure_partitions(url: str, now: datetime) -> None:
    """Create the daily partitions around `now`.

    Raises:
        StorageError: The database is away, or lacks the tables.
    """
    today = now.date()
    partitions.ensure(url, today - timedelta(days=DAYS_BEHIND), today + timedelta(days=DAYS_AHEAD))


def keep_partitions(url: str, now: datetime, *, retention_days: int) -> None:
    """Create the daily partitions around `now`, then drop those that are too old.

    Args:
        url: Database.
        now: Current time.
        retention_days: Days kept besides today; 0 keeps everything.

    Raises:
        StorageError: The database is away, or lacks the tables.
    """
    ensure_partitions(url, now)
    if retention_days:
        with engine.connect(url, Role.OWNER) as connection:
            report = retention.prune(connection, days=retention_days, today=now.date())
        if report.partitions:
            _log.info("dropped %d requests from before %s", report.requests, report.before.date())


def give_up_overdue(url: str, now: datetime, *, timeout: timedelta) -> int:
    """Mark requests as abandoned that started `timeout` before `now` and have not ended.

    Returns:
        How many there were.

    Raises:
        StorageError: The database is away, or lacks the tables.
    """
    with engine.connect(url, Role.WRITER, statement_timeout_s=_STATEMENT_TIMEOUT_S) as connection:
        return rewrites.abandon(connection, before=now - timeout, now=now)


async def _repeat(job: Job) -> None:
    while True:
        await asyncio.sleep(job.period_s)
        try:
            await asyncio.to_thread(job.run)
        except (StorageError, psycopg.Error) as error:
            _log.warning("%s failed, next try in %.0f s: %s", job.name, job.period_s, error)


def _now() -> datetime:
    return datetime.now(UTC)
