"""The weather: what each provider does with the n-th attempt of case i, always the same.

Called in the threads of the scripted providers. A fault is drawn from a hash of case, attempt and
provider, so every subject meets the same weather whatever its order of requests. A 429 opens a
window for its case: who comes back before its end is early, and is answered 429 again.
"""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from goldseam.recovery.testing import (
    Reply,
    Request,
    chat,
    cut,
    delayed,
    error,
    hang,
    raw,
    stream,
)

SERVICE_S: Final = 0.02
"""How long a healthy answer takes."""

RETRY_AFTER_S: Final = 1

_CASE: Final = re.compile(r"\bcase (?P<case>\d+)")


def case_of(request: Request) -> int:
    """Return which call a request belongs to; a library may add messages of its own."""
    found = _CASE.search(json.dumps(request.json))
    if found is None:
        raise ValueError("a request that names no case")
    return int(found["case"])


class Weather:
    """One provider's script for one run, and the count of what came."""

    def __init__(self, name: str, fault: Callable[[int, int, float], str]) -> None:
        """Take the script.

        Args:
            name: Of the provider; two providers draw apart.
            fault: From case, attempt and a draw in [0, 1) to a key of `_ANSWERS`.
        """
        self.attempts: Counter[int] = Counter()
        self.failed = 0
        self.early = 0
        self._name = name
        self._fault = fault
        self._windows: dict[int, float] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        case = case_of(request)
        with self._lock:
            self.attempts[case] += 1
            kind = self._kind(case, self.attempts[case], request.at_s)
            self.failed += kind != "ok"
            if kind == "rate":
                self._windows.setdefault(case, request.at_s + RETRY_AFTER_S)
        return _ANSWERS[kind]()

    def _kind(self, case: int, attempt: int, at_s: float) -> str:
        ends_s = self._windows.get(case)
        if ends_s is not None and at_s < ends_s:
            self.early += 1
            return "rate"
        self._windows.pop(case, None)
        drawn = hashlib.sha256(f"{self._name} {case} {attempt}".encode()).digest()
        return self._fault(case, attempt, int.from_bytes(drawn[:4]) / 2**32)


_ANSWERS: Final[dict[str, Callable[[], Reply]]] = {
    "ok": lambda: delayed(chat("ok"), SERVICE_S),
    "rate": lambda: error(429, retry_after=RETRY_AFTER_S),
    "hang": hang,
    "broken": lambda: error(500),
    "quota": lambda: error(429, code="insufficient_quota", message="You exceeded your quota."),
    "auth": lambda: error(401),
    "invalid": lambda: error(400),
    "long": lambda: error(429, retry_after=10),
    "empty": lambda: chat(""),
    "html": lambda: raw(headers={"content-type": "text/html"}, body="<html>busy</html>"),
    "cut": lambda: cut("mid_body"),
    "stream": lambda: delayed(stream(("o", "k")), SERVICE_S),
    "cut-stream": lambda: stream(("o", "k"), cut_after=1),
}


def fine(_case: int, _attempt: int, _draw: float) -> str:
    """Answer every request."""
    return "ok"


def mixed(_case: int, _attempt: int, draw: float) -> str:
    """Fail three attempts of five."""
    for share, kind in ((0.3, "rate"), (0.5, "hang"), (0.6, "broken")):
        if draw < share:
            return kind
    return "ok"


def _always(kind: str) -> Callable[[int, int, float], str]:
    return lambda _case, _attempt, _draw: kind


def _hopeless(case: int, _attempt: int, _draw: float) -> str:
    return ("quota", "auth", "invalid")[case % 3]


def _bad_answers(case: int, attempt: int, _draw: float) -> str:
    return ("empty", "html", "cut")[case % 3] if attempt == 1 else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of weather.

    Attributes:
        name: What the command line calls it.
        title: What the tables call it.
        primary: Script of the provider that is asked; None refuses connections.
        fallback: Script of the other provider; None leaves it out.
        calls: How many calls are made, ten at a time.
        deadline_s: Goldseam's deadline; None takes the time-out of the client.
        is_stream: Whether answers are streamed.
        is_answered: Whether a good outcome is the answer; else it is an exception.
        subjects: Who is measured in it; empty is everybody.
    """

    name: str
    title: str
    primary: Callable[[int, int, float], str] | None
    fallback: Callable[[int, int, float], str] | None = None
    calls: int = 60
    deadline_s: float | None = None
    is_stream: bool = False
    is_answered: bool = True
    subjects: tuple[str, ...] = ()


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(name="fine", title="fine weather", primary=fine, fallback=fine),
    Scenario(
        name="mixed",
        title="30 % 429, 20 % hang, 10 % 500; a healthy fallback",
        primary=mixed,
        fallback=fine,
    ),
    Scenario(
        name="mixed-alone",
        title="the same, one provider",
        primary=mixed,
        deadline_s=8.0,
    ),
    Scenario(
        name="black-hole",
        title="the provider never answers; a healthy fallback",
        primary=_always("hang"),
        fallback=fine,
        calls=200,
    ),
    Scenario(
        name="refused",
        title="connections are refused; a healthy fallback",
        primary=None,
        fallback=fine,
        calls=200,
    ),
    Scenario(
        name="rate",
        title="429 with Retry-After: 1; a healthy fallback",
        primary=_always("rate"),
        fallback=fine,
    ),
    Scenario(
        name="rate-long",
        title="429 with Retry-After: 10, one provider, time-out 1 s",
        primary=_always("long"),
        calls=10,
    ),
    Scenario(
        name="hopeless",
        title="quota, refused key, bad request; one provider",
        primary=_hopeless,
        calls=30,
    ),
    Scenario(
        name="bad-answers",
        title="empty, HTML or cut-off answers with status 200; one provider",
        primary=_bad_answers,
        calls=30,
        deadline_s=8.0,
    ),
    Scenario(
        name="stream",
        title="streams that fail before their first token; a healthy fallback",
        primary=_always("broken"),
        fallback=_always("stream"),
        is_stream=True,
        subjects=("bare", "goldseam"),
    ),
    Scenario(
        name="stream-cut",
        title="streams that break off after their first token: raised, not ended",
        primary=_always("cut-stream"),
        fallback=_always("stream"),
        calls=30,
        is_stream=True,
        is_answered=False,
        subjects=("bare", "goldseam"),
    ),
    Scenario(
        name="storm",
        title="every provider fails, 5,000 calls",
        primary=_always("broken"),
        fallback=_always("broken"),
        calls=5_000,
        is_answered=False,
        subjects=("goldseam",),
    ),
)
