"""The router inside an application of somebody's own."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from goldseam.api import ai_logs_router

Store = Callable[..., Any]
MakeKey = Callable[..., str]


@pytest.fixture
def client(database: str, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A client of an application that includes the router and knows nothing else of Goldseam."""
    monkeypatch.setenv("GOLDSEAM_DATABASE_URL", database)
    app = FastAPI()
    app.include_router(ai_logs_router)
    return TestClient(app, client=("127.0.0.1", 50000), base_url="http://localhost")


def test_one_line_is_enough(client: TestClient, store: Store) -> None:
    """`include_router` gives the endpoints, their connections, and errors as problem bodies."""
    store({})
    with client:
        assert len(client.get("/api/v1/ai/logs/recent").json()) == 1
        missing = client.get("/api/v1/ai/logs/nobody")
        wrong = client.get("/api/v1/ai/logs/recent?limit=0")
        foreign = client.get("/api/v1/ai/logs/recent?theirs=1")
    assert (missing.status_code, wrong.status_code) == (404, 422)
    assert foreign.status_code == 200, "another application may have parameters of its own"
    kinds = {answer.headers["content-type"] for answer in (missing, wrong)}
    assert kinds == {"application/problem+json"}


def test_only_this_machine_needs_no_key(
    client: TestClient, database: str, make_key: MakeKey
) -> None:
    """From elsewhere, or through a proxy's name, the router is never open."""
    with client:
        named = client.get("/api/v1/ai/logs/recent", headers={"Host": "shop.example"})
        key = {"Authorization": f"Bearer {make_key('acme', 'logs:read')}"}
        with_key = client.get("/api/v1/ai/logs/recent", headers={"Host": "shop.example"} | key)
    assert (named.status_code, with_key.status_code) == (401, 200)
