"""Traces, exports, the live stream, and ratings."""

import csv
import io
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from dirty_equals import IsPartialDict, IsStr

from goldseam.api.routes import exports, traces
from goldseam.storage.queries import RequestRow, Trace

Get = Callable[..., Any]
Store = Callable[..., Any]
MakeKey = Callable[..., str]

TRACE = "0af7651916cd43dd8448eb211c80319c"


class TestTrace:
    """GET /logs/trace/{trace_id}."""

    def test_is_a_tree(self, get: Get, store: Store) -> None:
        """A request inside one that has not ended stands inside it, each with its steps."""
        start = datetime.now(UTC) - timedelta(minutes=1)
        trace = {"trace_id": TRACE, "created_at": start, "span_id": "a" * 16}
        outer = trace | {"status": "pending"}
        inner = trace | {"span_id": "b" * 16, "parent_span_id": "a" * 16, "steps": [{}, {}]}
        store(outer, inner | {"created_at": start + timedelta(milliseconds=50)})
        body = get(f"/logs/trace/{TRACE.upper()}").body
        assert (body["trace_id"], body["duration_ms"]) == (TRACE, 150.0)
        (root,) = body["requests"]
        (child,) = root["children"]
        assert (root["offset_ms"], root["recovery"], child["offset_ms"]) == (0.0, [], 50.0)
        assert [step["step_number"] for step in child["recovery"]] == [1, 2]

    @pytest.mark.parametrize(("trace_id", "status"), [("0" * 32, 404), ("nothex", 422)])
    def test_unknown_is_not_found(self, get: Get, trace_id: str, status: int) -> None:
        """A trace that is not stored is a 404, what is no trace id a 422."""
        assert get(f"/logs/trace/{trace_id}").status == status

    def test_circle_is_flat(self, store: Store) -> None:
        """Requests that claim to be inside each other are all shown, none for ever."""
        a, b = store(
            {"span_id": "a" * 16, "parent_span_id": "b" * 16},
            {"span_id": "b" * 16, "parent_span_id": "a" * 16},
        )
        now = datetime.now(UTC)
        rows = [
            RequestRow(**{name: getattr(row, name) for name in row.__slots__}, updated_at=now)
            for row in (a, b)
        ]
        nodes = traces.tree(Trace(requests=rows, steps=[]), now)
        assert len(nodes) + sum(len(node.children) for node in nodes) == 2


class TestExport:
    """GET /logs/export."""

    def test_every_row_once(self, get: Get, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pages follow each other without a gap, in both forms."""
        monkeypatch.setattr(exports, "PAGE_ROWS", 2)
        rows = store(*({"module": f"m{n}"} for n in range(5)))
        answer = get("/logs/export?format=jsonl")
        lines = [json.loads(line) for line in answer.body.splitlines()]
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert sorted(line["id"] for line in lines) == sorted(str(row.id) for row in rows)
        table = list(csv.DictReader(io.StringIO(get("/logs/export?module=m3").body)))
        assert table == [IsPartialDict(id=str(rows[3].id), module="m3", is_stream="false")]
        assert len(get("/logs/export?format=jsonl&limit=3").body.splitlines()) == 3

    def test_no_formulas(self, get: Get, store: Store) -> None:
        """A text that a spreadsheet would run is shown instead."""
        store({"module": "=1+1"})
        (row,) = csv.DictReader(io.StringIO(get("/logs/export").body))
        assert row["module"] == "'=1+1"

    def test_own_tenant_only(self, get: Get, store: Store, make_key: MakeKey) -> None:
        """A key exports its own tenant's calls."""
        store({}, {"tenant_id": "globex"})
        key = {"Authorization": f"Bearer {make_key('acme', 'logs:read')}"}
        lines = get("/logs/export?format=jsonl", key).body.splitlines()
        assert [json.loads(line)["tenant_id"] for line in lines] == ["acme"]


def test_stream_tells_what_is_written(api_url: str, store: Store) -> None:
    """A call that is written while somebody listens comes as an event, and no other."""
    store({"module": "before"})
    with urlopen(f"{api_url}/api/v1/ai/logs/stream", timeout=20) as lines:
        assert lines.headers["content-type"].startswith("text/event-stream")
        assert lines.readline().startswith(b":")
        store({"module": "after", "span_id": "c" * 16})
        event = {}
        for line in lines:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            event[name] = value
            if name == "data":
                break
    assert event == IsPartialDict(event="log", id=IsStr(regex=r"\d{4}-.*\+00:00"))
    assert json.loads(event["data"])["module"] == "after"


def test_stream_sends_a_burst_in_one_piece(api_url: str, store: Store) -> None:
    """What has come since the last event is one chunk, not one for each call."""
    rows = store({}, {}, {})
    where = urlsplit(api_url)
    since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    asked = (
        "GET /api/v1/ai/logs/stream HTTP/1.1",
        f"Host: {where.netloc}",
        f"Last-Event-ID: {since}",
    )
    with socket.create_connection((where.hostname, where.port or 0), timeout=20) as line:
        line.sendall("\r\n".join((*asked, "", "")).encode())
        with line.makefile("rb") as answer:
            while answer.readline().strip():
                pass
            greeting, burst = _chunk(answer), _chunk(answer)
    assert greeting.startswith(b":")
    assert all(str(row.id).encode() in burst for row in rows)


def _chunk(answer: IO[bytes]) -> bytes:
    chunk = answer.read(int(answer.readline(), 16))
    answer.readline()
    return chunk


class TestFeedback:
    """PATCH /logs/{id}/feedback."""

    def test_is_stored_and_taken_back(self, get: Get, store: Store) -> None:
        """A rating is on the call afterwards; a field left out stays, null takes it back."""
        (row,) = store({})
        path = f"/logs/{row.id}/feedback"
        rated = get(path, method="PATCH", body={"user_feedback": "up", "confidence_score": 0.5})
        assert rated.body == IsPartialDict(user_feedback="up", confidence_score=0.5)
        get(path, method="PATCH", body={"confidence_score": None})
        assert get(f"/logs/{row.id}").body == IsPartialDict(
            user_feedback="up", confidence_score=None
        )

    def test_what_it_may_be(self, get: Get, store: Store) -> None:
        """Another field or a score out of range is named; an unknown call is a 404."""
        (row,) = store({})
        for body, name in (({"status": "x"}, "status"), ({"confidence_score": 2}, "confidence")):
            answer = get(f"/logs/{row.id}/feedback", method="PATCH", body=body)
            assert answer.status == 422
            assert answer.body["invalid_parameters"][0]["name"].startswith(name)
        assert get("/logs/nobody/feedback", method="PATCH", body={}).status == 404


def test_unchanged_answer_is_not_sent_again(get: Get, store: Store) -> None:
    """A client that has a call gets 304 until it changes."""
    (row,) = store({})
    etag = {"If-None-Match": get(f"/logs/{row.id}").headers["etag"]}
    assert get(f"/logs/{row.id}", etag).status == 304
    get(f"/logs/{row.id}/feedback", method="PATCH", body={"user_feedback": "down"})
    assert get(f"/logs/{row.id}", etag).status == 200
