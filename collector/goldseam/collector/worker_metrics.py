"""Workers that share a port tell the metrics of all, whichever of them is asked.

`app` opens `telling` for a worker and answers `/metrics` with `gathered`. Each worker has a socket
in a common folder on which it says its own metrics to whoever connects; the one that Prometheus
reached asks all of them and tells them apart by the label `worker`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LABEL: Final = "worker"
ASK_TIMEOUT_S: Final = 2.0
"""A worker that does not answer is left out; Prometheus waits 10 s."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes that share a port.

    Attributes:
        number: From 0; a process that replaces another has its number.
        folder: Where the sockets of all are; short, a socket's path may have 100 characters.
    """

    number: int
    folder: Path


@asynccontextmanager
async def telling(worker: Worker, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Say the metrics of `registry` to the other workers while the block runs."""

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(generate_latest(registry))  # type: ignore[no-untyped-call] # its own
        writer.close()
        await writer.wait_closed()

    path = worker.folder / str(worker.number)
    path.unlink(missing_ok=True)  # a killed worker of this number left it
    server = await asyncio.start_unix_server(tell, path)
    try:
        yield
    finally:
        server.close()


async def gathered(worker: Worker) -> CollectorRegistry:
    """Return the metrics of all workers that answer, each under its number."""
    told = {path.name: await _ask(path) for path in sorted(worker.folder.iterdir())}
    registry = CollectorRegistry()
    registry.register(_Told(_labelled(told)))
    return registry


async def _ask(path: Path) -> str:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            text = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return "# EOF\n"
    return text.decode()


def _labelled(told: dict[str, str]) -> list[Metric]:
    families: dict[str, Metric] = {}
    for number, text in told.items():
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call] # its own
            joined = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                joined.samples.append(sample._replace(labels=sample.labels | {LABEL: number}))
    return list(families.values())


class _Told(Collector):
    """Metrics that were gathered already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Give them to an exposition."""
        return self._families
