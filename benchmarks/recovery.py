"""Measures how calls fare in bad weather: the openai SDK alone, two public peers, Goldseam.

    python benchmarks/recovery.py --quick
    python benchmarks/recovery.py --write docs/benchmarks.md
    python benchmarks/recovery.py --subjects bare,goldseam --gate

Run it with the project's own environment: the scripted providers live in this process. The
subjects run in processes and virtual environments of their own, made once beside this file; after
that nothing leaves loopback. Progress goes to stderr, the tables to stdout.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from instrumentation_cost.environments import EnvironmentFailedError
from recovery_weather import measuring, report, subjects
from recovery_weather.scenarios import SCENARIOS
from recovery_weather.workers import WorkerFailedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _options(arguments)
    try:
        chosen = [subjects.named(name) for name in options.subjects] or list(subjects.SUBJECTS)
        wanted = [
            each for each in SCENARIOS if each.name in options.scenarios or not options.scenarios
        ]
        results = measuring.measure(chosen, wanted, is_quick=options.quick)
        text = report.render(results)
        sys.stdout.write(text)
        if options.write is not None:
            report.write(options.write, text)
    except (EnvironmentFailedError, WorkerFailedError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if options.gate and report.missed(results) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(subject.name for subject in subjects.SUBJECTS)
    parser.add_argument("--subjects", type=_names, default=[], help=f"some of {names}")
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument("--scenarios", type=_names, default=[], help=f"some of {names}")
    parser.add_argument("--quick", action="store_true", help="fewer calls")
    parser.add_argument("--write", type=Path, help="put the tables into this document")
    parser.add_argument("--gate", action="store_true", help="exit 1 where Goldseam misses a target")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    raise SystemExit(main())
