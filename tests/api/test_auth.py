"""Keys: what they open, what they do not, and what nobody ever gets to see."""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dirty_equals import IsPartialDict, IsStr
from typer.testing import CliRunner

from goldseam.api import ApiSettings, create_app
from goldseam.api.rate import Limiter, TooManyRequests
from goldseam.cli import serve
from goldseam.cli.app import app as command

Get = Callable[..., Any]
Store = Callable[..., Any]
MakeKey = Callable[..., str]

EVERY_ROUTE = [
    (method, path)
    for path, operations in create_app(
        ApiSettings(database_url="postgresql://nobody@127.0.0.1:1/x")
    )
    .openapi()["paths"]
    .items()
    for method in operations
    if path.startswith("/api/")
]


def bearer(key: str) -> dict[str, str]:
    """The header that presents a key."""
    return {"Authorization": f"Bearer {key}"}


class TestDoors:
    """What a key opens."""

    def test_open_until_there_is_a_key(self, get: Get, make_key: MakeKey) -> None:
        """Loopback without keys is open, and with one it is not."""
        make_key("acme", "logs:read")
        answer = get("/logs/recent")
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="goldseam"'

    def test_open_on_loopback_without_keys(self, get: Get) -> None:
        """Nothing to set up for a first look."""
        assert get("/logs/recent").status == 200

    @pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
    def test_every_route_asks_for_a_key(self, method: str, path: str) -> None:
        """No operation is described as open, but that of an open server may be."""
        nobody = "postgresql://nobody@127.0.0.1:1/x"
        described = [
            create_app(ApiSettings(database_url=nobody, api_open=is_open)).openapi()["paths"]
            for is_open in (False, True)
        ]
        assert [paths[path][method]["security"] for paths in described] == [
            [{"key": []}],
            [{"key": []}, {}],
        ]

    def test_sees_its_own_tenant_only(self, get: Get, make_key: MakeKey, store: Store) -> None:
        """A tenant's key lists, counts and finds that tenant's calls; others' are not there."""
        mine, other = store({}, {"tenant_id": "globex"})
        key = bearer(make_key("acme", "logs:read", "stats:read"))
        assert [row["tenant_id"] for row in get("/logs/recent", key).body] == ["acme"]
        assert get("/logs/statistics", key).body["total_requests"] == 1
        assert get(f"/logs/{mine.id}", key).status == 200
        foreign, missing = get(f"/logs/{other.id}", key), get("/logs/nobody", key)
        assert (foreign.status, foreign.body) == (missing.status, missing.body)
        assert foreign.status == 404

    @pytest.mark.parametrize(
        ("path", "method"),
        [
            ("/logs/statistics", "GET"),
            ("/logs/errors/top", "GET"),
            ("/logs/old-logs?days=1", "DELETE"),
            ("/logs/recent?tenant_id=globex", "GET"),
            ("/logs/recent?tenant_id=acme", "GET"),
        ],
    )
    def test_does_what_its_scopes_say(
        self, get: Get, make_key: MakeKey, path: str, method: str
    ) -> None:
        """What a key is not for is refused with the scope that would do; tenants too."""
        answer = get(path, bearer(make_key("acme", "logs:read")), method=method)
        assert answer.status == 403
        assert "scope" in answer.body["detail"] or "key is not for" in answer.body["detail"]

    def test_admin_chooses_the_tenant(self, get: Get, make_key: MakeKey, store: Store) -> None:
        """An admin key sees all tenants, or the one it names."""
        store({}, {"tenant_id": "globex"})
        key = bearer(make_key("*", "admin"))
        assert len(get("/logs/recent", key).body) == 2
        assert len(get("/logs/recent?tenant_id=globex", key).body) == 1

    def test_ingest_key_of_all_tenants_reads_nothing(self, get: Get, make_key: MakeKey) -> None:
        """A key that may write for everybody does not read for everybody."""
        key = make_key("*", "ingest:write", "logs:read")
        assert get("/logs/recent", bearer(key)).status == 403

    def test_what_opens_nothing(
        self, get: Get, make_key: MakeKey, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Wrong, expired and malformed keys are refused alike, and no log or answer holds them."""
        good = make_key("acme", "logs:read")
        past = datetime.now(UTC) - timedelta(days=1)
        wrong = [
            good[:-1] + ("0" if good[-1] != "0" else "1"),
            make_key("acme", "logs:read", expires_at=past),
            "gs_live_nonsense",
        ]
        with caplog.at_level(logging.DEBUG):
            answers = [get("/logs/recent", bearer(key)) for key in wrong]
        assert [answer.status for answer in answers] == [401] * 3
        assert len({answer.body["detail"] for answer in answers}) == 1
        assert not [key for key in wrong if key.rpartition("_")[2] in caplog.text]

    def test_only_the_hash_is_stored(self, database: str, make_key: MakeKey) -> None:
        """The table holds neither the key nor its secret."""
        secret = make_key("acme", "logs:read").rpartition("_")[2]
        with psycopg.connect(database) as connection:
            connection.execute("SET ROLE goldseam_owner")
            (row,) = connection.execute("SELECT goldseam_keys::text FROM goldseam_keys").fetchall()
        assert secret not in row[0]


class TestManners:
    """What surrounds every answer."""

    def test_security_headers(self, get: Get) -> None:
        """Answers are not sniffed, framed or kept, also refusals."""
        for path in ("/logs/recent", "/logs/nobody"):
            assert get(path).headers == IsPartialDict(
                {
                    "x-content-type-options": "nosniff",
                    "x-frame-options": "DENY",
                    "cache-control": "no-store",
                }
            )

    def test_no_cross_origin_reads(self, get: Get) -> None:
        """Pages of other origins may read nothing unless somebody allows it."""
        answer = get("/logs/recent", {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers

    def test_foreign_host_is_a_problem(self, get: Get) -> None:
        """A refused host name gets a problem body, as every refusal does."""
        answer = get("/logs/recent", {"Host": "evil.example:8000"})
        assert answer.status == 421
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.fixture
    def slow_url(self, database: str) -> Iterator[str]:
        """An API that takes two requests a minute."""
        settings = ApiSettings(database_url=database, api_rate_limit_per_minute=2)
        listener = serve.listen("127.0.0.1", 0, port_flag="--api-port")
        service = serve.Service("api", create_app(settings), listener)
        with serve.running([service]):
            yield f"{service.url}/api/v1/ai/logs/errors/TIMEOUT/fix"

    def test_rate_is_told_and_kept(self, get: Get, slow_url: str) -> None:
        """Each answer says what is left; the third request of two is refused with a time."""
        first, _, third = (get(slow_url, method="POST") for _ in range(3))
        assert first.headers == IsPartialDict(
            {"ratelimit-policy": '"minute";q=2;w=60', "ratelimit": IsStr(regex='"minute";r=1;.*')}
        )
        assert (third.status, third.headers["retry-after"]) == (429, IsStr(regex="[1-3]?[0-9]"))


def test_buckets_fill_evenly() -> None:
    """Sixty a minute is one a second, each caller by itself."""
    now_s = 0.0
    limiter = Limiter(60, lambda: now_s)
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyRequests):
        limiter.take("a")
    assert limiter.take("b") is not None
    now_s = 1.0
    left = limiter.take("a")
    assert left is not None
    assert left.remaining == 0


class TestCommands:
    """`goldseam keys`, and the first key of `goldseam db upgrade`."""

    @staticmethod
    def run(*arguments: str) -> Any:
        """Run a command in this process."""
        return CliRunner().invoke(command, list(arguments))

    def test_create_list_revoke(self, database: str, get: Get) -> None:
        """A key is printed once, listed without its secret, and ends when revoked."""
        url = ("--database-url", database)
        scope = ("--tenant", "acme", "--scope", "logs:read", "--label", "night shift")
        key = self.run("keys", "create", *url, *scope).stdout.strip()
        assert get("/logs/recent", bearer(key)).status == 200
        _, _, key_id, secret = key.split("_")
        shown = self.run("keys", "list", *url).stdout
        assert key_id in shown
        assert secret not in shown
        assert self.run("keys", "revoke", *url, key_id).exit_code == 0
        assert self.run("keys", "revoke", *url, key_id).exit_code == 1
        with psycopg.connect(database) as connection:
            connection.execute("SET ROLE goldseam_owner")
            audit = connection.execute("SELECT action FROM goldseam_audit ORDER BY created_at")
            assert audit.fetchall() == [("keys.create",), ("keys.revoke",)]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--scope", "everything"], "no scope 'everything'"),
            (["--scope", "admin", "--tenant", "acme"], "leave the tenant out"),
            (["--scope", "admin", "--env", "A B"], "a-z and 0-9"),
        ],
    )
    def test_mistakes_are_explained(self, database: str, arguments: list[str], words: str) -> None:
        """What cannot be made is one sentence."""
        done = self.run("keys", "create", "--database-url", database, *arguments)
        assert done.exit_code == 1
        assert words in " ".join(done.stderr.split())

    def test_first_key_is_made_once(self, database: str, tmp_path: Path) -> None:
        """An upgrade of a server without keys writes one into a file of its owner's, once."""
        file = tmp_path / "key"
        upgrade = ("db", "upgrade", "--database-url", database, "--key-file", str(file))
        assert self.run(*upgrade).exit_code == 0
        assert re.fullmatch(r"gs_live_[0-9a-f]{12}_[0-9a-f]{48}", file.read_text())
        assert file.stat().st_mode & 0o077 == 0
        file.unlink()
        assert self.run(*upgrade).exit_code == 0
        assert not file.exists()
