"""A running API over a database of its own, and a client that speaks plain HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

import pytest

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


Get = Callable[..., Answer]


def fetch(url: str, headers: dict[str, str] | None = None) -> Answer:
    """GET `url` and return the answer, whatever its status."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, _lower(answer.headers), json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            body = json.loads(text) if text.startswith(b"{") else text.decode()
            return Answer(error.code, _lower(error.headers), body)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture
def api_url(database: str) -> Iterator[str]:
    """The address of an API that reads from `database`."""
    app = create_app(ApiSettings(database_url=database))
    service = serve.Service("api", app, serve.listen("127.0.0.1", 0, port_flag="--api-port"))
    with serve.running([service]):
        yield service.url


@pytest.fixture
def get(api_url: str) -> Get:
    """GET a path below `/api/v1/ai`, or an absolute path that starts with `//`."""

    def call(path: str, headers: dict[str, str] | None = None) -> Answer:
        if path.startswith("http"):
            return fetch(path, headers)
        prefix = "" if path.startswith("//") else "/api/v1/ai"
        return fetch(f"{api_url}{prefix}{path.removeprefix('/') if not prefix else path}", headers)

    return call
