"""Sends what the API's description allows and what it forbids, and judges every answer.

    python tests/reliability/api_fuzz.py                   500 examples an operation
    python tests/reliability/api_fuzz.py --examples 5

A migrated database with some calls, an API on loopback, and schemathesis with all of its checks:
no fault of ours, statuses, types, headers and bodies as described, wrong input refused, right input
taken, keys asked for. On an open server, with an admin's key, with a tenant's, and without a key
where one is needed. The exit code tells whether nothing failed.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve
from goldseam.semconv import log_id
from goldseam.storage import engine, keys, migrate, writes
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.keys import Scope
from goldseam.storage.records import Batch, PatternRecord, RequestRecord
from goldseam.storage.roles import ALL_TENANTS, Role

EXAMPLES: Final = 500
WHO: Final = ("open", "admin", "tenant", "nobody")
SEED: Final = 20

_TENANT: Final = "acme"
_BRIEF: Final = "--phases=examples,fuzzing,stateful"
"""Without the phase that goes through every field's limits, a thousand requests long."""

_CALLS: Final = 40
_CONFIG: Final = Path(__file__).with_name("api_fuzz.toml")
_SCHEMATHESIS: Final = str(Path(sys.executable).with_name("schemathesis"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the API as each of the callers; return the exit code."""
    options = _options(arguments)
    with _database(options.database_url) as url:
        return max(
            [fuzz(url, who, examples=options.examples, brief=options.brief) for who in options.who]
        )


def fuzz(database_url: str, who: str, *, examples: int, brief: bool) -> int:
    """Fill the database, fuzz an API on it as `who`, and return schemathesis' exit code."""
    _fill(database_url)
    key = None if who == "open" else _key(database_url, who)
    with serving(database_url) as url:
        command = [*_command(url, examples), *_as(who, key), *([_BRIEF] if brief else [])]
        return subprocess.run(command, check=False, cwd=tempfile.gettempdir()).returncode


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    """Give a migrated database, a new one unless there is one."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="goldseam-fuzz-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as server:
            migrate.upgrade(server.url)
            yield server.url


@contextmanager
def serving(database_url: str) -> Iterator[str]:
    """Serve the API without a limit of rate; its live streams end at once."""
    settings = ApiSettings(
        database_url=database_url, api_rate_limit_per_minute=0, api_statement_timeout_s=20
    )
    app = create_app(settings)
    app.state.is_stopping = True
    service = serve.Service("api", app, serve.listen("127.0.0.1", 0, port_flag="--api-port"))
    with serve.running([service]):
        yield service.url


def _command(url: str, examples: int) -> list[str]:
    return [
        _SCHEMATHESIS,
        f"--config-file={_CONFIG}",
        "--no-color",
        "run",
        f"{url}/openapi.json",
        "--checks=all",
        f"--max-examples={examples}",
        f"--seed={SEED}",
        "--continue-on-failure",
        "--request-timeout=30",
        "--generation-database=none",
    ]


def _as(who: str, key: str | None) -> list[str]:
    match who:
        case "open":
            # The first key would close the server.
            return ["--exclude-path-regex=/keys"]
        case "nobody":
            return []
        case _:
            return [f"--header=Authorization: Bearer {key}"]


def _key(database_url: str, who: str) -> str:
    is_admin = who == "admin"
    scopes = [Scope.ADMIN] if is_admin else [each for each in Scope if each is not Scope.ADMIN]

    async def make() -> str:
        api = engine.async_engine(database_url, Role.API, pool_size=1)
        try:
            async with engine.tenant_transaction(api, ALL_TENANTS) as connection:
                return await keys.create(
                    connection,
                    tenant=ALL_TENANTS if is_admin else _TENANT,
                    scopes=scopes,
                    created_by="fuzz",
                    now=datetime.now(UTC),
                )
        finally:
            await api.dispose()

    return asyncio.run(make())


def _fill(database_url: str) -> None:
    """Store some calls, so that lists and links have something to show."""
    now = datetime.now(UTC)
    batch = Batch()
    for number in range(1, _CALLS + 1):
        started = now - timedelta(minutes=number)
        failed = number % 4 == 0
        row_id = log_id(int(started.timestamp() * 1e9), number, number)
        pattern = "TIMEOUT:openai:aaa" if failed else None
        batch.requests.append(
            RequestRecord(
                tenant_id=_TENANT,
                created_at=started,
                id=row_id,
                request_id=str(row_id),
                trace_id=f"{number:032x}",
                span_id=f"{number:016x}",
                module="copilot",
                operation="chat",
                provider_requested="openai",
                provider_used="openai",
                status="error" if failed else "success",
                processing_time_ms=float(number),
                error_code="TIMEOUT" if failed else None,
                first_error_code="TIMEOUT" if failed else None,
                error_pattern=pattern,
            )
        )
        if pattern:
            batch.patterns[_TENANT, pattern] = PatternRecord(
                tenant_id=_TENANT,
                error_pattern=pattern,
                error_code="TIMEOUT",
                error_message_pattern="Request timed out.",
                provider="openai",
                normaliser_version=1,
                probable_cause="slow",
                suggested_action="wait",
            )
    with engine.connect(database_url, Role.WRITER) as connection:
        writes.write(connection, batch, now)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"an operation ({EXAMPLES})")
    parser.add_argument("--who", nargs="+", choices=WHO, default=WHO, help="callers (all)")
    parser.add_argument("--brief", action="store_true", help="leave out the limits of each field")
    parser.add_argument("--database-url", help="a migrated, empty database; a new one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
