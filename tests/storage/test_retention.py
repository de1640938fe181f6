"""Old days are dropped whole, counted exactly, and leave their sums behind."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from goldseam.storage import (
    Batch,
    RecoveryRecord,
    RequestRecord,
    horizon,
    partitions,
    retention,
    writes,
)

TODAY = date(2026, 3, 14)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def filled(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_step: Callable[..., RecoveryRecord],
    make_batch: Callable[..., Batch],
) -> psycopg.Connection:
    """Give the owner's connection to three days of requests and one from a year without a day."""
    partitions.ensure(owner, TODAY - timedelta(days=2), TODAY)
    requests = [
        make_request(n, created_at=NOON - timedelta(days=n % 3, minutes=n)) for n in range(9)
    ]
    strange = make_request(99, created_at=NOON - timedelta(days=700))
    steps = [make_step(request) for request in requests[:4]]
    writes.write(writer, make_batch(*requests, strange, recoveries=steps), NOON)
    return owner


def counts(connection: psycopg.Connection) -> tuple[int, ...]:
    """Count requests, steps, days of sums, and entries of the slowest."""
    with connection.transaction():
        row = connection.execute(
            "SELECT (SELECT count(*) FROM ai_request_logs),"
            " (SELECT count(*) FROM ai_error_recovery), (SELECT count(*) FROM ai_stats_total_day),"
            " (SELECT count(*) FROM ai_stats_slow_hour)"
        ).fetchone()
    assert row is not None
    return tuple(row)


def test_older_days_go_with_exact_counts(filled: psycopg.Connection) -> None:
    """The day before yesterday and the stray row go; sums stay, but for those past 13 months."""
    assert counts(filled) == (10, 4, 4, 10)

    report = retention.prune(filled, days=1, today=TODAY)

    assert report == retention.PruneReport(
        before=datetime(2026, 3, 13, tzinfo=UTC),
        partitions=(
            "ai_request_logs_p20260312",
            "ai_error_recovery_p20260312",
            "ai_stats_slow_hour_p20260312",
            "ai_stats_slow_hour_all_p20260312",
        ),
        requests=4,
        recoveries=1,
    )
    assert counts(filled) == (6, 3, 3, 6)
    assert retention.prune(filled, days=1, today=TODAY).requests == 0


def test_what_comes_again_from_a_dropped_day_is_refused(
    filled: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_step: Callable[..., RecoveryRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """It is neither stored nor counted a second time; newer records of its batch are stored."""
    retention.prune(filled, days=1, today=TODAY)
    before = counts(filled)
    old = make_request(2, created_at=NOON - timedelta(days=2, minutes=2))
    new, step = make_request(50), make_step(old)

    result = writes.write(writer, make_batch(old, new, recoveries=[step]), NOON)

    assert result == writes.WriteResult(requests_new=1, gone=(old, step))
    requests, steps, days, slow = before
    assert counts(filled) == (requests + 1, steps, days, slow + 1)


def test_nothing_is_dropped_under_a_writers_feet(
    filled: psycopg.Connection, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that has looked where the past ends is waited for, or left alone."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_S", 0.05)
    with writer.transaction(), writer.cursor() as cursor:
        horizon.split(cursor, Batch())

        assert retention.prune(filled, days=1, today=TODAY).skipped == 1

    assert counts(filled) == (10, 4, 4, 10)


def test_a_dry_run_counts_the_same_and_drops_nothing(filled: psycopg.Connection) -> None:
    """What it announces is what the real run then does."""
    announced = retention.prune(filled, days=1, today=TODAY, dry_run=True)

    assert counts(filled) == (10, 4, 4, 10)
    assert retention.prune(filled, days=1, today=TODAY) == announced


def test_a_day_in_use_is_left_for_the_next_round(
    filled: psycopg.Connection, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds rows of an old day, or of no day, is not waited for."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_S", 0.05)
    writer.execute("SELECT 1 FROM ai_request_logs WHERE created_at < '2026-03-13+00' FOR UPDATE")

    report = retention.prune(filled, days=1, today=TODAY)
    writer.rollback()

    assert report.skipped == 2
    assert "ai_error_recovery_p20260312" in report.partitions
    assert "ai_request_logs_p20260312" not in report.partitions
    assert retention.prune(filled, days=1, today=TODAY).requests == 4


def test_keeping_no_day_at_all_is_refused(owner: psycopg.Connection) -> None:
    """Zero means to keep everything, and then nobody prunes."""
    with pytest.raises(ValueError, match="at least 1 day"):
        retention.prune(owner, days=0, today=TODAY)
