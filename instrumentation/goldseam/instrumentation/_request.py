"""One SDK request as it can be sent: first as the application made it, then again or elsewhere.

`_sdk` makes a `SentRequest` of the arguments of the SDK's `request` method; `_recovery` sends it
again. The application's own options object is never changed when recovery is on: the SDK writes
into the options it is given, so each sending gets a copy.
"""

import copy
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final

_KEPT_HEADERS: Final = frozenset(
    {"x-stainless-raw-response", "____stainless_override_cast_to", "anthropic-beta"}
)
"""Headers by which the SDK tells itself what to return, or the API what the body means; all others
stay with their provider."""

_BETA: Final = "?beta=true"
"""What Anthropic's SDK appends to the path of a call through `beta`."""

_PARTS: Final = ("connect", "read", "write", "pool")
"""The four time-outs of an HTTP client."""


class SentRequest:
    """The arguments of one call of the SDK's `request` method."""

    __slots__ = ("_args", "_kwargs", "client", "options", "wrapped")

    def __init__(
        self,
        wrapped: Callable[..., Any],
        client: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.wrapped = wrapped
        self.client = client
        self._args = args
        self._kwargs = kwargs
        self.options = options_of(args, kwargs)

    @property
    def arguments(self) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """The arguments of the application's call, less the SDK's own tracing of it."""
        if self.options.__dict__.get("span_name") is None:
            return self._args, self._kwargs
        return self._arguments(_untraced(copy.copy(self.options)))

    @property
    def is_stream(self) -> bool:
        """Whether the SDK will return a stream."""
        return bool(self._kwargs.get("stream"))

    @property
    def timeout_s(self) -> float | None:
        """How long the application lets the provider be silent; None without a limit."""
        return _seconds(self._timeout())

    @property
    def patience_s(self) -> float | None:
        """How long the SDK's own repeats could take; None without a limit.

        The application set time-out and number of repeats, so it is ready to wait for so long.
        """
        timeout_s = self.timeout_s
        if timeout_s is None:
            return None
        return timeout_s * (1 + int(self.options.get_max_retries(self.client.max_retries)))

    def first(self, timeout_s: float | None) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return the arguments of the original attempt when recovery owns the repeats.

        Args:
            timeout_s: Upper bound of the time-out; None leaves the application's.
        """
        key = self.options.idempotency_key
        if key is None and getattr(self.client, "_idempotency_header", None):
            self.options.idempotency_key = self.client._idempotency_key()  # noqa: SLF001 - the SDK would make it anew for every sending
        return self._arguments(self._copy(timeout_s))

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON body that the provider is sent."""
        return {**(self.options.json_data or {}), **(self.options.extra_json or {})}

    def again(
        self,
        *,
        model: str | None,
        timeout_s: float | None,
        body: Mapping[str, Any] | None = None,
    ) -> Callable[[], Any]:
        """Return what sends once more to the same provider.

        Args:
            model: Another model to ask; None asks the same.
            timeout_s: Upper bound of the time-out; None leaves the application's.
            body: The JSON body to send; None sends the application's.
        """
        args, kwargs = self._arguments(self._with_model(self._copy(timeout_s, body), model))
        return partial(self.wrapped, *args, **kwargs)

    def elsewhere(
        self,
        client: Any,
        *,
        path: str,
        model: str | None,
        timeout_s: float | None,
        body: Mapping[str, Any] | None = None,
    ) -> Callable[[], Any]:
        """Return what sends once more, to another provider.

        Args:
            client: The SDK client of that provider.
            path: The path there.
            model: The model to ask there; None asks the same.
            timeout_s: Upper bound of the time-out; None leaves the application's.
            body: The JSON body to send; None sends the application's.
        """
        options = self._with_model(self._copy(timeout_s, body), model)
        options.url = path + _BETA if options.url.endswith(_BETA) else path
        options.params = {}
        if isinstance(options.headers, Mapping):
            options.headers = {
                name: value
                for name, value in options.headers.items()
                if name.lower() in _KEPT_HEADERS
            }
        args, kwargs = self._arguments(options)
        return partial(client.request, *args, **kwargs)

    def answer_of(self, body: Mapping[str, Any]) -> Any:
        """Return what the SDK makes of an answer's JSON body, as if it had just come.

        A coroutine where the application's client is asynchronous.
        """
        options = self._copy(None)
        cast_to = self._args[0] if self._args else self._kwargs["cast_to"]
        cast_to = self.client._maybe_override_cast_to(cast_to, options)  # noqa: SLF001 - as the SDK does
        http = _http_module(self.client)
        given = options.headers if isinstance(options.headers, Mapping) else {}
        marks = {name: value for name, value in given.items() if name.lower() in _KEPT_HEADERS}
        response = http.Response(
            200,
            headers={"content-type": "application/json"},
            content=json.dumps(body).encode(),
            request=http.Request("POST", self.client.base_url, headers=marks),
        )
        return self.client._process_response(  # noqa: SLF001 - the SDK's own reading of answers
            cast_to=cast_to, options=options, response=response, stream=False, stream_cls=None
        )

    def private_texts(self) -> Iterator[str]:
        """Yield what no message may repeat although it stands outside the body."""
        headers = [self.options.headers, getattr(self.client, "_custom_headers", None)]
        values = (each.values() for each in headers if isinstance(each, Mapping))
        keys = (getattr(self.client, name, None) for name in ("api_key", "auth_token"))
        yield from (text for text in (*keys, *chain(*values)) if isinstance(text, str))

    def _copy(self, timeout_s: float | None, body: Mapping[str, Any] | None = None) -> Any:
        options = _untraced(copy.copy(self.options))
        vars(options)["max_retries"] = 0  # every call comes here, and the model's setter costs
        if body is not None:
            options.json_data, options.extra_json = dict(body), None
        bounded = _bounded(self._timeout(), timeout_s)
        if bounded is not None:
            options.timeout = bounded
        return options

    def _with_model(self, options: Any, model: str | None) -> Any:
        if model is None:
            return options
        options.json_data = {**options.json_data, "model": model}
        if options.extra_json and "model" in options.extra_json:
            options.extra_json = {**options.extra_json, "model": model}
        return options

    def _arguments(self, options: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        if len(self._args) > 1:
            return (self._args[0], options, *self._args[2:]), self._kwargs
        return self._args, {**self._kwargs, "options": options}

    def _timeout(self) -> Any:
        given = self.options.timeout
        is_given = given is None or isinstance(given, (int, float)) or hasattr(given, "read")
        return given if is_given else self.client.timeout


def _http_module(client: Any) -> Any:
    """Return the HTTP library of an SDK client: `httpx` or `httpx2`."""
    classes = type(client._client).__mro__  # noqa: SLF001 - the SDK has no other door
    packages = (cls.__module__.partition(".")[0] for cls in classes)
    return sys.modules[next(name for name in packages if name.startswith("httpx"))]


def options_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the options among the arguments of the SDK's `request` method."""
    return args[1] if len(args) > 1 else kwargs.get("options")


def _untraced(options: Any) -> Any:
    """Take the span's name out of our own options object: Anthropic's SDK then makes no span."""
    if vars(options).get("span_name") is not None:
        options.span_name = None
    return options


def _seconds(timeout: Any) -> float | None:
    seconds = getattr(timeout, "read", timeout)
    return float(seconds) if isinstance(seconds, (int, float)) else None


def _bounded(timeout: Any, limit_s: float | None) -> Any:
    """Return a time-out that keeps to the limit, None where `timeout` does already."""
    seconds = _seconds(timeout)
    if limit_s is None or (seconds is not None and seconds <= limit_s):
        return None
    if not hasattr(timeout, "read"):
        return limit_s
    parts = {part: getattr(timeout, part, None) for part in _PARTS}
    return type(timeout)(
        **{part: limit_s if value is None else min(value, limit_s) for part, value in parts.items()}
    )
