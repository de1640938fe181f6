"""Breaks what can break around Goldseam, and holds what was promised against what was kept.

    make prove                                                all of it, about an hour
    python tests/reliability/prove.py --only kills,weather    some of it
    python tests/reliability/prove.py --short                 a little of everything
    python tests/reliability/prove.py --write docs/reliability.md

Each trial runs in a process and a folder of its own; one that fails stops no other. Spans that a
writer was told are safe must each have one row afterwards, nothing else may have one, and the sums
must equal the rows. Prints a table and, with `--write`, puts it into a page after each trial; the
exit code tells whether every promise was kept.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from proving import applications, bodies, disks, kills, outages, soak, tenants, weather
from proving.running import Ran, run
from proving.table import put, table, text
from proving.trial import SHORT, Scale, Trial

SEED: Final = 20_261_122

TRIALS: Final = (
    Trial("kills", "Collector killed (`kill -9`)", kills.run, 2_400),
    Trial("applications", "Application killed while calls are mended", applications.run, 600),
    Trial("outages", "PostgreSQL killed or stopped at once", outages.run, 600),
    Trial("away", "Database away", outages.run_away, 600),
    Trial("spool-disk", "Disk of the spool full", disks.run_spool, 400),
    Trial("database-disk", "Disk of PostgreSQL full", disks.run_database, 400),
    Trial("weather", "Network that resets, stalls, trickles", weather.run, 600),
    Trial("fuzz", "Damaged bodies", bodies.run_fuzz, 1_800),
    Trial("bombs", "Decompression and nesting bombs", bodies.run_bombs, 400),
    Trial("tenants", "Tenants kept apart", tenants.run, 600),
    Trial("soak", "Steady load", soak.run, 900),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen trials; return the exit code."""
    options = _options(arguments)
    scale = _scale(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ran: list[Ran] = []
    try:
        for trial in options.only:
            sys.stderr.write(f"==> {trial.name}: {trial.title}\n")
            ran.append(run(trial, scale, seed=options.seed))
            sys.stderr.write(f"    {ran[-1].verdict} ({ran[-1].took_s:.0f} s)\n")
            _write(options, ran)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; this is what is known\n")
    sys.stdout.write(table(options.only, ran) + "\n")
    is_whole = len(ran) == len(options.only)
    return 0 if is_whole and all(each.is_kept for each in ran) else 1


def _write(options: argparse.Namespace, ran: Sequence[Ran]) -> None:
    if options.write is not None:
        put(options.write, text(TRIALS, ran, seed=options.seed, is_short=options.short))


def _scale(options: argparse.Namespace) -> Scale:
    scale = SHORT if options.short else Scale()
    given = {"kills": options.kills, "away_s": options.away, "soak_s": options.soak}
    return replace(scale, **{name: value for name, value in given.items() if value is not None})


def _chosen(names: str) -> tuple[Trial, ...]:
    known = {trial.name: trial for trial in TRIALS}
    try:
        return tuple(known[name] for name in names.split(","))
    except KeyError as error:
        raise argparse.ArgumentTypeError(
            f"no trial {error}; there are {', '.join(known)}"
        ) from error


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=_chosen, default=TRIALS, help="trials, with commas (all)")
    parser.add_argument("--short", action="store_true", help="a little of everything")
    parser.add_argument("--kills", type=int, help=f"killed collectors ({Scale().kills})")
    parser.add_argument(
        "--away", type=float, help=f"seconds without database ({Scale().away_s:.0f})"
    )
    parser.add_argument("--soak", type=float, help=f"seconds of steady load ({Scale().soak_s:.0f})")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
