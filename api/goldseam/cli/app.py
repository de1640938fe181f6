"""The commands of the server side: what starts services, `db`, and those that ask the API.

Each command reads its options, says what it does, and leaves the work to the part that owns it.
A command imports that part when it runs, so that `--help` and a wrong option answer at once.
"""

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from goldseam.cli import calls, fixes
from goldseam.cli import doctor as doctor_command
from goldseam.cli import keys as keys_command
from goldseam.cli import run as run_command
from goldseam.cli.defaults import (
    API_PORT,
    HOST,
    OTLP_GRPC_PORT,
    OTLP_HTTP_PORT,
    RETENTION_DAYS,
)
from goldseam.cli.failures import readable_errors
from goldseam.cli.logs import LogFormat

if TYPE_CHECKING:
    import socket

    from goldseam.cli.workers import Port

app = typer.Typer(
    name="goldseam",
    help="Every failed AI call is mended where it can be, and every mend is visible.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="The tables: create, update, look.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(keys_command.keys, name="keys")
app.add_typer(calls.logs, name="logs")
app.command()(fixes.errors)
app.command()(fixes.fix)

console = Console(stderr=True)

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="GOLDSEAM_DATA_DIR",
        help="Folder of the embedded PostgreSQL and of the collector's spool.",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="GOLDSEAM_DATABASE_URL",
        help="Your own PostgreSQL, 15 or later, instead of the embedded one.",
    ),
]
RequiredUrl = Annotated[
    str,
    typer.Option("--database-url", envvar="GOLDSEAM_DATABASE_URL", help="PostgreSQL to use."),
]
ApiPort = Annotated[
    int,
    typer.Option(
        "--api-port", envvar="GOLDSEAM_API_PORT", min=0, max=65535, help="Port; 0: a free one."
    ),
]
RetentionDays = Annotated[
    int,
    typer.Option(
        "--retention-days",
        envvar="GOLDSEAM_RETENTION_DAYS",
        min=0,
        help="Days to keep besides today; 0: all.",
    ),
]
OtlpHttpPort = Annotated[
    int,
    typer.Option(
        "--otlp-http-port",
        envvar="GOLDSEAM_OTLP_HTTP_PORT",
        min=0,
        max=65535,
        help="Port for OTLP/HTTP; 0: a free one.",
    ),
]
OtlpGrpcPort = Annotated[
    int,
    typer.Option(
        "--otlp-grpc-port",
        envvar="GOLDSEAM_OTLP_GRPC_PORT",
        min=0,
        max=65535,
        help="Port for OTLP/gRPC; 0: a free one.",
    ),
]

LogFormatOption = Annotated[
    LogFormat,
    typer.Option("--log-format", envvar="GOLDSEAM_LOG_FORMAT", help="How a line of the log looks."),
]


@app.command()
def demo(
    *,
    calls: Annotated[int, typer.Option(min=1, max=10_000, help="Calls to make.")] = 200,
    data_dir: DataDir = None,
    api_port: ApiPort = API_PORT,
    otlp_http_port: OtlpHttpPort = OTLP_HTTP_PORT,
    otlp_grpc_port: OtlpGrpcPort = OTLP_GRPC_PORT,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run an ordinary program through bad provider weather and show what was mended."""
    from goldseam.cli import demo as demo_command
    from goldseam.cli import stack
    from goldseam.storage.embedded import default_data_dir
    from goldseam.storage.errors import UnreleasedSchemaError

    options = stack.Options(
        data_dir=data_dir or default_data_dir() / "demo",
        api_port=api_port,
        otlp_http_port=otlp_http_port,
        otlp_grpc_port=otlp_grpc_port,
        any_port=True,
    )
    with readable_errors(), _interruptible():
        try:
            done = demo_command.demo(options, calls=calls, as_json=as_json, keep=keep)
        except UnreleasedSchemaError:
            if data_dir is not None:
                raise
            _say(f"{options.data_dir} is of an unreleased version; making the demo's folder anew")
            shutil.rmtree(options.data_dir)
            # As a new process: the wheel remembers the server of a folder, also when it is gone.
            os.execv(sys.argv[0], sys.argv)  # noqa: S606 - this program itself
        raise typer.Exit(done)


@app.command()
def up(
    *,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    api_port: ApiPort = API_PORT,
    otlp_http_port: OtlpHttpPort = OTLP_HTTP_PORT,
    otlp_grpc_port: OtlpGrpcPort = OTLP_GRPC_PORT,
    retention_days: RetentionDays = RETENTION_DAYS,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Run PostgreSQL, collector and API in one process until interrupted."""
    from goldseam.cli import logs, stack
    from goldseam.storage.embedded import default_data_dir

    logs.set_up(log_format)
    options = stack.Options(
        data_dir=data_dir or default_data_dir(),
        database_url=database_url,
        api_port=api_port,
        otlp_http_port=otlp_http_port,
        otlp_grpc_port=otlp_grpc_port,
        retention_days=retention_days,
    )
    with readable_errors(), _interruptible(), stack.running(options, _say) as running:
        stop = _stop_signal()
        console.print(f"page      {running.api_url}/ui/")
        console.print(f"API       {running.api_url}/api/v1/ai/logs/recent")
        console.print(f"OTLP/HTTP {running.otlp_url}")
        console.print(f"OTLP/gRPC {running.otlp_grpc}")
        console.print("Start a program with:  goldseam run --recovery on -- python app.py")
        console.print("Stop with Ctrl-C.", style="dim")
        stop.wait()
        _say("stopping")


@app.command()
def collector(
    *,
    database_url: RequiredUrl,
    otlp_host: Annotated[
        str, typer.Option("--otlp-host", envvar="GOLDSEAM_OTLP_HOST", help="Address.")
    ] = HOST,
    otlp_http_port: OtlpHttpPort = OTLP_HTTP_PORT,
    otlp_grpc_port: OtlpGrpcPort = OTLP_GRPC_PORT,
    data_dir: DataDir = None,
    retention_days: RetentionDays = RETENTION_DAYS,
    workers: Annotated[
        int,
        typer.Option("--workers", envvar="GOLDSEAM_WORKERS", min=1, help="Processes on the port."),
    ] = 1,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Receive OTLP and store it, until interrupted."""
    from goldseam.cli import logs, serve
    from goldseam.cli.workers import Port
    from goldseam.collector import CollectorSettings, create_app
    from goldseam.storage.embedded import default_data_dir
    from goldseam.storage.engine import parse_url

    logs.set_up(log_format)
    with readable_errors():
        parse_url(database_url)
        settings = CollectorSettings(
            database_url=database_url,
            data_dir=data_dir or default_data_dir(),
            retention_days=retention_days,
        )
        tls = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            tls = serve.Tls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        asks = not serve.is_loopback(otlp_host)
        if asks:
            settings = settings.model_copy(update={"ingest_keys": True})
            asks = settings.tls_client_ca is not None or keys_command.exist(database_url)
        take = serve.listen if workers == 1 else serve.reserve
        listener = take(
            otlp_host,
            otlp_http_port,
            port_flag="--otlp-http-port",
            host_flag="--otlp-host",
            asks_for_keys=asks,
        )
        with (
            serve.reserve(
                otlp_host,
                otlp_grpc_port,
                port_flag="--otlp-grpc-port",
                host_flag="--otlp-host",
                asks_for_keys=asks,
            ) as grpc,
            listener,
        ):
            grpc_address = serve.address_of(grpc)
            console.print(f"OTLP/gRPC {grpc_address}", style="dim")
            port = Port(
                name="collector",
                build=partial(create_app, settings, grpc_address=grpc_address),
                address=listener.getsockname()[:2],
                log_format=log_format,
                tls=tls,
                drain_s=settings.drain_timeout_s,
            )
            _serve(port, listener, workers)


@app.command()
def api(
    *,
    database_url: RequiredUrl,
    api_host: Annotated[
        str, typer.Option("--api-host", envvar="GOLDSEAM_API_HOST", help="Address.")
    ] = HOST,
    api_port: ApiPort = API_PORT,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            envvar="GOLDSEAM_API_WORKERS",
            min=1,
            help="Processes on the port; limits hold for each of them.",
        ),
    ] = 1,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Serve the log API and its page, until interrupted."""
    from goldseam.api import ApiSettings
    from goldseam.cli import logs, serve
    from goldseam.cli.web import create_site
    from goldseam.cli.workers import Port
    from goldseam.storage.engine import parse_url

    logs.set_up(log_format)
    with readable_errors():
        parse_url(database_url)
        is_open = serve.is_loopback(api_host)
        take = serve.listen if workers == 1 else serve.reserve
        with take(
            api_host,
            api_port,
            port_flag="--api-port",
            host_flag="--api-host",
            asks_for_keys=not is_open and keys_command.exist(database_url),
        ) as listener:
            console.print(f"page      http://{serve.address_of(listener)}/ui/", style="dim")
            settings = ApiSettings(database_url=database_url, api_open=is_open)
            port = Port(
                name="api",
                build=partial(create_site, settings),
                address=listener.getsockname()[:2],
                log_format=log_format,
            )
            _serve(port, listener, workers)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def run(context: typer.Context) -> None:
    """Start a Python program with every AI call instrumented: run -- python app.py."""
    raise typer.Exit(run_command.main(context.args))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def doctor(context: typer.Context) -> None:
    """Say why no calls arrive, or why none are mended, and what to do."""
    raise typer.Exit(doctor_command.main(context.args))


@db.command()
def upgrade(
    *,
    database_url: RequiredUrl,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="Where the first key goes, instead of the screen."),
    ] = None,
) -> None:
    """Create the tables, roles and policies, or bring them up to date; make the first key."""
    from goldseam.storage import migrate

    with readable_errors():
        migrate.upgrade(database_url)
        console.print(f"The database is at revision {migrate.current_revision(database_url)}.")
        keys_command.create_first(database_url, key_file)


@db.command()
def status(*, database_url: RequiredUrl) -> None:
    """Say which revision the tables are at, and how large they are."""
    from goldseam.storage import migrate, sizes
    from goldseam.storage.engine import connect
    from goldseam.storage.roles import Role

    with readable_errors():
        revision = migrate.current_revision(database_url)
        console.print(f"Revision: {revision or 'none; run `goldseam db upgrade`'}")
        if revision is None:
            raise typer.Exit(1)
        with connect(database_url, Role.WRITER) as connection:
            for each in sizes.sizes(connection):
                days = f", {each.partitions} days" if each.partitions else ""
                data_mib, index_mib = each.data_bytes / 2**20, each.index_bytes / 2**20
                console.print(
                    f"{each.table:<28} about {each.rows:>12,} rows, {data_mib:10,.1f} MiB"
                    f" + {index_mib:,.1f} MiB of indexes{days}",
                    soft_wrap=True,
                )


@db.command()
def sql() -> None:
    """Print the SQL that sets up an empty database, for those who run it with psql."""
    from goldseam.storage import schema

    sys.stdout.write(schema.sql_file())


@db.command()
def prune(
    *,
    database_url: RequiredUrl,
    days: Annotated[int, typer.Option(min=1, help="Days to keep besides today.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Drop older days whole; roll-ups stay for 13 months, collectors may go on writing."""
    from datetime import UTC

    from goldseam.storage import retention
    from goldseam.storage.engine import connect
    from goldseam.storage.roles import Role

    with readable_errors(), connect(database_url, Role.OWNER) as connection:
        today = datetime.now(UTC).date()
        report = retention.prune(connection, days=days, today=today, dry_run=dry_run)
        verb = "would go" if dry_run else "gone"
        console.print(
            f"Before {report.before:%Y-%m-%d}: {report.requests} requests and "
            f"{report.recoveries} recovery steps {verb}, {len(report.partitions)} partitions."
        )
        if report.skipped:
            console.print(f"{report.skipped} partitions were in use; run it again.")


@db.command()
def distribute(*, database_url: RequiredUrl) -> None:
    """Spread the tables over a Citus cluster by tenant; once, on the coordinator. Experimental."""
    from goldseam.storage import distribute as citus
    from goldseam.storage.engine import connect
    from goldseam.storage.roles import Role

    with readable_errors(), connect(database_url, Role.OWNER) as connection:
        names = citus.distribute(connection)
        console.print(f"{len(names)} tables are distributed by tenant_id now.")


@db.command(name="rebuild-rollups")
def rebuild_rollups(
    *,
    database_url: RequiredUrl,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="UTC day; without it, every day that has rows."),
    ] = None,
) -> None:
    """Make the hourly and daily sums anew from the rows; collectors may go on writing."""
    from goldseam.storage import rollups
    from goldseam.storage.engine import connect
    from goldseam.storage.roles import Role

    with readable_errors(), connect(database_url, Role.OWNER) as connection:
        for each in [day.date()] if day else rollups.days_with_rows(connection):
            rows = rollups.rebuild(connection, each)
            console.print(f"{each}: {rows} rows counted.")


def _serve(port: "Port", listener: "socket.socket", count: int) -> None:
    """Serve in this process, or in `count` others, until interrupted."""
    from goldseam.cli import serve, workers

    stop = _stop_signal()
    where = f"{port.name} listens on {serve.url_of(listener, port.tls)}"
    if count == 1:
        running = serve.running([serve.Service(port.name, port.build(), listener, port.tls)])
    else:
        running = workers.running(port, count, stop)
        where += f", {count} processes"
    with running:
        console.print(f"{where}; stop with Ctrl-C.")
        stop.wait()
        _say("draining")


def _stop_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM unwind, so that what was started is stopped; exit code 130.

    SIGINT too: a shell starts background jobs with it ignored, and Python leaves it so.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise typer.Exit(130) from None


def _say(sentence: str) -> None:
    console.print(f"[dim]{sentence} …[/dim]")
