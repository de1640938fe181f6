"""Measures what taking spans in costs: each step alone, then senders to committed rows.

    python benchmarks/ingest.py --spans 20000
    python benchmarks/ingest.py --write docs/benchmarks.md

Starts a PostgreSQL and a collector of its own in a temporary folder. Progress goes to stderr, the
tables to stdout.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ingest_speed import bodies, end_to_end, report, stages

from goldseam.collector import maintenance
from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres

SPANS = 51_200
PACE = 0.7
_AGE_NS = 3_600_000_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="goldseam-bench-", dir=options.folder) as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as server:
            text = _measure(server, Path(folder), options)
    sys.stdout.write(text + "\n")
    if options.write is not None:
        report.write(options.write, text)
    return 0


def _measure(server: EmbeddedPostgres, folder: Path, options: argparse.Namespace) -> str:
    migrate.upgrade(server.url)
    maintenance.ensure_partitions(server.url, datetime.now(UTC))
    _say("each step alone")
    load = _load(options.spans, series=0)
    steps = stages.measure(server.url, load)
    postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    with end_to_end.collector(server.url, folder / "data", postmaster) as collector:
        collector.send("warming up", _load(5_120, series=1))
        _say("as fast as possible")
        peak = collector.send("512-span bodies", _load(options.spans, series=2))
        _say(f"at {PACE:.0%} of the peak")
        paced = collector.send(
            f"512-span bodies at {PACE:.0%} of that",
            _load(options.spans, series=3),
            spans_per_s=peak.spans_per_s * PACE,
        )
        _say("small bodies")
        small = collector.send(
            "10-span bodies", _load(options.spans // 4, series=4, spans_per_body=10)
        )
    return report.render(load, steps, [peak, paced, small])


def _load(spans: int, *, series: int, spans_per_body: int = 512) -> bodies.Load:
    start_ns = time.time_ns() - _AGE_NS
    return bodies.load(spans=spans, spans_per_body=spans_per_body, start_ns=start_ns, series=series)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=SPANS, help=f"spans of each run ({SPANS:,})")
    parser.add_argument("--folder", type=Path, help="where the database goes; short path")
    parser.add_argument("--write", type=Path, help="put the tables into this document")
    return parser.parse_args(arguments)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    raise SystemExit(main())
