"""Announces requests that have started, so that calls in flight and calls lost in a crash are seen.

`_invocation` hands over each request span that starts. A daemon thread, started by the first of
them, sends those that are still running a moment later to Goldseam's collector, and to nobody else:
a pending span enters no pipeline of the application. A call's path costs an append to a bounded
queue. A collector that is away costs a warning, and nothing after it; what is still running is
announced when the collector is back.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakMethod

from opentelemetry.trace import Span, SpanContext

from goldseam.instrumentation._guard import fenced
from goldseam.semconv import attributes as names
from goldseam.semconv import log_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

LINGER_S: Final = 0.5
"""A request that ends within this time needs no announcement: its final span says more."""

MAX_WAITING: Final = 2_048
"""Requests that may wait to be announced; the oldest make room for newer ones."""

MIN_PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 30.0
"""Waits after a failed sending: doubled each time, so that a collector is found again soon and one
that stays away is hardly asked."""

CLOSE_S: Final = 1.0
"""A program that ends waits no longer than this for its last announcements."""

Send = Callable[["Sequence[ReadableSpan]"], None]
"""Delivers pending spans or raises."""

_log = logging.getLogger("goldseam.instrumentation")


class Pending:
    """The queue of requests that have started; one per `instrument()` that wants announcements.

    Args:
        send: Delivers a batch; called in a thread of ours.
        linger_s: How long a request may stay unannounced.
    """

    def __init__(self, send: Send, *, linger_s: float = LINGER_S) -> None:
        self._send = send
        self._linger_s = linger_s
        self._has_warned = False
        self._begin()
        if hasattr(os, "register_at_fork"):
            begin = WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: _call(begin))
        atexit.register(self.close)

    def announce(self, span: Span) -> None:
        """Take a request span that has just started and is recorded."""
        if span.get_span_context().trace_flags.sampled:
            self._started.append(span)
            if not self._wake.is_set():
                self._wake.set()
            if self._thread is None:
                self._start()

    @fenced
    def close(self) -> None:
        """Announce what is still running, quickly and without a word, and stop."""
        atexit.unregister(self.close)
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _begin(self) -> None:
        """Start with nothing: at first, and in a forked child, where the thread is not."""
        self._started: deque[Span] = deque(maxlen=MAX_WAITING)
        self._unsent: Sequence[Span] = ()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @fenced
    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closing.is_set():
                thread = threading.Thread(target=self._run, name="goldseam-pending", daemon=True)
                thread.start()
                self._thread = thread

    @fenced
    def _run(self) -> None:
        pause_s = MIN_PAUSE_S
        while not self._closing.is_set():
            if not self._unsent:
                self._wake.wait()
            self._closing.wait(self._linger_s)
            self._wake.clear()
            if self._deliver():
                pause_s = MIN_PAUSE_S
            else:
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def _deliver(self) -> bool:
        """Announce what still runs; tell whether nothing has to be tried again."""
        taken = [self._started.popleft() for _ in range(len(self._started))]
        running = [span for span in (*self._unsent, *taken) if span.is_recording()][-MAX_WAITING:]
        self._unsent = ()
        try:
            if pending := [each for span in running if (each := pending_span(span))]:
                self._send(pending)
        except Exception as error:  # noqa: BLE001 - whatever it is, no call is the worse for it
            self._unsent = running
            self._warn(error)
        return not self._unsent

    def _warn(self, error: Exception) -> None:
        if not self._has_warned and not self._closing.is_set():
            self._has_warned = True
            _log.warning(
                "Goldseam: requests in flight cannot be announced (%s). Check "
                "GOLDSEAM_PENDING_ENDPOINT. Nothing else is affected, and no further failure is "
                "logged.",
                error,
            )


def pending_span(span: Span) -> "ReadableSpan | None":
    """Return the span that announces `span`, a running request; None if it is no SDK's span.

    It has a random id of its own, the request as its parent, the request's start as its start and
    end, and the attributes that the request has so far.
    """
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - in our thread, at need
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - as above

    if not isinstance(span, ReadableSpan) or span.start_time is None:
        return None
    real = span.get_span_context()
    own_id = RandomIdGenerator().generate_span_id()
    return ReadableSpan(
        name=span.name,
        context=SpanContext(real.trace_id, own_id, is_remote=False, trace_flags=real.trace_flags),
        parent=real,
        resource=span.resource,
        attributes={
            **(span.attributes or {}),
            names.SPAN_TYPE: names.SpanType.PENDING.value,
            names.LOG_ID: str(log_id(span.start_time, real.trace_id, real.span_id)),
            names.PENDING_PARENT_ID: f"{span.parent.span_id if span.parent else 0:016x}",
        },
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.start_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _call(method: "WeakMethod[Callable[[], None]]") -> None:
    alive = method()
    if alive is not None:
        alive()
