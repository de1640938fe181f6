"""Sends what the API's description allows and what it forbids, and judges every answer.

    python tests/reliability/api_fuzz.py                   500 examples an operation
    python tests/reliability/api_fuzz.py --credentials reader --examples 5

A migrated database with some calls, an API on loopback, and schemathesis with all of its checks:
no fault of ours, statuses, types, headers and bodies as described, wrong input refused, right input
taken, keys asked for. Once for each kind of credentials. What schemathesis says goes to stderr, a
table of cases and failures to stdout; the exit code tells whether nothing failed.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
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
SEED: Final = 20

_TENANT: Final = "acme"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """With what somebody comes.

    Attributes:
        means: For the table.
        scopes: Of their key; without any they have none.
        tenant: Of their key.
        may_be_open: Whether to ask a server that has no key at all.
    """

    means: str
    scopes: tuple[Scope, ...] = ()
    tenant: str = _TENANT
    may_be_open: bool = False


_READING: Final = (Scope.LOGS_READ, Scope.STATS_READ, Scope.ERRORS_READ, Scope.PLAYBOOK_READ)

CREDENTIALS: Final[Mapping[str, Credentials]] = MappingProxyType(
    {
        "open": Credentials(means="none, on a server without keys", may_be_open=True),
        "admin": Credentials(means="an admin's key", scopes=(Scope.ADMIN,), tenant=ALL_TENANTS),
        "tenant": Credentials(
            means="a tenant's key with all its scopes",
            scopes=tuple(each for each in Scope if each is not Scope.ADMIN),
        ),
        "reader": Credentials(means="a tenant's key for reading", scopes=_READING),
        "ingest": Credentials(means="a tenant's key for ingest", scopes=(Scope.INGEST_WRITE,)),
        "nobody": Credentials(means="none, where a key is needed"),
    }
)

_BRIEF: Final = "--phases=examples,fuzzing,stateful"
"""Without the phase that goes through every field's limits, a thousand requests long."""

_CALLS: Final = 40
_CONFIG: Final = Path(__file__).with_name("api_fuzz.toml")
_SCHEMATHESIS: Final = str(Path(sys.executable).with_name("schemathesis"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What schemathesis found with one kind of credentials.

    Attributes:
        operations: How many it asked.
        cases: Requests that it sent and judged.
        failed: Those whose answer is not as described.
        exit_code: 0 if nothing failed and everything was asked.
    """

    credentials: str
    operations: int
    cases: int
    failed: int
    exit_code: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the API with each kind of credentials; return the exit code."""
    options = _options(arguments)
    found = []
    with _database(options.database_url) as url:
        for name in options.credentials:
            found.append(fuzz(url, name, options))
            sys.stderr.write(f"{table(found)}\n")
    sys.stdout.write(f"{table(found)}\n")
    return max(each.exit_code for each in found)


def fuzz(database_url: str, name: str, options: argparse.Namespace) -> Outcome:
    """Fill the database, and fuzz an API on it with these credentials."""
    _fill(database_url)
    given = CREDENTIALS[name]
    key = _key(database_url, given) if given.scopes else None
    if name == "nobody":
        _key(database_url, CREDENTIALS["admin"])  # from the first key on, keys are asked for
    with (
        tempfile.TemporaryDirectory(prefix="goldseam-fuzz-") as folder,
        serving(database_url) as url,
    ):
        report = Path(folder, "report.json")
        command = [
            *_command(url, options.examples),
            *_as(given, key),
            f"--report-json-path={report}",
        ]
        if options.brief:
            command.append(_BRIEF)
        command += [f"--include-path-regex={options.only}"] if options.only else []
        done = subprocess.run(command, check=False, cwd=folder, stdout=sys.stderr)
        return _outcome(name, json.loads(report.read_text()), done.returncode)


def table(found: Sequence[Outcome]) -> str:
    """Return the outcomes as Markdown."""
    lines = ["| credentials | operations | cases | failures |", "|---|---:|---:|---:|"]
    lines += [
        f"| {CREDENTIALS[each.credentials].means} | {each.operations} | {each.cases:,} "
        f"| {each.failed} |"
        for each in found
    ]
    return "\n".join(lines)


def _outcome(name: str, report: dict[str, dict[str, int]], exit_code: int) -> Outcome:
    cases = report["test_cases"]
    return Outcome(
        credentials=name,
        operations=report["operations"]["tested"],
        cases=cases["generated"],
        failed=cases["with_failures"] + cases["errored"],
        exit_code=exit_code,
    )


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


def _as(given: Credentials, key: str | None) -> list[str]:
    if given.may_be_open:
        return ["--exclude-path-regex=/keys"]  # the first key would close the server
    return [] if key is None else [f"--header=Authorization: Bearer {key}"]


def _key(database_url: str, given: Credentials) -> str:
    async def make() -> str:
        api = engine.async_engine(database_url, Role.API, pool_size=1)
        try:
            async with engine.tenant_transaction(api, ALL_TENANTS) as connection:
                return await keys.create(
                    connection,
                    tenant=given.tenant,
                    scopes=given.scopes,
                    created_by="fuzz",
                    now=datetime.now(UTC),
                )
        finally:
            await api.dispose()

    return asyncio.run(make())


def _fill(database_url: str) -> None:
    """Store some calls, so that lists and links have something to show, and known ids too."""
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
                request_id=f"call-{number}",  # as in api_fuzz.toml
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
    parser.add_argument(
        "--credentials",
        nargs="+",
        choices=CREDENTIALS,
        default=list(CREDENTIALS),
        help="with what to come (all, one after the other)",
    )
    parser.add_argument("--only", help="paths that match this regular expression")
    parser.add_argument("--brief", action="store_true", help="leave out the limits of each field")
    parser.add_argument("--database-url", help="a migrated, empty database; a new one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
