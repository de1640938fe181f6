"""What a body brought is freed with its answer, not when the garbage collector comes round."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from goldseam.collector.answers import PROTOBUF
from goldseam.collector.ingest import Ingest
from goldseam.collector.keeper import Keeper
from goldseam.collector.mapping import map_spans
from goldseam.collector.metrics import create_metrics
from goldseam.collector.queue import IngestQueue, Stored
from goldseam.collector.spans import Span
from goldseam.collector.spool import Raw

CHAT = Span(
    trace_id="a" * 32,
    span_id="b" * 16,
    start_ns=1_790_000_000_000_000_000,
    end_ns=1_790_000_000_000_000_001,
    attributes={"gen_ai.operation.name": "chat"},
)


@pytest.fixture(autouse=True)
def _no_garbage_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_an_answered_body_is_freed_at_once() -> None:
    """Nothing refers to a submission once its sender has the answer, itself included."""
    metrics = create_metrics()
    queue = IngestQueue(max_bytes=1_000)
    keeper = Keeper(queue, None, ack_timeout_s=60, metrics=metrics)
    ingest = Ingest(queue=queue, keeper=keeper, metrics=metrics)

    accepted = ingest.submit(Raw(b"body", PROTOBUF, ""), map_spans([CHAT]))
    (waiting,) = queue.take(10)
    waiting.done.set_result(Stored())
    held_by_the_submission = weakref.ref(accepted)
    assert accepted.done()
    del accepted, waiting

    assert held_by_the_submission() is None
