"""Runs every scenario for every subject, and counts on the providers' side what came."""

import math
import socket
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from instrumentation_cost.progress import say
from instrumentation_cost.subjects import Subject

from goldseam.recovery.testing import ScriptedProvider, chat, stream
from recovery_weather.corpus import Score, scores
from recovery_weather.overhead import Alone, Overhead, alone, overhead_of
from recovery_weather.scenarios import SCENARIOS, Scenario, Weather, case_of
from recovery_weather.subjects import BARE, GOLDSEAM
from recovery_weather.workers import Worker

WARM_UPS: Final = 20
_WARM_UP: Final = 1_000_000
"""Cases from here on are answered at once: connections and imports are not the weather's."""

_QUICK: Final = 3

IN_FLIGHT: Final = 1_000
"""Calls that are given up."""

QUIET_S: Final = 2.0
"""How long nothing may come after that: longer than any wait between two attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One subject in one scenario.

    Attributes:
        subject: Whose.
        scenario: In which weather.
        success: Share of calls that gave the answer.
        p50_s: Median of what a call took beyond a healthy call.
        p99_s: The same for the 99th of a hundred.
        attempts: Requests seen by the providers, per call.
        wasted: Of them those that brought no answer, per call.
        most_at_primary: Most requests of one call at the provider that was asked.
        early: Requests before the end of a Retry-After.
        recorded: Attempts that the subject's telemetry shows; None where it shows none.
        seen: Requests that the providers saw.
        late_p50_s: As `p50_s`, over the last half of the calls.
        repeats: Requests beyond the first of a call at a provider.
        elapsed_s: What all calls took.
        calls: How many they were.
    """

    subject: Subject
    scenario: Scenario
    success: float
    p50_s: float
    p99_s: float
    attempts: float
    wasted: float
    most_at_primary: int
    early: int
    recorded: int | None
    seen: int
    late_p50_s: float
    repeats: int
    elapsed_s: float
    calls: int


@dataclass(frozen=True, slots=True)
class Results:
    """Everything of one run."""

    results: Sequence[Result]
    overheads: Sequence[Overhead]
    alone: Alone | None
    cancelled: "Cancelled | None"
    scores: Sequence[Score]
    is_quick: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What is left of calls that were given up in flight.

    Attributes:
        calls: How many they were.
        tasks: Tasks that still ran.
        late: Requests that came after the last call was given up.
    """

    calls: int
    tasks: int
    late: int


def measure(
    subjects: Sequence[Subject], scenarios: Sequence[Scenario], *, is_quick: bool
) -> Results:
    """Return the figures of a run."""
    say("a healthy call")
    healthy_s = _run(BARE, SCENARIOS[0], healthy_s=0.0, is_quick=is_quick).p50_s
    results = []
    for scenario in scenarios:
        for subject in subjects:
            if not scenario.subjects or subject.name in scenario.subjects:
                say(f"{scenario.name}: {subject.name}")
                results.append(_run(subject, scenario, healthy_s=healthy_s, is_quick=is_quick))
    say("overhead of a successful call")
    overheads = overhead_of(subjects, is_quick=is_quick)
    if GOLDSEAM not in subjects:
        return Results(results, overheads, None, None, (), is_quick)
    say("recovery alone")
    return Results(results, overheads, alone(is_quick=is_quick), _cancelled(), scores(), is_quick)


def _cancelled() -> Cancelled:
    """Give up calls at any point of their recovery, and look what goes on."""
    say(f"{IN_FLIGHT:,} calls in flight are given up")
    weathers = [
        Weather("primary", SCENARIOS[1].primary),
        Weather("fallback", SCENARIOS[1].fallback),
    ]
    with ExitStack() as stack:
        primary, fallback = (_serve(stack, each) for each in weathers)
        worker = stack.enter_context(Worker(GOLDSEAM))
        order = {"primary": primary, "fallback": fallback, "deadline_s": 8.0, "cancel": IN_FLIGHT}
        answer = worker.run(order)
        at_once = sum(each.attempts.total() for each in weathers)
        time.sleep(QUIET_S)
        late = sum(each.attempts.total() for each in weathers) - at_once
    return Cancelled(calls=IN_FLIGHT, tasks=answer["tasks"], late=late)


def _run(subject: Subject, scenario: Scenario, *, healthy_s: float, is_quick: bool) -> Result:
    calls = max(10, scenario.calls // _QUICK) if is_quick else scenario.calls
    if scenario.name == "storm":  # the budgets are full at first: fewer calls would say nothing
        calls = scenario.calls
    primary = Weather("primary", scenario.primary) if scenario.primary else None
    fallback = Weather("fallback", scenario.fallback) if scenario.fallback else None
    with ExitStack() as stack:
        order: dict[str, Any] = {
            "primary": _serve(stack, primary) if primary else _nobody(stack),
            "fallback": _serve(stack, fallback) if fallback else None,
            "deadline_s": scenario.deadline_s,
            "warm_up": [_WARM_UP + each for each in range(WARM_UPS)] if primary else [],
            "cases": list(range(calls)),
            "is_stream": scenario.is_stream,
        }
        answer = stack.enter_context(Worker(subject)).run(order)
    weathers = [each for each in (primary, fallback) if each]
    return _result(subject, scenario, answer, weathers, healthy_s)


def _serve(stack: ExitStack, weather: Weather) -> str:
    def respond(request: Any) -> Any:
        is_warm_up = case_of(request) >= _WARM_UP
        if is_warm_up:
            return stream(("ok",)) if request.json.get("stream") else chat("ok")
        return weather(request)

    return stack.enter_context(ScriptedProvider(respond=respond)).base_url


def _nobody(stack: ExitStack) -> str:
    """Return an address where nobody listens."""
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


def _result(
    subject: Subject,
    scenario: Scenario,
    answer: dict[str, Any],
    providers: Sequence[Weather],
    healthy_s: float,
) -> Result:
    outcomes = answer["outcomes"]
    added_s = [max(0.0, each["taken_s"] - healthy_s) for each in outcomes]
    seen = sum(each.attempts.total() for each in providers)
    primary = providers[0] if scenario.primary else None
    calls = len(outcomes)
    return Result(
        subject=subject,
        scenario=scenario,
        success=sum(each["ok"] == scenario.is_answered for each in outcomes) / calls,
        p50_s=statistics.median(added_s),
        p99_s=_percentile(added_s, 0.99),
        attempts=seen / calls,
        wasted=sum(each.failed for each in providers) / calls,
        most_at_primary=max(primary.attempts.values(), default=0) if primary else 0,
        early=sum(each.early for each in providers),
        recorded=answer["recorded"],
        seen=seen,
        late_p50_s=statistics.median(added_s[calls // 2 :]),
        repeats=sum(count - 1 for each in providers for count in each.attempts.values()),
        elapsed_s=answer["elapsed_s"],
        calls=calls,
    )


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
