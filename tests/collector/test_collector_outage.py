"""While the database is away or slow, senders are acknowledged and nothing is lost."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from goldseam.collector import CollectorSettings
from goldseam.collector.spool import Raw, SpoolLimits, claim
from goldseam.storage.embedded import EmbeddedPostgres

from .conftest import metric

PROTOBUF = {"Content-Type": "application/x-protobuf"}
StartCollector = Callable[[CollectorSettings], Any]
LIMITS = SpoolLimits(max_bytes=10**9, max_age_s=10**9)


def post(url: str, body: bytes) -> httpx.Response:
    """Send a trace request in protobuf."""
    return httpx.post(f"{url}/v1/traces", content=body, headers=PROTOBUF, timeout=20)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when it holds; the collector has no event to offer to another process."""
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def rows(url: str) -> list[tuple[str, int]]:
    """Read how many rows each request id has."""
    with psycopg.connect(url, options="-c role=goldseam_writer") as connection:
        query = "SELECT request_id, count(*) FROM ai_request_logs GROUP BY 1 ORDER BY 1"
        return connection.execute(query).fetchall()


def test_an_outage_under_load_loses_nothing_and_doubles_nothing(
    own_postgres: EmbeddedPostgres, start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """Stock exporters send on while PostgreSQL is stopped and started; every export succeeds."""
    server = start_collector(CollectorSettings(database_url=own_postgres.url, data_dir=tmp_path))
    batches = []
    for number in range(60):
        recorder.chats(10, **{"goldseam.request.id": f"{number:02}"})
        batches.append(recorder.take())
    results: list[SpanExportResult] = []
    stopped, started = threading.Event(), threading.Event()

    def send(first: int) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces")
        for position, batch in enumerate(batches[first::3]):
            if position == 8:
                assert stopped.wait(timeout=30)
            if position == 16:
                assert started.wait(timeout=30)
            results.append(exporter.export(batch))

    senders = [threading.Thread(target=send, args=(first,)) for first in range(3)]
    for sender in senders:
        sender.start()
    own_postgres.stop()
    stopped.set()
    wait_until(lambda: metric(server.url, "goldseam_collector_spool_bodies") >= 3)
    ready = httpx.get(f"{server.url}/readyz")
    own_postgres.start()
    started.set()
    for sender in senders:
        sender.join()
    wait_until(lambda: metric(server.url, "goldseam_collector_spool_bodies") == 0)

    assert (ready.status_code, "wait in the spool; the database is away" in ready.text) == (
        200,
        True,
    )
    assert results == [SpanExportResult.SUCCESS] * 60
    assert rows(own_postgres.url) == [(f"{number:02}", 10) for number in range(60)]
    assert metric(server.url, "goldseam_collector_drained_total") == metric(
        server.url, "goldseam_collector_spooled_total"
    )


def test_kill_9_after_an_acknowledgement_from_the_spool_loses_nothing(
    own_postgres: EmbeddedPostgres, recorder: Any, collector_process: Any
) -> None:
    """The next process finds the spool and stores it when the database is there."""
    own_postgres.stop()
    for _ in range(2):
        recorder.chats(20, **{"goldseam.request.id": "kept"})
        with collector_process(own_postgres.url) as (process, url):
            assert post(url, recorder.body()).status_code == 200
            process.kill()
            process.wait()
    own_postgres.start()

    with collector_process(own_postgres.url) as (_, url):
        wait_until(lambda: metric(url, "goldseam_collector_drained_total") == 2)

    assert rows(own_postgres.url) == [("kept", 40)]


def test_a_slow_database_is_passed_by(
    database: str, start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """The first sender waits its time, later ones not at all, and all rows are stored once."""
    settings = CollectorSettings(database_url=database, data_dir=tmp_path, ack_timeout_s=1)
    server = start_collector(settings)
    with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
        for number in range(3):
            recorder.chats(1, **{"goldseam.request.id": str(number)})
            assert post(server.url, recorder.body()).status_code == 200
        assert metric(server.url, "goldseam_collector_spooled_total") == 3

    wait_until(lambda: metric(server.url, "goldseam_collector_spool_bodies") == 0)
    assert rows(database) == [("0", 1), ("1", 1), ("2", 1)]


def test_a_full_queue_overflows_into_the_spool(
    database: str, start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """More than may wait for the database is kept instead of refused."""
    settings = CollectorSettings(database_url=database, data_dir=tmp_path, queue_bytes=1)
    server = start_collector(settings)
    with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
        recorder.chats(1)
        first = threading.Thread(target=post, args=(server.url, recorder.body()))
        first.start()
        wait_until(lambda: metric(server.url, "goldseam_collector_queue_bytes") > 0)
        recorder.chats(1)

        assert post(server.url, recorder.body()).status_code == 200

        assert metric(server.url, "goldseam_collector_spooled_total") == 1
    first.join()
    wait_until(lambda: metric(server.url, "goldseam_collector_spool_bodies") == 0)
    assert sum(count for _, count in rows(database)) == 2


def test_a_full_spool_refuses_and_says_so(
    start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """Senders keep the batch, and the probe tells why the collector is not ready."""
    nowhere = "postgresql://goldseam@127.0.0.1:1/goldseam"
    settings = CollectorSettings(database_url=nowhere, data_dir=tmp_path, spool_bytes=600)
    server = start_collector(settings)
    recorder.chats(1)
    body = recorder.body()
    answers = [post(server.url, body) for _ in range(4)]

    codes = [answer.status_code for answer in answers]
    assert codes[0] == 200
    assert codes[-1] == 503
    assert answers[-1].headers["Retry-After"] == "1"
    assert b"GOLDSEAM_SPOOL_BYTES" in answers[-1].content


def test_what_can_never_be_stored_is_set_aside(
    database: str, start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """A body in the way of others is counted and kept, and they are stored."""
    recorder.chats(5)
    with claim(tmp_path / "spool", LIMITS) as spool:
        good = recorder.body()
        spool.append(
            [Raw(b"\xff\xff", "application/x-protobuf"), Raw(good, PROTOBUF["Content-Type"])]
        )

    server = start_collector(CollectorSettings(database_url=database, data_dir=tmp_path))

    wait_until(lambda: metric(server.url, "goldseam_collector_spool_bodies") == 0)
    assert metric(server.url, "goldseam_collector_spool_set_aside") == 1
    assert sum(count for _, count in rows(database)) == 5


def test_a_body_at_which_the_database_fails_blocks_nobody(
    database: str, start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """A fault that is none of a value's is laid to the body when others are stored meanwhile."""
    with psycopg.connect(database, options="-c role=goldseam_owner") as owner:
        owner.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'XX000'; END $$"
        )
        owner.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON ai_request_logs FOR EACH ROW"
            " WHEN (NEW.request_id = 'bad') EXECUTE FUNCTION refuse()"
        )
    server = start_collector(CollectorSettings(database_url=database, data_dir=tmp_path))
    for name in ("good", "bad", "fine"):
        recorder.chats(1, **{"goldseam.request.id": name})
        assert post(server.url, recorder.body()).status_code == 200

    def all_but_one_stored() -> bool:
        recorder.chats(1, **{"goldseam.request.id": "more"})
        assert post(server.url, recorder.body()).status_code == 200
        return metric(server.url, "goldseam_collector_spool_set_aside") == 1

    wait_until(all_but_one_stored)

    wait_until(lambda: metric(server.url, "goldseam_collector_spool_bodies") == 0)
    assert [name for name, _ in rows(database)] == ["fine", "good", "more"]


def test_the_spool_of_a_dead_process_is_emptied_by_a_living_one(
    database: str, start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """With several processes on one folder, none has to come back for its bodies to be stored."""
    other = claim(tmp_path / "spool", LIMITS)
    recorder.chats(3)
    with claim(tmp_path / "spool", LIMITS) as dead:
        dead.append([Raw(recorder.body(), PROTOBUF["Content-Type"])])
        living = claim(tmp_path / "spool", LIMITS)
    try:
        server = start_collector(CollectorSettings(database_url=database, data_dir=tmp_path))
        wait_until(lambda: metric(server.url, "goldseam_collector_drained_total") == 1)
    finally:
        other.close()
        living.close()

    assert sum(count for _, count in rows(database)) == 3
