"""Takes every measurement of a run, one at a time, and returns the figures.

Each subject runs in processes of its own. Instructions are counted by callgrind in one process per
subject, first bare, then with the subject on. CPU time is taken in turns: every round visits every
subject, bare and on, so that a busy spell of the machine falls on all of them.
"""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, TypeVar

from instrumentation_cost.callgrind import totals
from instrumentation_cost.environments import added_distributions, distributions_of, python_of
from instrumentation_cost.figures import Figures, Footprint
from instrumentation_cost.progress import say
from instrumentation_cost.scenarios import HASH_ALONE, Scenario
from instrumentation_cost.subjects import BARE, GOLDSEAM, Subject
from instrumentation_cost.workers import Worker, WorkerFailedError

CPU_ROUND_S: Final = 0.02
"""About what one round of a scenario takes: short, so that bare and on meet the same weather."""

_MANY: Final = 1_000
_NO_PLUGINS: Final = MappingProxyType({"PYDANTIC_DISABLE_PLUGINS": "__all__"})
"""Logfire comes in with pydantic, before anybody has asked for it."""

_OURS: Final = "instrumentation_cost"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure and how often.

    Attributes:
        subjects: In the order of the table.
        scenarios: In the order of the table; Goldseam is measured in all of them.
        of_others: The scenarios of every other subject.
        instructions: Whether to count instructions, which takes most of the time.
        repeats: Counts of instructions per cell.
        cpu_rounds: Rounds of CPU time; 0 leaves it out.
        footprints: Processes per footprint; their median counts.
        jobs: Subjects at a time, for whatever does not mind company: counts do not.
    """

    subjects: Sequence[Subject]
    scenarios: Sequence[Scenario]
    of_others: Sequence[Scenario]
    instructions: bool
    repeats: int
    cpu_rounds: int
    footprints: int
    jobs: int

    def scenarios_of(self, subject: Subject) -> Sequence[Scenario]:
        """Return the scenarios that a subject is measured in."""
        return self.scenarios if subject.name == GOLDSEAM.name else self.of_others


def measure(plan: Plan, so_far: Callable[[Figures], None]) -> Figures:
    """Return the figures of a run.

    Args:
        plan: What to measure.
        so_far: Called with what is known whenever a subject's instructions have been counted.

    Raises:
        WorkerFailedError: A subject failed in a way that its figures would not show.
    """
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="goldseam-cost-") as name:
        folder = Path(name)
        for subject in plan.subjects:
            python_of(subject)
        checked = _each(plan, lambda subject: _check(plan, subject, figures, folder))
        usable = [subject for subject, is_usable in checked if is_usable]
        plan = replace(plan, subjects=usable)
        _each(plan, lambda subject: _note_footprint(plan, subject, figures, folder))
        if plan.cpu_rounds:
            _cpu_times(plan, figures, folder)
        if plan.instructions:
            _instructions(plan, figures, folder, so_far)
    return figures


def _each(plan: Plan, measured: Callable[[Subject], _T]) -> list[tuple[Subject, _T]]:
    """Measure every subject, some at a time."""
    with ThreadPoolExecutor(plan.jobs) as pool:
        return list(zip(plan.subjects, pool.map(measured, plan.subjects), strict=True))


def _check(plan: Plan, subject: Subject, figures: Figures, folder: Path) -> bool:
    """See the subject at work, note what it writes and how many Python calls it makes."""
    say(f"checking {subject.name}")
    with Worker(subject, folder / "log") as worker:
        scenarios = plan.scenarios_of(subject)
        counts = {chosen.name: _python_calls(worker, chosen) for chosen in scenarios}
        if unsupported := worker.ask("switch_on").get("unsupported"):
            figures.unsupported[subject.name] = unsupported
            return False
        for scenario in scenarios:
            cell = subject.name, scenario.name
            seen = worker.ask("check", scenario=scenario.name)
            if not _is_watched(subject, scenario, seen):
                figures.unwatched.add(cell)
            figures.attributes[cell] = len(seen["attributes"])
            added = _python_calls(worker, scenario) - counts[scenario.name]
            figures.python_calls[cell] = added // scenario.concurrent
    sampled = [scenario for scenario in scenarios if scenario.sampled]
    if sampled and all((subject.name, each.name) in figures.unwatched for each in sampled):
        raise WorkerFailedError(f"{subject.name} was switched on and wrote no span")
    versions = distributions_of(subject)
    own = [package.partition("=")[0] for package in subject.packages[:1]]
    figures.versions[subject.name] = ", ".join(f"{name} {versions[name]}" for name in own)
    figures.distributions[subject.name] = added_distributions(subject, BARE)
    return True


def _python_calls(worker: Worker, scenario: Scenario) -> int:
    count: int = worker.ask("python_calls", scenario=scenario.name)["calls"]
    return count


def _is_watched(subject: Subject, scenario: Scenario, seen: dict[str, Any]) -> bool:
    """Tell whether the calls left spans, or may not have because the sampler drops them.

    Raises:
        WorkerFailedError: The subject reached for the network, ignored the sampler, or watched
            only some of the calls, which would make it look cheap.
    """
    if seen["refused"]:
        raise WorkerFailedError(f"{subject.name} reached for the network: {seen['refused']}")
    if not scenario.sampled and seen["spans"]:
        raise WorkerFailedError(f"{subject.name} exported {seen['spans']} spans that were dropped")
    if 0 < seen["spans"] < seen["calls"]:
        raise WorkerFailedError(
            f"{subject.name}, {scenario.name}: {seen['spans']} spans of {seen['calls']} calls"
        )
    return not scenario.sampled or bool(seen["spans"])


def _note_footprint(plan: Plan, subject: Subject, figures: Figures, folder: Path) -> None:
    say(f"footprint of {subject.name}")
    alone = replace(subject, variables={**subject.variables, **_NO_PLUGINS})
    bare, on = [], []
    for _ in range(plan.footprints):
        bare.append(_footprint(alone, folder, is_on=False))
        on.append(_footprint(alone, folder, is_on=True))
    names = {name for name in on[0]["names"] if not name.startswith(_OURS)}
    new = names - set(bare[0]["names"])
    rss_bytes = _median(on, "rss_bytes") - _median(bare, "rss_bytes")
    figures.footprints[subject.name] = Footprint(
        cpu_ms=1e3 * _median(on, "switched_on_s"),
        modules=len(new),
        rss_mb=rss_bytes / 2**20,
        client_modules=sum(name.startswith("openai.") for name in new),
    )


def _footprint(subject: Subject, folder: Path, *, is_on: bool) -> dict[str, Any]:
    with Worker(subject, folder / "log") as worker:
        return worker.ask("footprint", is_on=is_on)


def _median(answers: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.median(answer[key] for answer in answers)


def _cpu_times(plan: Plan, figures: Figures, folder: Path) -> None:
    samples: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    with ExitStack() as stack:
        pairs = [_pair(stack, subject, folder) for subject in plan.subjects]
        for scenario in plan.scenarios:
            say(f"CPU time of {scenario.name}")
            calls = _calls_of_round(pairs[0][0], scenario)
            for _ in range(plan.cpu_rounds):
                for bare, on in pairs:
                    if scenario not in plan.scenarios_of(on.subject):
                        continue
                    for worker, is_on in ((bare, False), (on, True)):
                        taken = worker.ask("cpu", scenario=scenario.name, calls=calls)["cpu_s"]
                        samples[worker.subject.name, scenario.name, is_on].append(taken)
    for (subject_name, scenario_name, is_on), values in samples.items():
        if is_on:
            bare_values = samples[subject_name, scenario_name, False]
            cell = subject_name, scenario_name
            pairs_us = [1e6 * (a - b) for a, b in zip(values, bare_values, strict=True)]
            figures.added_us[cell] = statistics.median(pairs_us)
            figures.bare_us[cell] = 1e6 * statistics.median(bare_values)


def _pair(stack: ExitStack, subject: Subject, folder: Path) -> tuple[Worker, Worker]:
    bare, on = (stack.enter_context(Worker(subject, folder / "log")) for _ in range(2))
    on.ask("switch_on")
    return bare, on


def _calls_of_round(worker: Worker, scenario: Scenario) -> int:
    one_s = worker.ask("cpu", scenario=scenario.name, calls=scenario.calls)["cpu_s"]
    calls = min(_MANY, max(1, round(CPU_ROUND_S / one_s)))
    return -(-calls // scenario.concurrent) * scenario.concurrent


def _instructions(
    plan: Plan, figures: Figures, folder: Path, so_far: Callable[[Figures], None]
) -> None:
    lock = Lock()

    def count(subject: Subject) -> None:
        counts = _counts(plan, subject, folder)
        with lock:
            _note_instructions(plan, subject, figures, counts)
            so_far(figures)

    _each(plan, count)


def _counts(plan: Plan, subject: Subject, folder: Path) -> dict[str, int]:
    dumps = folder / f"dumps-{subject.name}"
    dumps.mkdir()
    say(f"instructions of {subject.name}")
    with Worker(subject, folder / "log", dumps=dumps) as worker:
        for phase in _phases(worker):
            for scenario in _counted(plan, subject):
                for repeat in range(plan.repeats):
                    worker.ask(
                        "instructions",
                        scenario=scenario.name,
                        label=f"{phase}/{scenario.name}/{repeat}",
                        calls=scenario.calls,
                    )
    return totals(dumps)


def _phases(worker: Worker) -> Iterator[str]:
    yield "bare"
    worker.ask("switch_on")
    yield "on"


def _counted(plan: Plan, subject: Subject) -> Sequence[Scenario]:
    return (*plan.scenarios_of(subject), *((HASH_ALONE,) if subject.name == GOLDSEAM.name else ()))


def _note_instructions(
    plan: Plan, subject: Subject, figures: Figures, counts: dict[str, int]
) -> None:
    for scenario in _counted(plan, subject):
        by_phase = {
            phase: [
                counts[f"{phase}/{scenario.name}/{repeat}"] / scenario.calls / 1e3
                for repeat in range(plan.repeats)
            ]
            for phase in ("bare", "on")
        }
        bare_k, on_k = (statistics.fmean(by_phase[phase]) for phase in ("bare", "on"))
        cell = subject.name, scenario.name
        figures.bare_k[cell], figures.added_k[cell] = bare_k, on_k - bare_k
        spreads = ((max(values) - min(values)) / max(values) for values in by_phase.values())
        figures.spread = max(figures.spread, *spreads)
