"""Two writers at once give the same tables as one after the other."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, Role, writes
from goldseam.storage.engine import connect
from goldseam.storage.writes import WriteResult

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]
MakeBatch = Callable[..., Batch]

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
SPANS = 150
PATTERNS = 7
WRITERS = 2


def write_at_once(database: str, rounds: list[list[Batch]]) -> list[WriteResult]:
    """Let each writer write its batches, all of them starting every round together."""
    together = Barrier(len(rounds))

    def run(batches: list[Batch]) -> list[WriteResult]:
        with connect(database, Role.WRITER) as connection:
            results = []
            for batch in batches:
                together.wait(timeout=30)
                results.append(writes.write(connection, batch, NOW))
            return results

    with ThreadPoolExecutor(len(rounds)) as pool:
        running = [pool.submit(run, batches) for batches in rounds]
        return [result for done in running for result in done.result(timeout=60)]


def counters(database: str) -> list[tuple[str, int, int]]:
    """Return what the table of patterns has counted."""
    with connect(database, Role.WRITER) as connection:
        return connection.execute(
            "SELECT error_pattern, occurrence_count, recovered_count FROM ai_error_analysis"
            " ORDER BY error_pattern"
        ).fetchall()


def recount(database: str) -> list[tuple[str, int, int]]:
    """Return what it should have counted."""
    with connect(database, Role.WRITER) as connection:
        return connection.execute(
            "SELECT error_pattern, count(*),"
            " count(*) FILTER (WHERE recovery_outcome = 'recovered') FROM ai_request_logs"
            " WHERE error_pattern IS NOT NULL AND duplicate_of IS NULL AND status <> 'pending'"
            " GROUP BY 1 ORDER BY 1"
        ).fetchall()


def test_the_same_batch_from_two_writers_is_stored_once(
    database: str, make_request: MakeRequest, make_step: MakeStep, make_batch: MakeBatch
) -> None:
    """Each row is new for exactly one of them, and the counters count it once."""
    requests = [
        make_request(
            number,
            error_pattern=f"TIMEOUT:openai:{number % PATTERNS}",
            recovery_outcome="recovered" if number % 2 else "failed",
        )
        for number in range(SPANS)
    ]
    steps = [make_step(request, number) for number, request in enumerate(requests)]
    shuffled = random.Random(1)  # noqa: S311 - an order, not a secret

    def batch() -> Batch:
        return make_batch(
            *shuffled.sample(requests, SPANS), recoveries=shuffled.sample(steps, SPANS)
        )

    results = write_at_once(database, [[batch()] for _ in range(WRITERS)])

    assert sum(result.requests_new for result in results) == SPANS
    assert sum(result.recoveries_new for result in results) == SPANS
    assert sum(result.requests_changed for result in results) == 0
    assert counters(database) == recount(database)
    assert sum(count for _, count, _ in counters(database)) == SPANS


def test_overlapping_batches_neither_deadlock_nor_miscount(
    database: str, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Announcements, ends and later ends of the same spans cross in every order."""
    chance = random.Random(2)  # noqa: S311 - an order, not a secret

    def version(number: int) -> RequestRecord:
        status = chance.choice(["pending", "success", "error", "error"])
        final = status != "pending"
        return make_request(
            number,
            status=status,
            processing_time_ms=float(chance.randrange(3)) if final else 0.0,
            error_pattern=f"TIMEOUT:openai:{chance.randrange(PATTERNS)}" if final else None,
            recovery_outcome="recovered" if status == "success" else None,
        )

    def batches() -> list[Batch]:
        return [
            make_batch(*(version(number) for number in chance.sample(range(SPANS), SPANS // 2)))
            for _ in range(12)
        ]

    results = write_at_once(database, [batches() for _ in range(WRITERS)])

    with connect(database, Role.WRITER) as connection:
        stored = connection.execute("SELECT count(*) FROM ai_request_logs").fetchone()
    assert stored == (sum(result.requests_new for result in results),)
    assert sum(result.requests_changed for result in results) > 0
    assert [row for row in counters(database) if row[1:] != (0, 0)] == recount(database)
