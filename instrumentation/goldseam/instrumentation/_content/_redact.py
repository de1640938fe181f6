"""The application's own redaction of content: a callable that gets each text and returns another.

`_settings` loads it, `_content` applies it before anything is cut or reaches a span. It fails
closed: where the hook cannot be loaded nothing is captured, where it raises or returns no text
that content is left out, and both are logged.
"""

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from opentelemetry.instrumentation.utils import suppress_instrumentation

Redact: TypeAlias = Callable[[str], str]
"""Gets one text of a prompt, an answer, a tool's arguments; returns what may be told of it."""

_log = logging.getLogger("goldseam.instrumentation")

_OWN_WORDS: Final = frozenset({"type", "role", "modality", "mime_type", "finish_reason"})
"""Fields of the conventions whose values are no content."""

_FREE: Final = frozenset(
    {"arguments", "response", "parameters", "server_tool_call", "server_tool_call_response"}
)
"""Fields that hold anything; their keys may be content, too."""


class RedactError(ValueError):
    """A redaction hook cannot be found; the message says what is wrong."""


def loaded(path: str) -> Redact:
    """Return the callable that `module:function` names.

    Raises:
        RedactError: There is no such callable, or its module does not load.
    """
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise RedactError(
            f"{path!r} cannot be loaded ({type(error).__name__}); "
            "name a function as module:function"
        ) from error
    if not callable(found):
        raise RedactError(f"{path!r} is no function; name one as module:function")
    return found  # type: ignore[no-any-return] # what it returns is checked at each use


class Redaction:
    """Applies a hook to content; logs its first failure."""

    def __init__(self, hook: Redact) -> None:
        self._hook = hook
        self._has_failed = False

    def applied(self, content: Sequence[Any]) -> list[Any] | None:
        """Return the content with every text redacted, None where the hook failed."""
        try:
            with suppress_instrumentation():  # a hook that asks a model must not be captured itself
                return [self._redacted(each, is_free=False) for each in content]
        except Exception as error:  # noqa: BLE001 - the hook is the application's and may raise anything
            self._failed(error)
            return None

    def _redacted(self, value: Any, *, is_free: bool) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {
                (self._text(key) if is_free else key): (
                    inner
                    if not is_free and key in _OWN_WORDS
                    else self._redacted(inner, is_free=is_free or key in _FREE)
                )
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._redacted(inner, is_free=is_free) for inner in value]
        return value

    def _text(self, text: str) -> str:
        told = self._hook(text)
        if not isinstance(told, str):
            raise TypeError("a redaction hook must return a text")
        return told

    def _failed(self, error: Exception) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        _log.error(
            "Goldseam: the redaction hook failed (%s), so content is left out. "
            "Further failures are not logged.",
            type(error).__name__,
        )
