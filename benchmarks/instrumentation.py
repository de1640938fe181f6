"""Measures what instrumenting the openai client costs: Goldseam, a floor, and public peers.

    python benchmarks/instrumentation.py --quick
    python benchmarks/instrumentation.py --write docs/benchmarks.md
    python benchmarks/instrumentation.py --no-peers --gate

Needs `valgrind` for the counts of instructions. Virtual environments are made once, beside this
file; after that nothing touches the network. Progress goes to stderr, the tables to stdout.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from instrumentation_cost import measuring, report, scenarios, subjects, targets
from instrumentation_cost.environments import EnvironmentFailedError
from instrumentation_cost.figures import Figures
from instrumentation_cost.workers import WorkerFailedError

QUICK_SCENARIOS = ("chat", "stream", "chat-400", "chat-dropped")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _options(arguments)
    try:
        plan = _plan(options)
        figures = measuring.measure(plan, lambda known: _write(options.write, plan, known))
        sys.stdout.write(report.render(plan, figures))
        _write(options.write, plan, figures)
    except (EnvironmentFailedError, WorkerFailedError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    failures = targets.missed(figures) if options.gate else []
    for failure in failures:
        sys.stderr.write(f"missed: {failure}\n")
    return 1 if failures else 0


def _write(path: Path | None, plan: measuring.Plan, figures: Figures) -> None:
    """Put what is known into the document; a run that is stopped leaves what it has."""
    if path is not None:
        report.write(path, report.render(plan, figures))


def _plan(options: argparse.Namespace) -> measuring.Plan:
    if options.instructions and shutil.which("valgrind") is None:
        raise ValueError("valgrind is not installed; install it or say --no-instructions")
    chosen = [subjects.named(name) for name in options.subjects] or list(subjects.SUBJECTS)
    if not options.peers:
        chosen = [subject for subject in chosen if not subject.is_peer]
    if subjects.FLOOR not in chosen:
        chosen.insert(0, subjects.FLOOR)  # every ratio is taken to it
    names = options.scenarios or (QUICK_SCENARIOS if options.quick else ())
    wanted = [scenarios.named(name) for name in names] or list(scenarios.SCENARIOS)
    if options.instructions and not any(scenario.name == "chat" for scenario in wanted):
        wanted.insert(0, scenarios.named("chat"))  # the floor is that of a chat
    of_others = [scenarios.named(name) for name in options.others] or wanted
    return measuring.Plan(
        subjects=chosen,
        scenarios=wanted,
        of_others=[scenario for scenario in wanted if scenario in of_others],
        instructions=options.instructions,
        repeats=1 if options.quick else 2,
        cpu_rounds=(15 if options.quick else 41) if options.cpu_time else 0,
        footprints=1 if options.quick else 5,
        jobs=options.jobs,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(subject.name for subject in subjects.SUBJECTS)
    parser.add_argument("--subjects", type=_names, default=[], help=f"some of {names}")
    names = ", ".join(scenario.name for scenario in scenarios.SCENARIOS)
    parser.add_argument("--scenarios", type=_names, default=[], help=f"some of {names}")
    parser.add_argument(
        "--others",
        type=_names,
        default=[],
        help="the scenarios of all but Goldseam; chat is a must",
    )
    parser.add_argument("--quick", action="store_true", help="fewer scenarios, fewer repeats")
    parser.add_argument(
        "--no-peers", dest="peers", action="store_false", help="leave other libraries out"
    )
    parser.add_argument(
        "--instructions",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="count instructions with callgrind (minutes per subject)",
    )
    parser.add_argument(
        "--cpu-time",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure CPU time, which a busy machine makes worthless",
    )
    parser.add_argument("--jobs", type=int, default=1, help="subjects counted at a time")
    parser.add_argument("--write", type=Path, help="put the tables into this document")
    parser.add_argument("--gate", action="store_true", help="exit 1 where Goldseam misses a target")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    raise SystemExit(main())
