"""The wire: every request that goes through `httpx` or `httpx2`, whoever sends it.

`_patch` puts a `Wire` over the `send` method of both libraries' clients, which all transports,
mounts and proxies lie behind. A request of a call that is watched already only adds its facts to
that call. A POST to a known AI path that nobody watches becomes a call of its own, seen but never
mended: this covers clients without the shared base class and hand-written code. Everything else
passes at the cost of a look-up. What the caller sends and gets is not consumed and not changed.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.context import Context, get_current

from goldseam.instrumentation._attempts import Attempts, attempts_in
from goldseam.instrumentation._context import without_own_entries
from goldseam.instrumentation._current import Current
from goldseam.instrumentation._endpoint import Endpoint, Endpoints
from goldseam.instrumentation._formats import Body
from goldseam.instrumentation._formats._paths import WirePath, is_request, wire_path
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._others import is_told_by_others
from goldseam.instrumentation._settings import Settings
from goldseam.instrumentation._streams import end_collected
from goldseam.instrumentation._suppressed import is_http_suppressed
from goldseam.instrumentation._telemetry import Telemetry
from goldseam.instrumentation._wire_answer import AnswerEnd, follow_stream
from goldseam.instrumentation._wire_body import MAX_BODY_BYTES

_ORDINARY_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host",
     "transfer-encoding", "user-agent"}
)  # fmt: skip
"""Their values are nobody's secret, and a message may well name them."""

_Args = tuple[Any, ...]
_Kwargs = Mapping[str, Any]


class Wire:
    """Watches the requests of both HTTP libraries; one per `instrument()`."""

    def __init__(self, telemetry: Telemetry, settings: Settings) -> None:
        self.is_active = True
        self._telemetry = telemetry
        self._endpoints = Endpoints(settings.providers)

    def send(self, wrapped: Callable[..., Any], _client: Any, args: _Args, kwargs: _Kwargs) -> Any:
        """Stand in for `Client.send`."""
        watch = self._watch(args, kwargs)
        if watch is None:
            return wrapped(*args, **kwargs)
        return watch.send(wrapped, args, kwargs)

    def async_send(
        self, wrapped: Callable[..., Any], _client: Any, args: _Args, kwargs: _Kwargs
    ) -> Any:
        """Stand in for `AsyncClient.send`."""
        watch = self._watch(args, kwargs)
        if watch is None:
            return wrapped(*args, **kwargs)
        return watch.asend(wrapped, args, kwargs)

    @fenced
    def _watch(self, args: _Args, kwargs: _Kwargs) -> "Attempts | _WireCall | None":
        """Return what watches a request, None for one that is none of our business."""
        request = args[0] if args else kwargs["request"]
        if request.method != "POST" or not self.is_active:
            return None
        target, context = request.url.raw_path, get_current()
        attempts = attempts_in(context)
        if attempts is not None:
            if not attempts.expects(target):
                return None
            _clean_baggage(request)
            return attempts
        path = wire_path(target)
        if path is None or _is_unwanted(context):
            return None
        return self._begin(request, path)

    def _begin(self, request: Any, path: WirePath) -> "_WireCall | None":
        end_collected()
        url = request.url
        place = f"{url.scheme}://{url.netloc.decode()}{url.path}"
        endpoint = self._endpoints.of_url(place, getattr(path.format, "provider", "openai"))
        body = _body_of(request, path)
        if not is_request(body, is_known_host=endpoint.is_known):
            return None
        _clean_baggage(request)
        return _WireCall(self._telemetry, path, endpoint, body, request)


class _WireCall:
    """A call that only the wire sees."""

    __slots__ = ("_invocation",)

    def __init__(
        self, telemetry: Telemetry, path: WirePath, endpoint: Endpoint, body: Body, request: Any
    ) -> None:
        self._invocation = Invocation(
            telemetry, path.format, endpoint, body, secrets=lambda: _private_texts(request)
        )

    def send(self, wrapped: Callable[..., Any], args: _Args, kwargs: _Kwargs) -> Any:
        """Send the request and follow its answer."""
        invocation = self._invocation
        try:
            with Current(invocation.context):
                response = invocation.attempts.send(wrapped, args, kwargs)
        except BaseException as error:
            self._failed(error)
            raise
        self._answered(response)
        return response

    async def asend(self, wrapped: Callable[..., Any], args: _Args, kwargs: _Kwargs) -> Any:
        """Send the request and follow its answer: `send` for tasks."""
        invocation = self._invocation
        try:
            with Current(invocation.context):
                response = await invocation.attempts.asend(wrapped, args, kwargs)
        except BaseException as error:
            self._failed(error)
            raise
        self._answered(response)
        return response

    @fenced
    def _failed(self, error: BaseException) -> None:
        self._invocation.fail(error)

    def _answered(self, response: Any) -> None:
        try:
            self._follow(response)
        except Exception as error:  # noqa: BLE001 - the fence; the response is the caller's
            report("_WireCall._answered", error)
            self._unread()

    def _follow(self, response: Any) -> None:
        end = AnswerEnd(self._invocation, response)
        if response.is_closed:
            end.whole(response.content)
        else:
            follow_stream(response, end)

    @fenced
    def _unread(self) -> None:
        self._invocation.stop_with(None)


def _is_unwanted(context: Context) -> bool:
    """Tell whether somebody else makes the span of this call, or wants none."""
    return is_http_suppressed(context) or is_told_by_others(context)


def _body_of(request: Any, path: WirePath) -> Body:
    """Return the request's JSON body if it is in memory; a stream is not touched."""
    body = None
    with contextlib.suppress(Exception):  # the library raises where the body is a stream
        content = request.content
        if len(content) <= MAX_BODY_BYTES:
            body = json.loads(content)
    return path.complete(body if isinstance(body, dict) else {})


def _clean_baggage(request: Any) -> None:
    """Take our own entries out of the request's `baggage` header: they are not the provider's."""
    headers = request.headers
    if "baggage" not in headers:
        return
    kept = without_own_entries(headers["baggage"])
    if kept:
        request.headers["baggage"] = kept
    else:
        del request.headers["baggage"]


def _private_texts(request: Any) -> Iterator[str]:
    yield from request.url.params.values()
    for name, value in request.headers.items():
        if name.lower() not in _ORDINARY_HEADERS:
            yield value
            yield value.removeprefix("Bearer ")
