"""Daily partitions are made ahead, once, and never in a writer's way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, Role, partitions, writes
from goldseam.storage.engine import connect

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
DAY = NOW.date()


def places(connection: psycopg.Connection, table: str) -> list[tuple[str, int]]:
    """Return where the rows of a table lie, and how many."""
    query = f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1 ORDER BY 1"  # noqa: S608 - names from this file
    with connection.transaction():
        return connection.execute(query).fetchall()


def test_a_range_of_days_is_made_once(database: str) -> None:
    """Each table gets a partition for each day; asking again makes none."""
    first = partitions.ensure(database, DAY, DAY + timedelta(days=1))

    assert first.created == (
        "ai_request_logs_p20260314",
        "ai_error_recovery_p20260314",
        "ai_stats_slow_hour_p20260314",
        "ai_stats_slow_hour_all_p20260314",
        "ai_request_logs_p20260315",
        "ai_error_recovery_p20260315",
        "ai_stats_slow_hour_p20260315",
        "ai_stats_slow_hour_all_p20260315",
    )
    assert partitions.ensure(database, DAY, DAY + timedelta(days=1)) == partitions.PartitionReport()


def test_rows_go_to_the_partition_of_their_utc_day(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """A day starts at midnight UTC, included."""
    partitions.ensure(owner, DAY, DAY)
    midnight = datetime(2026, 3, 14, tzinfo=UTC)
    moments = (
        midnight - timedelta(microseconds=1),
        midnight,
        midnight + timedelta(days=1, microseconds=-1),
        midnight + timedelta(days=1),
    )
    requests = [make_request(number, created_at=at) for number, at in enumerate(moments)]
    writes.write(writer, make_batch(*requests), NOW)

    assert places(writer, "ai_request_logs") == [
        ("ai_request_logs_default", 2),
        ("ai_request_logs_p20260314", 2),
    ]


def test_rows_of_a_new_day_move_out_of_the_default_partition(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_step: Callable[..., RecoveryRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """They are moved, counted and still there; a redelivery finds them."""
    request = make_request(1)
    batch = make_batch(request, recoveries=[make_step(request, n) for n in (1, 2)])
    writes.write(writer, batch, NOW)

    assert partitions.ensure(owner, DAY, DAY).rows_moved == 5
    assert places(writer, "ai_request_logs") == [("ai_request_logs_p20260314", 1)]
    assert places(writer, "ai_error_recovery") == [("ai_error_recovery_p20260314", 2)]
    assert places(writer, "ai_stats_slow_hour") == [("ai_stats_slow_hour_p20260314", 1)]
    assert writes.write(writer, batch, NOW) == writes.WriteResult()


def test_two_processes_may_do_it_at_once(database: str) -> None:
    """Each partition is made by one of them, and none is skipped."""
    last = DAY + timedelta(days=4)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(partitions.ensure, database, DAY, last) for _ in range(2)]
        reports = [done.result(timeout=60) for done in running]

    made = [name for report in reports for name in report.created]
    assert len(made) == len(set(made)) == 20
    assert [report.skipped for report in reports] == [0, 0]


def test_a_day_that_somebody_blocks_is_left_for_later(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A held lock costs a short wait and a warning, not an error; the next round makes the day."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_S", 0.05)
    with connect(database, Role.WRITER) as busy:
        busy.execute("SELECT count(*) FROM ai_request_logs")
        report = partitions.ensure(database, DAY, DAY)

    assert report.created == (
        "ai_error_recovery_p20260314",
        "ai_stats_slow_hour_p20260314",
        "ai_stats_slow_hour_all_p20260314",
    )
    assert report.skipped == 1
    assert "ai_request_logs_p20260314 is left for later" in caplog.text
    assert partitions.ensure(database, DAY, DAY).created == ("ai_request_logs_p20260314",)


def test_a_new_partition_has_the_indexes_and_locks_of_its_table(owner: psycopg.Connection) -> None:
    """Same number of valid indexes as the default partition, row security forced."""
    partitions.ensure(owner, DAY, DAY)
    rows = owner.execute(
        "SELECT relname, relrowsecurity AND relforcerowsecurity,"
        " (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisvalid)"
        " FROM pg_class AS c WHERE relispartition AND relkind = 'r' ORDER BY relname"
    ).fetchall()

    assert rows == [
        ("ai_error_recovery_default", True, 4),
        ("ai_error_recovery_p20260314", True, 4),
        ("ai_request_logs_default", True, 7),
        ("ai_request_logs_p20260314", True, 7),
        ("ai_stats_slow_hour_all_default", True, 2),
        ("ai_stats_slow_hour_all_p20260314", True, 2),
        ("ai_stats_slow_hour_default", True, 2),
        ("ai_stats_slow_hour_p20260314", True, 2),
    ]


def test_an_empty_range_makes_nothing(database: str) -> None:
    """The last day before the first is no error."""
    assert partitions.ensure(database, date(2026, 3, 15), DAY) == partitions.PartitionReport()
