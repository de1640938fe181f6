"""What is bounded: requests in progress, streams, deletions; and who may write over whom."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

import psycopg
import pytest

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve

Get = Callable[..., Any]
Store = Callable[..., Any]
MakeKey = Callable[..., str]
RECENT = "/api/v1/ai/logs/recent"
STREAM = "/api/v1/ai/logs/stream"


@contextmanager
def api(database: str, **settings: Any) -> Iterator[str]:
    """Serve an API with these settings."""
    app = create_app(ApiSettings(database_url=database, **settings))
    service = serve.Service("api", app, serve.listen("127.0.0.1", 0, port_flag="--api-port"))
    with serve.running([service]):
        yield service.url


class TestCrowd:
    """More requests than the database answers."""

    def test_slow_database_is_no_pile_up(self, database: str, get: Get) -> None:
        """While nothing is answered, a few requests wait and end with 503; the rest end at once."""
        small = {"api_pool_size": 1, "api_statement_timeout_s": 1.0, "api_requests_max": 4}
        with api(database, **small) as url, ThreadPoolExecutor(24) as clients:
            with psycopg.connect(database) as blocker:
                blocker.execute("SET ROLE goldseam_owner")
                blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
                answers = list(clients.map(get, [f"{url}{RECENT}"] * 24))
                alive = get(f"{url}/healthz").status
            after = get(f"{url}{RECENT}").status
        assert {answer.status for answer in answers} == {503}
        assert {answer.headers["content-type"] for answer in answers} == {
            "application/problem+json"
        }
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        turned_away = [a for a in answers if "in progress" in a.body["detail"]]
        assert len(turned_away) >= 16
        assert (alive, after) == (200, 200)

    def test_slow_reader_keeps_no_connection(self, database: str, get: Get, store: Store) -> None:
        """Somebody who does not read an answer to its end takes the database from nobody."""
        store(*({"error_message": "x" * 8_000, "status": "error"} for _ in range(600)))
        with (
            api(database, api_pool_size=1) as url,
            urlopen(f"{url}{RECENT}?limit=1000", timeout=10) as unread,
        ):
            assert get(f"{url}{RECENT}?limit=1").status == 200
            assert len(unread.read()) > 4_000_000


class TestStreams:
    """Places for exports and live streams."""

    @contextmanager
    def listening(self, url: str, headers: dict[str, str] | None = None) -> Iterator[None]:
        """Keep a live stream open."""
        with urlopen(Request(f"{url}{STREAM}", headers=headers or {}), timeout=10) as lines:
            assert lines.readline().startswith(b":")
            yield

    def test_are_limited_by_key_and_in_all(
        self, database: str, get: Get, make_key: MakeKey
    ) -> None:
        """A key that has its share gets 429; once all places are taken, everybody gets 503."""
        one, two, three = (
            {"Authorization": f"Bearer {make_key('acme', 'logs:read')}"} for _ in range(3)
        )
        with (
            api(database, api_streams_max=2) as url,
            self.listening(url, one),
        ):
            again = get(f"{url}{STREAM}", one)
            assert (again.status, again.headers["retry-after"]) == (429, "5")
            with self.listening(url, two):
                full = get(f"{url}/api/v1/ai/logs/export", three)
                assert full.status == 503
                assert full.headers["content-type"] == "application/problem+json"

    def test_place_is_given_back(self, database: str, get: Get) -> None:
        """After an export or a refused one its place is free again."""
        with api(database, api_streams_max=1) as url:
            export = f"{url}/api/v1/ai/logs/export"
            answers = [get(f"{export}{query}").status for query in ("", "?limit=0", "", "")]
        assert answers == [200, 422, 200, 200]


class TestIfMatch:
    """PATCH with `If-Match`."""

    @pytest.fixture
    def pattern(self, get: Get, store: Store) -> str:
        """The path of an error pattern that three calls met."""
        store(
            *(
                {"status": "error", "error_code": "TIMEOUT", "first_error_code": "TIMEOUT"}
                | {"error_pattern": "TIMEOUT:openai:aaa", "recovery_outcome": "failed"}
                for _ in range(3)
            )
        )
        (found,) = get("/logs/errors/top").body
        return f"/errors/{found['pattern_id']}"

    @staticmethod
    def patch(get: Get, path: str, body: Any, tag: str) -> Any:
        """Change with a condition."""
        return get(path, {"If-Match": tag}, method="PATCH", body=body)

    def test_pattern_changed_meanwhile(self, get: Get, pattern: str) -> None:
        """A change on the base of an older reading is refused; on that of the newest it is not."""
        read = get(pattern).headers["etag"]
        first = self.patch(get, pattern, {"resolution_status": "resolved"}, read)
        second = self.patch(get, pattern, {"resolution_status": "wontfix"}, read)
        third = self.patch(get, pattern, {"resolution_status": "wontfix"}, first.headers["etag"])
        assert [each.status for each in (first, second, third)] == [200, 412, 200]
        assert second.headers["content-type"] == "application/problem+json"

    def test_new_occurrences_are_no_obstacle(self, get: Get, store: Store, pattern: str) -> None:
        """Calls that meet the pattern change its ETag, but not what a person would overwrite."""
        read = get(pattern).headers["etag"]
        store({"status": "error", "error_pattern": "TIMEOUT:openai:aaa", "span_id": "f" * 16})
        assert get(pattern, {"If-None-Match": read}).status == 200
        assert self.patch(get, pattern, {"resolution_status": "resolved"}, read).status == 200

    def test_rating(self, get: Get, store: Store) -> None:
        """A rating does not overwrite one that its author has not seen; `*` overwrites any."""
        (row,) = store({})
        path = f"/logs/{row.id}/feedback"
        read = get(f"/logs/{row.id}").headers["etag"]
        answers = [
            self.patch(get, path, {"user_feedback": text}, tag).status
            for text, tag in (("up", read), ("down", read), ("down", "*"))
        ]
        assert answers == [200, 412, 200]


class TestRefusals:
    """Input that looks right and is not."""

    def test_time_is_no_number(self, get: Get) -> None:
        """A bare number says neither unit nor epoch; a date is its midnight."""
        answers = [get(f"/logs/recent?until={text}") for text in ("0.5", "1700000000", "-1e9")]
        assert {answer.status for answer in answers} == {422}
        assert answers[0].body["invalid_parameters"][0]["name"] == "until"
        written = ("2026-01-31", "2026-01-31T09:00:00Z", "2026-01-31T09:00:00%2B01:00")
        assert {get(f"/logs/recent?until={text}").status for text in written} == {200}

    @pytest.mark.parametrize(
        "body", [{"confidence_score": False}, {"confidence_score": "1"}], ids=["boolean", "text"]
    )
    def test_score_is_a_number(self, get: Get, store: Store, body: Any) -> None:
        """A truth value is no score of 0, nor is a text one of 1."""
        (row,) = store({})
        assert get(f"/logs/{row.id}/feedback", method="PATCH", body=body).status == 422

    @pytest.mark.parametrize(
        "body",
        [
            {"auto_correction_enabled": "yes"},
            {"reason": "\x00"},
            {"correction_config": {"strategy": "fallback", "model": "a\x00"}},
            {"correction_config": {"strategy": "retry", "delay_s": float("nan")}},
        ],
        ids=["word", "NUL in a text", "NUL in a correction", "NaN"],
    )
    def test_what_no_table_takes(self, get: Get, store: Store, body: Any) -> None:
        """What PostgreSQL could not keep is refused by the name of its field."""
        store({"first_error_code": "TIMEOUT", "error_pattern": "TIMEOUT:openai:aaa"})
        (found,) = get("/logs/errors/top").body
        refused = get(f"/errors/{found['pattern_id']}", method="PATCH", body=body)
        assert refused.status == 422
        assert next(iter(body)) in refused.body["detail"]

    @pytest.mark.parametrize(
        "path",
        ["/logs/recent?stauts=error", "/logs/statistics?hour=1", "/logs/old-logs?days=1&dryrun=1"],
        ids=["filter", "window", "deletion"],
    )
    def test_unknown_parameter(self, get: Get, store: Store, path: str) -> None:
        """A misspelt parameter is named, with those that there are; nothing is done without it."""
        (row,) = store({"created_at": datetime.now(UTC) - timedelta(days=3)})
        method = "DELETE" if "old-logs" in path else "GET"
        answer = get(path, method=method)
        (fault,) = answer.body["invalid_parameters"]
        assert (answer.status, fault["in"]) == (422, "query")
        assert f"{fault['name']}=" in path
        assert "tenant_id" in fault["reason"]
        assert get(f"/logs/{row.id}").status == 200

    @pytest.mark.parametrize(
        ("content_type", "reason"),
        [
            ("application/json", "it is not JSON: Expecting value at character 0"),
            ("text/plain", "send a JSON object, with Content-Type: application/json"),
        ],
    )
    def test_body_that_cannot_be_read(
        self, get: Get, store: Store, content_type: str, reason: str
    ) -> None:
        """What is no JSON is the body's fault, and the answer says what to send."""
        (row,) = store({})
        kind = {"Content-Type": content_type}
        answer = get(f"/logs/{row.id}/feedback", kind, method="PATCH", body=b"nonsense")
        assert answer.status == 422
        expected = [{"name": "body", "in": "body", "reason": reason}]
        assert answer.body["invalid_parameters"] == expected

    def test_body_is_bounded(self, get: Get) -> None:
        """A body beyond 64 KiB is refused before it is read, also from somebody without a key."""
        answer = get("/keys", method="POST", body={"label": "x" * 70_000})
        assert answer.status == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_methods_are_told(get: Get) -> None:
    """A method that a path does not have is refused with all that it has."""
    answer = get("/errors/0", method="DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, PATCH")
    assert answer.body["detail"] == "This path takes GET, PATCH."
    assert answer.headers["content-type"] == "application/problem+json"


def test_metrics_name_routes_only(get: Get, store: Store) -> None:
    """`/metrics` counts requests by route; ids, tenants and unknown paths stay out of it."""
    (row,) = store({"tenant_id": "canary"})
    get(f"/logs/{row.id}")
    get("//nowhere/canary")
    text = get("//metrics").body
    assert 'goldseam_api_requests_total{method="GET",route="/logs/{id}",status="200"} 1' in text
    assert 'route="none",status="404"' in text
    assert str(row.id) not in text
    assert "canary" not in text


def test_one_deletion_at_a_time(database: str, get: Get, store: Store) -> None:
    """A second deletion is refused while the first one runs."""
    store({})
    path = "/logs/old-logs?days=1"
    with psycopg.connect(database) as blocker, ThreadPoolExecutor(2) as clients:
        blocker.execute("SET ROLE goldseam_owner")
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
        done = threading.Event()

        def delete() -> int:
            status: int = get(path, method="DELETE").status
            if status == 503:
                done.set()
            return status

        running = [clients.submit(delete) for _ in range(2)]
        assert done.wait(5)
        blocker.rollback()
        assert sorted(each.result() for each in running) == [200, 503]
