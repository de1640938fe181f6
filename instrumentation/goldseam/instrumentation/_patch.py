"""Puts the choke point into an SDK's base clients, the wire over HTTP clients, and takes them out.

Called by `_switch` when an SDK is there. What is taken out leaves the SDK's own functions.
"""

import inspect
import logging
from collections.abc import Callable
from typing import Any

import wrapt

from goldseam.instrumentation._sdk import ChokePoint
from goldseam.instrumentation._wire import Wire

_log = logging.getLogger("goldseam.instrumentation")


class _Watched(wrapt.FunctionWrapper):  # type: ignore[type-arg] # not generic in wrapt 1
    """Our wrapper, to be told from other people's."""


def patch(module: Any, choke_point: ChokePoint) -> Callable[[], None]:
    """Put the choke point into an SDK's `_base_client` module; return what takes it out again.

    Stands aside with a warning where somebody else has wrapped the same method.
    """
    undo = [
        _patch_method(getattr(module, class_name), watch)
        for class_name, watch in (
            ("SyncAPIClient", choke_point.request),
            ("AsyncAPIClient", choke_point.async_request),
        )
        if hasattr(module, class_name)
    ]

    def unpatch() -> None:
        for each in undo:
            each()

    return unpatch


def patch_http(module: Any, wire: Wire) -> Callable[[], None]:
    """Put the wire over the clients of an HTTP library; return what takes it off again.

    Others that watch HTTP requests may sit below or above: theirs are spans of another kind.
    """
    undo = [_put_over(module.Client, wire.send), _put_over(module.AsyncClient, wire.async_send)]

    def unpatch() -> None:
        for each in undo:
            each()

    return unpatch


def unwatched(client: Any) -> Callable[..., Any]:
    """Return an SDK client's own `request`, below ours if the SDK is patched."""
    method = inspect.getattr_static(type(client), "request")
    if isinstance(method, _Watched):
        method = method.__wrapped__
    bound: Callable[..., Any] = method.__get__(client)
    return bound


def _put_over(owner: type, watch: Callable[..., Any]) -> Callable[[], None]:
    original = vars(owner)["send"]
    ours = _Watched(original, watch)
    owner.send = ours  # type: ignore[attr-defined] # looked up above

    def unpatch() -> None:
        above = vars(owner).get("send")
        if above is ours:
            owner.send = original  # type: ignore[attr-defined] # as above
            return
        while isinstance(above, wrapt.FunctionWrapper):  # put on later; what is theirs stays
            inner = above.__wrapped__
            if inner is ours or getattr(inner, "_self_parent", None) is ours:
                above.__wrapped__ = original
            above = above.__wrapped__

    return unpatch


def _patch_method(owner: type, watch: Callable[..., Any]) -> Callable[[], None]:
    original = vars(owner)["request"]
    if isinstance(original, _Watched):  # left below somebody's wrapper that is gone by now
        original = original.__wrapped__
    if hasattr(original, "__wrapped__"):
        _log.warning(
            "Goldseam: %s.%s.request is wrapped already, so its calls are seen on the wire only "
            "and never mended. Remove the other instrumentation or uninstrument it first.",
            owner.__module__,
            owner.__qualname__,
        )
        return lambda: None
    ours = _Watched(original, watch)
    owner.request = ours  # type: ignore[attr-defined] # looked up above

    def unpatch() -> None:
        if vars(owner).get("request") is ours:
            owner.request = original  # type: ignore[attr-defined] # as above

    return unpatch
