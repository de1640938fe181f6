"""Makes an OpenTelemetry context current while a request is on its way; for `_sdk` and `_wire`."""

from types import TracebackType

from opentelemetry.context import Context, attach, detach

from goldseam.instrumentation._guard import fenced


class Current:
    """Makes a context current; leaving it is quiet where Python leaves it in another context."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = _attach(self._context)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A coroutine that is thrown away ends in any context, and then there is nothing to detach.
        if exc_type is not GeneratorExit and self._token is not None:
            detach(self._token)


_attach = fenced(attach)
