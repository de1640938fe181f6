"""Thousands of mixed calls, many cancelled or abandoned, and then: what was left open?

    python tests/reliability/leaks.py                10,000 calls
    python tests/reliability/leaks.py --calls 400 --no-memory
    python tests/reliability/leaks.py --bare         the same without Goldseam, to compare memory

Sync and async calls, whole and streamed, of the SDK and of hand-written HTTP, against providers in
a process of their own: answered, refused, mended, cut, closed early, dropped unread, and cancelled
at a random moment by asyncio and by anyio. Recovery is on. Every span that started must have ended,
no task may be left, Goldseam may have had no fault, and the process may not grow: the highest
resident memory of the second half is at most 5 % above that of the first. Prints the figures; the
exit code tells whether all of this holds.
"""

import argparse
import asyncio
import contextlib
import gc
import importlib
import logging
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import anyio
import openai
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from goldseam.instrumentation import instrument, uninstrument
from goldseam.recovery import Policy, Provider, RecoveryConfig
from goldseam.recovery.testing import Reply, Request, ScriptedProvider, chat, cut, delayed, error
from goldseam.recovery.testing import stream as streamed

AT_ONCE: Final = 40
CALLS_PER_CLIENT: Final = 400
"""A dropped stream keeps its connection until the client is closed, Goldseam or not."""

MAX_DELAY_S: Final = 0.012
"""Longer than an answer takes, so that cancellation comes before, during and after it."""

MAX_GROWTH: Final = 1.05
MODELS: Final = ("steady", "steady", "steady", "shaky", "down", "refused", "lost", "slow")

HTTP: Final[Any] = importlib.import_module("httpx2" if find_spec("httpx2") else "httpx")


class SpanCounter(SpanProcessor):
    """Counts spans and keeps none."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002 - the base's
        """Count a span that starts."""
        with self._lock:
            self.started += 1

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - the base's
        """Count a span that ends."""
        with self._lock:
            self.ended += 1


@dataclass
class Figures:
    """What a run left behind."""

    calls: int
    spans: SpanCounter
    outcomes: Counter[str] = field(default_factory=Counter)
    tasks_left: int = 0
    rss_mb: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unraisable: list[str] = field(default_factory=list)

    def halves_mb(self) -> tuple[float, float]:
        """Return the highest resident memory of each half."""
        half = len(self.rss_mb) // 2
        return max(self.rss_mb[:half], default=0.0), max(self.rss_mb[half:], default=0.0)

    def broken_promises(self, *, with_memory: bool) -> list[str]:
        """Return what does not hold."""
        first_mb, second_mb = self.halves_mb()
        promises = {
            "spans were left open": self.spans.started == self.spans.ended,
            "tasks were left": self.tasks_left == 0,
            "Goldseam had a fault": not self.faults,
            "exceptions reached nobody": not self.unraisable,
            "memory grew": not with_memory or second_mb <= first_mb * MAX_GROWTH,
        }
        return [broken for broken, holds in promises.items() if not holds]

    def text(self) -> str:
        """Return the figures as lines."""
        first_mb, second_mb = self.halves_mb()
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        return "\n".join(
            [
                f"calls            {self.calls}",
                f"outcomes         {outcomes}",
                f"spans            {self.spans.started} started, {self.spans.ended} ended",
                f"tasks left       {self.tasks_left}",
                f"faults           {self.faults or 'none'}",
                f"unraisable       {self.unraisable[:3] or 'none'}",
                f"resident memory  highest in the first half {first_mb:.1f} MB",
                f"                 in the second {second_mb:.1f} MB",
                f"growth           x {second_mb / (first_mb or 1):.3f}",
            ]
        )


@dataclass(frozen=True)
class Clients:
    """What the calls of one round are made with."""

    sync: openai.OpenAI
    tasks: openai.AsyncOpenAI
    http: Any
    http_tasks: Any
    url: str


def asked(model: str, *, is_stream: bool) -> dict[str, Any]:
    """Return the body of a chat request."""
    question = [{"role": "user", "content": "four plus five?"}]
    return {"model": model, "messages": question, "stream": is_stream}


def take(stream: Any, count: int) -> None:
    """Read the first chunks."""
    for _ in zip(range(count), stream, strict=False):
        pass


async def atake(stream: Any, count: int) -> None:
    """Read the first chunks."""
    for _ in range(count):
        await anext(stream, None)


def sync_whole(clients: Clients, model: str) -> None:
    """Ask and wait."""
    clients.sync.chat.completions.create(**asked(model, is_stream=False))


def sync_raw(clients: Clients, model: str) -> None:
    """Ask for the raw response."""
    clients.sync.chat.completions.with_raw_response.create(**asked(model, is_stream=False)).parse()


def sync_read(clients: Clients, model: str) -> None:
    """Read a stream to its end."""
    list(clients.sync.chat.completions.create(**asked(model, is_stream=True)))


def sync_closed(clients: Clients, model: str) -> None:
    """Close a stream early."""
    with clients.sync.chat.completions.create(**asked(model, is_stream=True)) as stream:
        take(stream, 2)


def sync_dropped(clients: Clients, model: str) -> None:
    """Forget a stream."""
    take(clients.sync.chat.completions.create(**asked(model, is_stream=True)), 1)


def sync_wire(clients: Clients, model: str) -> None:
    """Ask by hand."""
    clients.http.post(clients.url, json=asked(model, is_stream=False))


def sync_wire_closed(clients: Clients, model: str) -> None:
    """Read a stream by hand and close it early."""
    with clients.http.stream("POST", clients.url, json=asked(model, is_stream=True)) as response:
        take(response.iter_raw(), 1)


async def async_whole(clients: Clients, model: str) -> None:
    """Ask and wait."""
    await clients.tasks.chat.completions.create(**asked(model, is_stream=False))


async def async_raw(clients: Clients, model: str) -> None:
    """Ask for a response that streams, and read it."""
    options = asked(model, is_stream=False)
    async with clients.tasks.chat.completions.with_streaming_response.create(**options) as response:
        await response.parse()


async def async_read(clients: Clients, model: str) -> None:
    """Read a stream to its end."""
    async for _ in await clients.tasks.chat.completions.create(**asked(model, is_stream=True)):
        pass


async def async_closed(clients: Clients, model: str) -> None:
    """Close a stream early."""
    async with await clients.tasks.chat.completions.create(
        **asked(model, is_stream=True)
    ) as stream:
        await atake(stream, 2)


async def async_dropped(clients: Clients, model: str) -> None:
    """Forget a stream."""
    await atake(await clients.tasks.chat.completions.create(**asked(model, is_stream=True)), 1)


async def async_wire(clients: Clients, model: str) -> None:
    """Ask by hand."""
    await clients.http_tasks.post(clients.url, json=asked(model, is_stream=False))


async def async_wire_read(clients: Clients, model: str) -> None:
    """Read a stream by hand."""
    body = asked(model, is_stream=True)
    async with clients.http_tasks.stream("POST", clients.url, json=body) as response:
        async for _ in response.aiter_raw():
            pass


SYNC: Final[Sequence[Callable[[Clients, str], None]]] = (
    sync_whole, sync_raw, sync_read, sync_closed, sync_dropped, sync_wire, sync_wire_closed,
)  # fmt: skip
ASYNC: Final[Sequence[Callable[[Clients, str], Awaitable[None]]]] = (
    async_whole, async_raw, async_read, async_closed, async_dropped, async_wire, async_wire_read,
)  # fmt: skip


async def one_call(clients: Clients, chance: random.Random) -> str:
    """Make a random call in a random manner; return how it ended."""
    model = chance.choice(MODELS)
    manner = chance.choice(("thread", "task", "asyncio", "anyio"))
    delay_s = chance.uniform(0, MAX_DELAY_S)
    try:
        if manner == "thread":
            await asyncio.to_thread(chance.choice(SYNC), clients, model)
            return "answered"
        call = chance.choice(ASYNC)(clients, model)
        if manner == "task":
            await call
        elif manner == "asyncio":
            task = asyncio.ensure_future(call)
            asyncio.get_running_loop().call_later(delay_s, task.cancel)
            await task
        else:
            with anyio.fail_after(delay_s):
                await call
    except (TimeoutError, asyncio.CancelledError):
        return "cancelled"
    except (openai.OpenAIError, HTTP.HTTPError):
        return "failed"
    return "answered"


async def run(figures: Figures, base_url: str, chance: random.Random) -> None:
    """Make all calls and note what is left."""
    made = 0
    while made < figures.calls:
        count = min(CALLS_PER_CLIENT, figures.calls - made)
        async with connected(base_url) as clients:
            for start in range(0, count, AT_ONCE):
                some = range(min(AT_ONCE, count - start))
                ended = await asyncio.gather(*[one_call(clients, chance) for _ in some])
                figures.outcomes.update(ended)
                figures.rss_mb.append(resident_mb())
        made += count
        gc.collect()
    figures.tasks_left = await tasks_left()


@asynccontextmanager
async def connected(base_url: str) -> AsyncIterator[Clients]:
    """Give fresh clients of all kinds."""
    options: Any = {"api_key": "key", "base_url": base_url, "max_retries": 1, "timeout": 10}
    url = f"{base_url}/chat/completions"
    async with openai.AsyncOpenAI(**options) as tasks, HTTP.AsyncClient() as http_tasks:
        with openai.OpenAI(**options) as sync, HTTP.Client() as http:
            yield Clients(sync, tasks, http, http_tasks, url)


async def tasks_left() -> int:
    """Return how many tasks there are besides this one, once dropped generators are closed."""
    gc.collect()
    for _ in range(200):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return 0
        await asyncio.sleep(0.01)
    return len(others)


def resident_mb() -> float:
    """Return the resident memory of this process, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def respond(request: Request) -> Reply:
    """Answer as the model's name says."""
    usual = streamed(("one", " two", " three")) if request.is_stream else chat()
    answers: dict[str, Reply] = {
        "steady": usual,
        "shaky": error(500) if request.number % 2 else usual,
        "down": error(503),
        "refused": error(400),
        "lost": cut(),
        "slow": delayed(usual, MAX_DELAY_S / 2),
    }
    return answers.get(request.model, usual)  # a request may be cancelled before it is sent whole


def serve() -> None:
    """Run the two providers until nobody listens any more."""
    with ScriptedProvider(respond=respond) as primary, ScriptedProvider() as backup:
        sys.stdout.write(f"{primary.base_url} {backup.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def providers() -> Iterator[tuple[str, str]]:
    """Give the addresses of the two providers, which run in a process of their own."""
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with server:
        assert server.stdout is not None
        primary, backup = server.stdout.readline().split()
        yield primary, backup
        server.communicate()


class _Faults(logging.Handler):
    def __init__(self, figures: Figures) -> None:
        super().__init__(logging.WARNING)
        self._figures = figures

    def emit(self, record: logging.LogRecord) -> None:
        self._figures.faults.append(record.getMessage())


def watch(figures: Figures, primary: str, backup: str) -> None:
    """Switch Goldseam on, with recovery."""
    logging.getLogger("goldseam").addHandler(_Faults(figures))
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(figures.spans)
    names = {"primary": primary, "backup": backup}
    instrument(
        tracer_provider=tracer_provider,
        meter_provider=MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False),
        recovery=RecoveryConfig(
            mode="on",
            policy=Policy(backoff_caps_s=(0.01,), fallback=("backup",)),
            providers={name: Provider(name=name, base_url=url) for name, url in names.items()},
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the figures, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bare", action="store_true", help="without Goldseam")
    parser.add_argument("--no-memory", action="store_true", help="too few calls to judge memory")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve()
        return 0
    figures = Figures(options.calls, SpanCounter())
    sys.unraisablehook = lambda unraisable: figures.unraisable.append(repr(unraisable.exc_value))
    with providers() as (primary, backup):
        if not options.bare:
            watch(figures, primary, backup)
        asyncio.run(run(figures, primary, random.Random(options.seed)))  # noqa: S311 - no secret
        with contextlib.suppress(Exception):
            uninstrument()
    broken = figures.broken_promises(with_memory=not options.no_memory)
    sys.stdout.write(f"{figures.text()}\n")
    sys.stdout.writelines(f"BROKEN: {each}\n" for each in broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
