"""A batch is stored once, however often it is delivered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, Role, pattern_counters, writes
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.engine import connect
from goldseam.storage.errors import BatchError
from goldseam.storage.write_statements import REQUEST_COLUMNS
from goldseam.storage.writes import WriteResult

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]
MakeBatch = Callable[..., Batch]

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
PATTERN = "TIMEOUT:openai:slow"
FAILED = {"status": "error", "error_code": "TIMEOUT", "error_pattern": PATTERN}


def rows(connection: psycopg.Connection, table: str) -> list[dict[str, Any]]:
    """Return every row of a table, in the order of its key."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        query = f"SELECT * FROM {table} ORDER BY 1, 2, 3"  # noqa: S608 - names from this file
        return cursor.execute(query).fetchall()


def everything(connection: psycopg.Connection) -> list[list[dict[str, Any]]]:
    """Return all rows of the three tables."""
    tables = ("ai_request_logs", "ai_error_recovery", "ai_error_analysis")
    return [rows(connection, table) for table in tables]


def test_every_field_of_a_record_comes_back(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Each column holds what its field held, and the time of writing stands beside it."""
    values = {
        name: f"text of {name}"
        for name, kind in RequestRecord.__annotations__.items()
        if kind in ("str | None", str | None)
    }
    numbers = {
        name: 7
        for name, kind in RequestRecord.__annotations__.items()
        if kind in (int | None, float | None)
    }
    record = make_request(
        **values,
        **numbers,
        is_stream=True,
        degraded=True,
        cache_hit=True,
        duplicate_of=UUID(int=5),
        request_metadata={"stop": ["ñ😀", None], "nested": {"deep": True}, "big": 2**70, "t": 0.2},
    )
    writes.write(writer, make_batch(record), NOW)

    [row] = rows(writer, "ai_request_logs")
    assert row.pop("updated_at") == NOW
    assert RequestRecord(**row) == record
    assert tuple(row) == REQUEST_COLUMNS
    assert len(values) > 15
    assert len(numbers) > 10


def test_a_step_comes_back(
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """A recovery step is stored without its request, which comes later."""
    step = make_step(make_request(), provider="ollama", recovery_result={"delay_s": 0.5})

    assert writes.write(writer, make_batch(recoveries=[step]), NOW).recoveries_new == 1
    [row] = rows(writer, "ai_error_recovery")
    assert (row.pop("after"), row.pop("call_error")) == ("", "")
    assert RecoveryRecord(**row) == step


def test_redelivery_changes_nothing(
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """A second delivery leaves all rows, counters and times as they are."""
    requests = [make_request(1, **FAILED), make_request(2, status="pending"), make_request(3)]
    steps = [make_step(requests[0], number) for number in (1, 2)]
    batch = make_batch(*requests, recoveries=steps)
    first = writes.write(writer, batch, NOW)
    stored = everything(writer)

    assert first == WriteResult(requests_new=3, recoveries_new=2, patterns_new=1)
    assert writes.write(writer, batch, LATER) == WriteResult()
    assert everything(writer) == stored


def test_new_and_known_rows_may_share_a_batch(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Only the new row is counted."""
    known, new = make_request(1, **FAILED), make_request(2, **FAILED)
    writes.write(writer, make_batch(known), NOW)

    assert writes.write(writer, make_batch(known, new), LATER) == WriteResult(requests_new=1)
    assert [row["occurrence_count"] for row in rows(writer, "ai_error_analysis")] == [2]


def test_an_empty_batch_does_nothing(writer: psycopg.Connection) -> None:
    """Nothing is written for nothing."""
    assert writes.write(writer, Batch(), NOW) == WriteResult()


def test_the_end_of_a_call_replaces_its_announcement(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """A pending row becomes final, once, and its pattern counts then."""
    pending = make_request(status="pending", processing_time_ms=0.0, user_id="guess")
    final = make_request(**FAILED)
    writes.write(writer, make_batch(pending), NOW)

    assert writes.write(writer, make_batch(final), LATER) == WriteResult(
        requests_changed=1, patterns_new=1
    )
    [row] = rows(writer, "ai_request_logs")
    assert row.pop("updated_at") == LATER
    assert RequestRecord(**row) == final
    assert [row["occurrence_count"] for row in rows(writer, "ai_error_analysis")] == [1]


def test_an_announcement_after_the_end_is_ignored(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """A pending record never touches a final row."""
    writes.write(writer, make_batch(make_request(**FAILED)), NOW)
    stored = everything(writer)

    assert writes.write(writer, make_batch(make_request(status="pending")), LATER) == WriteResult()
    assert everything(writer) == stored


def test_both_in_one_batch_are_one_new_final_row(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """The final record wins inside a batch too, in whatever order."""
    batch = make_batch(make_request(**FAILED), make_request(status="pending"))

    assert writes.write(writer, batch, NOW) == WriteResult(requests_new=1, patterns_new=1)
    assert [row["status"] for row in rows(writer, "ai_request_logs")] == ["error"]


def test_a_mended_call_counts_in_its_pattern(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """It is an occurrence, and a recovered one."""
    mended = make_request(1, error_pattern=PATTERN, recovery_outcome="recovered")
    failed = make_request(2, **FAILED, recovery_outcome="failed")
    writes.write(writer, make_batch(mended, failed), NOW)

    [row] = rows(writer, "ai_error_analysis")
    assert (row["occurrence_count"], row["recovered_count"]) == (2, 1)
    assert row["first_seen"] == mended.created_at
    assert row["last_occurred"] == failed.created_at + timedelta(milliseconds=250)
    assert row["pattern_id"] == pattern_counters.pattern_id("acme", PATTERN)
    assert row["resolution_status"] == "open"


def test_the_pattern_id_is_the_start_of_a_hash() -> None:
    """Sixteen hex digits of SHA-256 over tenant and pattern, as other programs compute it."""
    assert pattern_counters.pattern_id("acme", "TIMEOUT:openai:slow") == "89c6607811ec58fe"


def test_a_row_that_becomes_a_duplicate_is_taken_out_of_its_pattern(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """The counters go back when the row no longer counts."""
    failed = make_request(**FAILED, recovery_outcome="recovered")
    writes.write(writer, make_batch(failed), NOW)
    duplicate = replace(failed, duplicate_of=UUID(int=5))

    assert writes.write(writer, make_batch(duplicate), LATER).requests_changed == 1
    [row] = rows(writer, "ai_error_analysis")
    assert (row["occurrence_count"], row["recovered_count"]) == (0, 0)


def test_a_later_end_may_move_a_row_to_another_pattern(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """What the row counted before is taken back, also where the batch does not know it."""
    other = "SERVER_ERROR:openai:boom"
    writes.write(writer, make_batch(make_request(**FAILED)), NOW)
    longer = make_request(**FAILED | {"error_pattern": other}, processing_time_ms=900.0)
    writes.write(writer, make_batch(longer), LATER)

    counts = {
        row["error_pattern"]: row["occurrence_count"] for row in rows(writer, "ai_error_analysis")
    }
    assert counts == {PATTERN: 0, other: 1}


@pytest.mark.parametrize(
    ("before", "after"), [("resolved", "open"), ("wontfix", "wontfix"), ("open", "open")]
)
def test_a_new_occurrence_opens_a_resolved_pattern(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_batch: MakeBatch,
    before: str,
    after: str,
) -> None:
    """`resolved` opens again with a new occurrence, not with a redelivery; `wontfix` stays."""
    old, new = make_batch(make_request(1, **FAILED)), make_batch(make_request(2, **FAILED))
    writes.write(writer, old, NOW)
    with owner.transaction():
        owner.execute("UPDATE ai_error_analysis SET resolution_status = %s", (before,))

    writes.write(writer, old, LATER)
    assert [row["resolution_status"] for row in rows(writer, "ai_error_analysis")] == [before]
    writes.write(writer, new, LATER)
    assert [row["resolution_status"] for row in rows(writer, "ai_error_analysis")] == [after]


def test_a_late_span_does_not_open_a_pattern_that_was_resolved_after_it(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_batch: MakeBatch,
) -> None:
    """Only what ended after `resolved_at` shows that the mend did not hold."""
    writes.write(writer, make_batch(make_request(1, **FAILED)), NOW)
    with owner.transaction():
        owner.execute(
            "UPDATE ai_error_analysis SET resolution_status = 'resolved',"
            " resolved_at = last_occurred + interval '1 hour'"
        )

    writes.write(writer, make_batch(make_request(2, **FAILED)), LATER)
    [late] = rows(writer, "ai_error_analysis")
    assert (late["resolution_status"], late["occurrence_count"]) == ("resolved", 2)
    new = make_request(3, **FAILED, created_at=late["resolved_at"])
    writes.write(writer, make_batch(new), LATER)
    [opened] = rows(writer, "ai_error_analysis")
    assert (opened["resolution_status"], opened["resolved_at"]) == ("open", late["resolved_at"])


def test_tenants_do_not_share_rows_or_patterns(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """The same span and the same pattern of two tenants are two of each."""
    requests = [make_request(**FAILED, tenant_id=tenant) for tenant in ("acme", "globex")]

    assert writes.write(writer, make_batch(*requests), NOW) == WriteResult(
        requests_new=2, patterns_new=2
    )


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"error_message": "a\0b"}, id="NUL in a text"),
        pytest.param({"prompt_length": 2**40}, id="number too large"),
        pytest.param({"prompt_length": 2**70}, id="number far too large"),
        pytest.param({"prompt_length": "7"}, id="text for a number"),
        pytest.param({"duplicate_of": "7"}, id="text for a UUID"),
        pytest.param({"error_message": "\ud800"}, id="half a character"),
        pytest.param({"request_metadata": {"a": "\0"}}, id="NUL in JSON"),
        pytest.param({"status": "unheard of"}, id="unknown status"),
    ],
)
def test_a_value_that_does_not_fit_leaves_the_connection_usable(
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_batch: MakeBatch,
    values: dict[str, Any],
) -> None:
    """Nothing of the bad batch is stored, and the next batch is."""
    with pytest.raises((psycopg.DataError, psycopg.IntegrityError)):
        writes.write(writer, make_batch(make_request(1), make_request(2, **values)), NOW)

    assert rows(writer, "ai_request_logs") == []
    assert writes.write(writer, make_batch(make_request(1)), NOW).requests_new == 1


def test_nobody_may_call_himself_everybody(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """The name that stands for all tenants belongs to none."""
    with pytest.raises(psycopg.errors.CheckViolation):
        writes.write(writer, make_batch(make_request(tenant_id="*")), NOW)


def test_a_pattern_nobody_described_is_refused(
    writer: psycopg.Connection, make_request: MakeRequest
) -> None:
    """The error names the pattern, before anything is written."""
    with pytest.raises(BatchError, match=PATTERN):
        writes.write(writer, Batch(requests=[make_request(**FAILED)]), NOW)


def test_an_open_transaction_is_refused(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Inside a transaction of the caller, returning would not mean committed."""
    writer.execute("SELECT 1")
    with pytest.raises(BatchError, match="commit or roll it back"):
        writes.write(writer, make_batch(make_request()), NOW)


def test_what_is_written_is_committed(
    database: str, writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Another connection sees the rows as soon as `write` returns, and after a crash."""
    writes.write(writer, make_batch(make_request()), NOW)

    with connect(database, Role.WRITER) as other:
        assert len(rows(other, "ai_request_logs")) == 1


def test_a_span_from_a_strange_time_fails_nothing(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """A day without a partition goes to the default partition."""
    ancient = make_request(1, created_at=datetime(1970, 1, 1, tzinfo=UTC))

    assert writes.write(writer, make_batch(ancient, make_request(2)), NOW).requests_new == 2


def test_a_lost_connection_loses_no_batch(
    postgres: EmbeddedPostgres,
    database: str,
    make_request: MakeRequest,
    make_batch: MakeBatch,
) -> None:
    """Written again on a new connection, a batch is there once."""
    if not isinstance(postgres, EmbeddedPostgres):
        pytest.skip("a server that others run is not stopped")
    batch = make_batch(make_request(1, **FAILED))
    with connect(database, Role.WRITER) as connection:
        writes.write(connection, batch, NOW)
        postgres.stop()
        with pytest.raises(psycopg.OperationalError):
            writes.write(connection, batch, NOW)
    postgres.start()

    with connect(database, Role.WRITER) as connection:
        assert writes.write(connection, batch, LATER) == WriteResult()
        assert [row["occurrence_count"] for row in rows(connection, "ai_error_analysis")] == [1]
