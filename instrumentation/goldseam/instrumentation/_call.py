"""One SDK call from the request to its answer: sent as the application made it, told at its end.

`_sdk` makes a `Call` of every request that nobody mends, and `_mending` makes one that can do more.
The application's request is sent exactly once from here, whatever happens to our own part.
"""

from typing import Any, TypeVar

from goldseam.instrumentation._current import Current
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._raw import follow_raw, is_raw
from goldseam.instrumentation._request import SentRequest
from goldseam.instrumentation._streams import follow
from goldseam.instrumentation._verdict import fault_of, is_plainly_good

_T = TypeVar("_T")


class Call:
    """One watched call. But for `send` and `asend`, none of its methods raises."""

    __slots__ = ("_args", "_invocation", "_kwargs", "_request")

    def __init__(self, invocation: Invocation, request: SentRequest) -> None:
        self._invocation = invocation
        self._request = request
        self._args, self._kwargs = request.arguments

    def send(self) -> Any:
        """Send the request and return the SDK's answer."""
        try:
            with Current(self._invocation.context):
                response = self._request.wrapped(*self._args, **self._kwargs)
        except BaseException as error:
            self.failed(error)
            raise
        return self.answered(response)

    async def asend(self) -> Any:
        """Send the request and return the SDK's answer: `send` for tasks."""
        try:
            with Current(self._invocation.context):
                response = await self._request.wrapped(*self._args, **self._kwargs)
        except BaseException as error:
            self.failed(error)
            raise
        return self.answered(response)

    @fenced
    def failed(self, error: BaseException) -> None:
        """End with the exception that the application is about to see."""
        self._invocation.fail(error)

    def answered(self, response: _T) -> _T:
        """End with an answer, or when it has been read; return the answer itself."""
        try:
            self._follow(response)
        except Exception as error:  # noqa: BLE001 - the fence
            report("Call.answered", error)
            self._unread()
        return response

    def _follow(self, response: Any) -> None:
        if is_raw(response):
            follow_raw(response, self._invocation, stream=self._request.is_stream)
        elif self._request.is_stream and hasattr(response, "_iterator"):
            follow(response, self._invocation)
        else:
            self._read(response)

    def _read(self, response: Any) -> None:
        """End with a whole answer, which may be none."""
        answer = self._invocation.read(response)
        fault = None if is_plainly_good(answer) else self._fault_in(response)
        if fault is None:
            self._invocation.stop_with(answer)
        else:
            self._invocation.fail(fault, answer=answer)

    @fenced
    def _fault_in(self, response: Any) -> Exception | None:
        return fault_of(response, self._invocation.format)

    @fenced
    def _unread(self) -> None:
        self._invocation.stop_with(None)
