"""What the wire saw of one call: each request that went out, and how it ended.

Every invocation carries an `Attempts` in its OpenTelemetry context; `_wire` finds it there while
the SDK or the application's client is at work. So the SDK's own repeats become visible: at the end
`_invocation` puts count, status, request id and rate limits onto the span, and one event per
request where there was more than one. Nothing here keeps a response alive.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context, create_key, set_value
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._fault import class_name
from goldseam.instrumentation._guard import fenced
from goldseam.semconv import attributes as names

_KEY: Final = create_key("goldseam-attempts")
_Args = tuple[Any, ...]
_Kwargs = Mapping[str, Any]

_FIRST_FAILURE: Final = 400
_NS_PER_S: Final = 1_000_000_000

MAX_SHOWN: Final = 32
"""A client may repeat without end; the count goes on, the events stop here."""

MAX_HEADER_CHARS: Final = 128
"""Ids and limits are short."""

REQUEST_ID_HEADERS: Final = frozenset(
    {b"x-request-id", b"request-id", b"apim-request-id", b"x-goog-request-id"}
)
"""Where providers put the id that their support asks for."""

_LIMIT_HEADERS: Final = (b"retry-after", b"x-ratelimit-", b"anthropic-ratelimit-", b"ratelimit")
"""How the names of headers about limits begin."""


class Sent(NamedTuple):
    """One request that went out.

    Attributes:
        started_ns: When it was sent, nanoseconds since the epoch.
        ended_ns: When its answer was there, or the failure.
        http_status: Status of the answer, None without one.
        error_type: Value of `error.type`, None for an answer that is no error.
        headers: The answer's headers as the HTTP library holds them.
    """

    started_ns: int
    ended_ns: int
    http_status: int | None
    error_type: str | None
    headers: Any

    def attributes(self) -> dict[str, AttributeValue]:
        """Return status and request id, and where it failed what the provider said of limits."""
        attributes = self.status()
        for key, value in getattr(self.headers, "raw", ()):
            name = key.lower()
            if name in REQUEST_ID_HEADERS or (
                self.error_type is not None and name.startswith(_LIMIT_HEADERS)
            ):
                attributes[_names.response_header(_text(name))] = [_text(value)]
        return attributes

    def status(self) -> dict[str, AttributeValue]:
        """Return the status alone, where there is one."""
        if self.http_status is None:
            return {}
        return {_names.HTTP_RESPONSE_STATUS_CODE: self.http_status}


class Attempts:
    """The requests of one invocation, in order."""

    __slots__ = ("_path", "_sending", "count", "last", "seen")

    def __init__(self, path: str) -> None:
        """Start with none.

        Args:
            path: End of the path that the requests of this call go to. Others, such as one for a
                token, may be sent on the way and are not attempts.
        """
        self._path = path.encode()
        self._sending = False
        self.count = 0
        self.last: Sent | None = None
        self.seen: list[Sent] = []

    def within(self, context: Context) -> Context:
        """Return the context in which `_wire` finds these attempts."""
        return set_value(_KEY, self, context)

    def expects(self, path: bytes) -> bool:
        """Tell whether a request to `path` is one of this call, and not inside another of it."""
        return not self._sending and self._path in path

    def send(self, wrapped: Callable[..., Any], args: _Args, kwargs: _Kwargs) -> Any:
        """Send one request and note how it ended."""
        self._sending = True
        self.count += 1
        started_ns = time.time_ns()
        try:
            response = wrapped(*args, **kwargs)
        except BaseException as error:
            self._failed(started_ns, error)
            raise
        self._answered(started_ns, response)
        return response

    async def asend(
        self, wrapped: Callable[..., Awaitable[Any]], args: _Args, kwargs: _Kwargs
    ) -> Any:
        """Send one request and note how it ended: `send` for tasks."""
        self._sending = True
        self.count += 1
        started_ns = time.time_ns()
        try:
            response = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._failed(started_ns, error)
            raise
        self._answered(started_ns, response)
        return response

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the span attributes of the last request.

        Where nothing failed, nobody asks for the provider's id, and reading headers costs.
        """
        last = self.last
        if last is None:
            return {}
        went_well = self.count == 1 and last.error_type is None
        return last.status() if went_well else last.attributes()

    def earlier(self) -> list[Sent]:
        """Return the requests before the last one."""
        return self.seen[: self.count - 1]

    def show(self, span: Span) -> None:
        """Add an event per request, if there was more than one."""
        if self.count < 2:  # noqa: PLR2004 - the first is told by the span itself
            return
        before_ns = None
        for number, sent in enumerate(self.seen, 1):
            event: dict[str, AttributeValue] = {
                names.ATTEMPT_NUMBER: number,
                names.ATTEMPT_DURATION: (sent.ended_ns - sent.started_ns) / _NS_PER_S,
                **sent.attributes(),
            }
            if before_ns is not None:
                event[names.ATTEMPT_DELAY] = (sent.started_ns - before_ns) / _NS_PER_S
            if sent.error_type is not None:
                event[_names.ERROR_TYPE] = sent.error_type
            span.add_event(names.EVENT_ATTEMPT, event, sent.ended_ns)
            before_ns = sent.ended_ns

    @fenced
    def _answered(self, started_ns: int, response: Any) -> None:
        status = response.status_code
        error_type = str(status) if status >= _FIRST_FAILURE else None
        self._note(Sent(started_ns, time.time_ns(), status, error_type, response.headers))

    @fenced
    def _failed(self, started_ns: int, error: BaseException) -> None:
        self._note(Sent(started_ns, time.time_ns(), None, class_name(type(error)), None))

    def _note(self, sent: Sent) -> None:
        self._sending = False
        self.last = sent
        if len(self.seen) < MAX_SHOWN:
            self.seen.append(sent)


def attempts_in(context: Context) -> Attempts | None:
    """Return the attempts of the invocation that is at work in `context`."""
    return context.get(_KEY)  # type: ignore[return-value] # only `within` sets it


def sdk_retries(holder: Any) -> int | None:
    """Return how often the SDK repeated a request by itself, None where it does not tell.

    Args:
        holder: An exception or an HTTP response; both know the last request they belong to.
    """
    try:
        value = holder.request.headers.get("x-stainless-retry-count")
        return int(value) if value is not None else None
    except Exception:  # noqa: BLE001 - many exceptions have no request, and some raise when asked
        return None


def _text(value: bytes) -> str:
    return value[:MAX_HEADER_CHARS].decode("ascii", "replace")
