"""Measures what the API's questions, the roll-ups and retention cost on a full database.

    python benchmarks/storage.py --rows 100000
    python benchmarks/storage.py --write docs/benchmarks.md

Starts a PostgreSQL of its own in a temporary folder; 10 million rows take some 8 GB and half an
hour there. `--database-url` asks a database that an earlier run has filled (`--keep`) instead, on
this machine. Progress goes to stderr, the tables to stdout.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage_speed import questions, report, rows, writing

from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres

ROWS = 10_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, ask, write, drop, print; return the exit code."""
    options = _options(arguments)
    if options.printed is not None:
        return _tell(options.printed.read_text(encoding="utf-8").strip(), options)
    if options.database_url:
        return _tell(_measure(options.database_url, options), options)
    if options.keep is not None:
        with EmbeddedPostgres(options.keep) as server:
            return _tell(_measure(server.url, options), options)
    with tempfile.TemporaryDirectory(prefix="goldseam-bench-", dir=options.folder) as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as server:
            return _tell(_measure(server.url, options), options)


def _tell(text: str, options: argparse.Namespace) -> int:
    sys.stdout.write(text + "\n")
    if options.write is not None:
        report.write(options.write, text)
    return 0


def _measure(url: str, options: argparse.Namespace) -> str:
    today = datetime.now(UTC).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    # Not on the hour: both edges are read from rows, as in a real question.
    until = midnight - timedelta(minutes=17, seconds=11)
    migrate.upgrade(url)
    if not options.database_url:
        _say(f"making {options.rows:,} rows")
        rows.fill(url, rows=options.rows, until=today)
    _say("asking")
    timings = asyncio.run(
        questions.ask_all(
            url, until, repeats=options.repeats, raw_repeats=options.raw_repeats, say=_say
        )
    )
    _say("writing")
    cost = writing.cost_of_writing(url, midnight + timedelta(hours=12))
    _say("dropping a day")
    dropped = writing.cost_of_dropping(url, midnight)
    return report.render(rows=options.rows, timings=timings, writing=cost, dropping=dropped)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS, help=f"calls to make ({ROWS:,})")
    parser.add_argument("--repeats", type=int, default=50, help="times each question is asked")
    parser.add_argument("--raw-repeats", type=int, default=5, help="without roll-ups; 0: not")
    parser.add_argument("--keep", type=Path, help="folder for a database that stays; short path")
    parser.add_argument("--database-url", help="a database that an earlier run filled today")
    parser.add_argument("--folder", type=Path, help="where the database goes; short path")
    parser.add_argument("--printed", type=Path, help="take the tables of an earlier run from here")
    parser.add_argument("--write", type=Path, help="put the tables into this document")
    return parser.parse_args(arguments)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    raise SystemExit(main())
