"""Tenants are apart: every endpoint, nine kinds of credentials, own, foreign and missing things.

What another tenant owns holds a word that no answer may hold; and it is refused in the same words
as what does not exist, so that nobody learns that it is there.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest

from goldseam.api import ApiSettings, create_app

Get = Callable[..., Any]
Store = Callable[..., Any]
MakeKey = Callable[..., str]

CANARY = "canary7f3a"
API = "/api/v1/ai"
ALL_SCOPES = [
    "logs:read",
    "stats:read",
    "errors:read",
    "errors:write",
    "logs:delete",
    "playbook:read",
    "ingest:write",
]

NONE, WORTHLESS = (401, 401, 401), ("nobody", "garbage", "wrong secret", "revoked", "expired")
OPEN_TO_ALL = {"/healthz", "/readyz", "/metrics"}


@dataclass(frozen=True)
class Ids:
    """What tells one tenant's things apart from another's."""

    log: str
    trace: str
    pattern: str
    key: str


@dataclass(frozen=True)
class World:
    """Two tenants with a failed call each, and what is nobody's."""

    own: Ids
    foreign: Ids
    missing: Ids


@pytest.fixture
def world(store: Store, make_key: MakeKey) -> World:
    """Store a failed call, its step, its pattern and a key for each of two tenants."""
    pattern = "TIMEOUT:openai:aaa"
    failed = {
        "status": "error",
        "error_code": "TIMEOUT",
        "first_error_code": "TIMEOUT",
        "error_pattern": pattern,
        "recovery_outcome": "failed",
        "steps": [{"was_successful": False}],
    }
    secret = dict.fromkeys(("module", "user_id", "task", "provider_model"), CANARY)
    foreign = failed | secret | {"tenant_id": "globex", "error_message": CANARY}
    foreign |= {"request_id": f"{CANARY}-1", "steps": [{"action_taken": CANARY}]}
    mine, other = store(failed, foreign)

    def ids(row: Any, tenant: str) -> Ids:
        digest = hashlib.sha256(f"{tenant}/{pattern}".encode()).hexdigest()
        key_id = make_key(tenant, "logs:read").split("_")[2]
        return Ids(str(row.id), row.trace_id, digest[:16], key_id)

    return World(
        own=ids(mine, "acme"),
        foreign=ids(other, "globex"),
        missing=Ids("00000000-0000-8000-8000-000000000000", "0" * 32, "0" * 16, "0" * 12),
    )


def requests(world: World) -> dict[tuple[str, str], list[tuple[str, Any]]]:
    """Return, for each operation, the path and body for what is own, foreign and missing."""

    def listed(path: str, body: Any = None) -> list[tuple[str, Any]]:
        mark = "&" if "?" in path else "?"
        return [
            (f"{path}{more}", body)
            for more in ("", f"{mark}tenant_id=globex", f"{mark}tenant_id=nobody")
        ]

    def one(path: Callable[[Ids], str], body: Any = None) -> list[tuple[str, Any]]:
        return [(path(ids), body) for ids in (world.own, world.foreign, world.missing)]

    new_key = {"scopes": ["logs:read"], "tenant_id": "acme"}
    return {
        ("get", "/logs/recent"): listed("/logs/recent"),
        ("get", "/logs/statistics"): listed("/logs/statistics"),
        ("get", "/logs/providers"): listed("/logs/providers"),
        ("get", "/logs/errors/top"): listed("/logs/errors/top"),
        ("get", "/logs/requests/slow"): listed("/logs/requests/slow"),
        ("get", "/logs/analysis/summary"): listed("/logs/analysis/summary"),
        ("get", "/logs/export"): listed("/logs/export?format=jsonl"),
        ("get", "/logs/stream"): listed("/logs/stream"),
        ("post", "/logs/errors/{code}/fix"): listed("/logs/errors/TIMEOUT/fix"),
        ("delete", "/logs/old-logs"): listed("/logs/old-logs?days=1"),
        ("get", "/logs/{id}"): one(lambda ids: f"/logs/{ids.log}"),
        ("get", "/logs/trace/{trace_id}"): one(lambda ids: f"/logs/trace/{ids.trace}"),
        ("patch", "/logs/{id}/feedback"): one(
            lambda ids: f"/logs/{ids.log}/feedback", {"user_feedback": "up"}
        ),
        ("get", "/errors/{pattern_id}"): one(lambda ids: f"/errors/{ids.pattern}"),
        ("patch", "/errors/{pattern_id}"): one(
            lambda ids: f"/errors/{ids.pattern}", {"resolution_status": "open"}
        ),
        ("get", "/recovery/strategies"): listed("/recovery/strategies"),
        ("get", "/recovery/playbook"): listed("/recovery/playbook"),
        ("get", "/keys"): listed("/keys"),
        ("post", "/keys"): listed("/keys", new_key),
        ("delete", "/keys/{key_id}"): one(lambda ids: f"/keys/{ids.key}"),
    }


def test_every_operation_is_tried(world: World) -> None:
    """An endpoint that is added has to be added here."""
    app = create_app(ApiSettings(database_url="postgresql://nobody@127.0.0.1:1/x"))
    described = {
        (method, path.removeprefix(API))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if path not in OPEN_TO_ALL
    }
    assert set(requests(world)) == described


@pytest.fixture
def credentials(database: str, make_key: MakeKey) -> dict[str, dict[str, str]]:
    """The header of each kind of caller."""
    good = make_key("acme", *ALL_SCOPES)
    revoked = make_key("acme", *ALL_SCOPES)
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE goldseam_owner")
        connection.execute(
            "UPDATE goldseam_keys SET revoked_at = now() WHERE key_id = %s", [revoked.split("_")[2]]
        )
    past = datetime.now(UTC) - timedelta(days=1)
    texts = {
        "garbage": "gs_live_nonsense",
        "wrong secret": f"{good[:-4]}0000",
        "revoked": revoked,
        "expired": make_key("acme", *ALL_SCOPES, expires_at=past),
        "for all tenants, ingest": make_key("*", "ingest:write", "logs:read"),
        "tenant": good,
        "tenant, ingest only": make_key("acme", "ingest:write"),
        "admin": make_key("*", "admin"),
    }
    headers = {name: {"Authorization": f"Bearer {text}"} for name, text in texts.items()}
    return headers | {"nobody": {}}


@pytest.mark.parametrize(
    "who",
    [
        *WORTHLESS,
        "for all tenants, ingest",
        "tenant",
        "tenant, ingest only",
        "admin",
    ],
)
def test_tenants_are_apart(
    api_url: str, credentials: dict[str, dict[str, str]], world: World, who: str, get: Get
) -> None:
    """Foreign things are not shown, and refused like missing ones; worthless keys open nothing."""
    for (method, path), targets in requests(world).items():
        answers = [
            ask(f"{api_url}{API}{target}", credentials[who], method.upper(), body)
            for target, body in targets
        ]
        statuses = tuple(status for status, _ in answers)
        if who == "admin":
            assert 403 not in statuses, path
            assert {401} != set(statuses), path
            continue
        assert not [text for _, text in answers if CANARY in text], path
        assert without_ids(answers[1], world) == without_ids(answers[2], world), path
        if who in WORTHLESS:
            assert statuses == NONE, path
        else:
            assert statuses[1] in {403, 404}, path
    left = get("/logs/recent?tenant_id=globex", credentials["admin"]).body
    assert [row["user_feedback"] for row in left] == [None if who != "admin" else "up"]


def test_own_things_are_open(
    api_url: str, credentials: dict[str, dict[str, str]], world: World
) -> None:
    """A tenant's key with all scopes reads and changes what is its own, and manages no keys."""
    refused = {
        path
        for (method, path), ((target, body), *_) in requests(world).items()
        if ask(f"{api_url}{API}{target}", credentials["tenant"], method.upper(), body)[0] != 200
    }
    assert refused == {"/keys", "/keys/{key_id}"}


def ask(url: str, headers: dict[str, str], method: str, body: Any) -> tuple[int, str]:
    """Return status and text of an answer; of a live stream what it tells of the past."""
    if "/logs/stream" in url:
        since = datetime.now(UTC) - timedelta(minutes=10)
        headers = headers | {"Last-Event-ID": since.isoformat()}
    data = None if body is None else json.dumps(body).encode()
    kind = {"Content-Type": "application/json"} if data else {}
    request = Request(url, data, headers | kind, method=method)
    try:
        with urlopen(request, timeout=2 if "/logs/stream" in url else 10) as answer:
            if "/logs/stream" in url:
                return answer.status, read_past(answer)
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def read_past(lines: Any) -> str:
    """Read a live stream to the end of its first event; without one it stays silent."""
    text = ""
    with contextlib.suppress(TimeoutError):
        for line in lines:
            text += line.decode()
            if line.startswith(b"data:"):
                break
    return text


def without_ids(answer: tuple[int, str], world: World) -> tuple[int, str]:
    """Return an answer in which nothing tells which thing was asked for."""
    status, text = answer
    for ids in (world.foreign, world.missing):
        for each in (ids.log, ids.trace, ids.pattern, ids.key):
            text = text.replace(each, "…")
    return status, text
