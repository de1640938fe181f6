"""Measures what taking spans in costs: each step alone, then senders to committed rows.

    python benchmarks/ingest.py --spans 20000
    python benchmarks/ingest.py --install-peers
    python benchmarks/ingest.py --write docs/benchmarks.md

Starts a PostgreSQL and a collector of its own in a temporary folder, then the peers that are
installed. Takes eight minutes at most. Progress goes to stderr, the tables to stdout.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ingest_speed import bodies, end_to_end, peers, report, stages

from goldseam.collector import maintenance
from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres

SPANS = 51_200
STAGE_SPANS = 10_240
PEER_SPANS = 10_000
PACE = 0.7
_AGE_NS = 3_600_000_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _options(arguments)
    if options.install_peers:
        peers.install()
        return 0
    with tempfile.TemporaryDirectory(prefix="goldseam-bench-", dir=options.folder) as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as server:
            load, steps, runs = _measure(server, Path(folder), options)
        found = [(runs[2], peer) for peer in _measure_peers(Path(folder))]
    text = report.render(load, steps, runs, found)
    sys.stdout.write(text + "\n")
    if options.write is not None:
        report.write(options.write, text)
    return 0


def _measure(
    server: EmbeddedPostgres, folder: Path, options: argparse.Namespace
) -> tuple[bodies.Load, list[stages.Stage], list[end_to_end.Run]]:
    migrate.upgrade(server.url)
    maintenance.ensure_partitions(server.url, datetime.now(UTC))
    _say("each step alone")
    load = _load(min(options.spans, STAGE_SPANS), series=0)
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
        small = []
        for series, spans_per_body in enumerate((100, 10), start=4):
            _say(f"{spans_per_body}-span bodies")
            some = _load(options.spans // 4, series=series, spans_per_body=spans_per_body)
            small.append(collector.send(f"{spans_per_body}-span bodies", some))
    with end_to_end.collector(server.url, folder / "two", postmaster, workers=2) as two:
        two.send("warming up", _load(5_120, series=7))
        _say("two processes")
        both = two.send("512-span bodies, two processes", _load(options.spans, series=8))
    return load, steps, [peak, paced, *small, both]


def _measure_peers(folder: Path) -> list[peers.PeerRun]:
    """Measure the peers that are installed; one that fails is told of and left out."""
    load = _load(PEER_SPANS, series=4, spans_per_body=100)
    first = _load(10, series=6, spans_per_body=10)
    runs = []
    for peer in peers.PEERS:
        if not peer.python.exists():
            _say(f"{peer.name} is not installed: --install-peers")
            continue
        _say(peer.name)
        try:
            runs.append(peers.measure(peer, load, first, folder / peer.name))
        except RuntimeError as error:
            _say(str(error))
    return runs


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
    parser.add_argument(
        "--install-peers", action="store_true", help="make the peers' environments, then end"
    )
    return parser.parse_args(arguments)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    raise SystemExit(main())
