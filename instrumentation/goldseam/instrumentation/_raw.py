"""Follows raw responses: the SDK's `with_raw_response` and `with_streaming_response`.

`_sdk` calls `follow_raw`. Whether, when and how the body is read or parsed stays the caller's
choice; what it holds is looked at once it is there.
"""

import contextlib
import json
from typing import Any, Final

from goldseam.instrumentation import _streams
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Facts are read from a raw body by decoding it once more; larger ones cost too much."""


def is_raw(response: Any) -> bool:
    """Tell whether an SDK call gave a raw response instead of a parsed one."""
    return "http_response" in getattr(response, "__dict__", ())


def follow_raw(response: Any, invocation: Invocation, *, stream: bool) -> None:
    """Follow a raw response until its body has been read, parsed, closed or dropped.

    Args:
        response: The SDK's raw response object.
        invocation: The call that gave it.
        stream: Whether server-sent events were asked for.
    """
    http = response.http_response
    body = _Body(invocation, getattr(response, "retries_taken", None))
    if http.is_closed:
        body.read(http.content, str(http.headers.get("content-type")))
        return
    _streams.notice_close(http, body.closed)
    _streams.when_collected(http, body.closed)
    if stream:
        _notice_parse(response, body)
    else:
        _notice_read(http, body)


class _Body:
    """What is known of a body that the caller reads in its own time."""

    def __init__(self, invocation: Invocation, retries: int | None) -> None:
        self.invocation = invocation
        self.retries = retries
        self.is_busy = False

    @fenced
    def read(self, content: bytes, content_type: str) -> None:
        """End with what a whole body says."""
        self.is_busy = False
        if "json" in content_type and len(content) <= MAX_BODY_BYTES:
            with contextlib.suppress(ValueError):
                self.invocation.stop_with(
                    self.invocation.read(json.loads(content)), retries=self.retries
                )
        self.invocation.stop_with(None, retries=self.retries)

    @fenced
    def failed(self, error: BaseException) -> None:
        """End with the error that reading the body raised."""
        self.invocation.fail(error)

    @fenced
    def closed(self) -> None:
        """End without facts, unless somebody else is about to tell them."""
        if not self.is_busy:
            self.invocation.stop_with(None, retries=self.retries)


def _notice_parse(response: Any, body: _Body) -> None:
    """Follow the stream that `parse` makes; afterwards the method is the SDK's own again."""
    parse = response.parse

    def seen(parsed: Any) -> Any:
        vars(response).pop("parse", None)
        try:
            if hasattr(parsed, "_iterator"):
                body.is_busy = True
                _streams.follow(parsed, body.invocation, retries=body.retries)
        except Exception as error:  # noqa: BLE001 - the fence; the caller gets what was parsed
            report("follow_raw.parse", error)
        return parsed

    async def seen_later(pending: Any) -> Any:
        return seen(await pending)

    def noticed_parse(*args: Any, **kwargs: Any) -> Any:
        parsed = parse(*args, **kwargs)
        return seen_later(parsed) if hasattr(parsed, "__await__") else seen(parsed)

    response.parse = noticed_parse


def _notice_read(http: Any, body: _Body) -> None:
    """Read the facts once the caller has read the body; then the methods are their own again."""
    read, aread = http.read, http.aread
    content_type = str(http.headers.get("content-type"))

    def before_read() -> None:
        body.is_busy = True
        for name in ("read", "aread"):
            vars(http).pop(name, None)

    def noticed_read() -> Any:
        before_read()
        try:
            content = read()
        except BaseException as error:
            body.failed(error)
            raise
        body.read(content, content_type)
        return content

    async def noticed_aread() -> Any:
        before_read()
        try:
            content = await aread()
        except BaseException as error:
            body.failed(error)
            raise
        body.read(content, content_type)
        return content

    http.read, http.aread = noticed_read, noticed_aread
