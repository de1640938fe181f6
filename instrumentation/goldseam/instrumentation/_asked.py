"""What a call asks for: the prompt's facts, and the texts that telemetry may not repeat.

`_invocation` makes an `Asked` of each request body. The body is read, never changed, and let go
when the call has ended.
"""

from collections.abc import Callable, Iterable, Iterator

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation._formats import Body, Format
from goldseam.instrumentation._privacy import canonical_text, sha256, texts_in
from goldseam.instrumentation._truncation import is_truncated
from goldseam.semconv import attributes as names


class Asked:
    """The request of one call."""

    __slots__ = ("_format", "_prompt_length", "_secrets", "body")

    def __init__(
        self, format_: Format, body: Body, secrets: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """Keep the body.

        Args:
            format_: How to read it.
            body: The request's JSON body.
            secrets: Gives texts beside the body that no error message may repeat.
        """
        self.body = body
        self._format = format_
        self._secrets = secrets
        self._prompt_length = 0

    def facts(self, *, hashed: bool) -> dict[str, AttributeValue]:
        """Return the length of the prompt, and its hash if that may be told."""
        prompt = self._prompt_of(self.body)
        if prompt is None:
            return {}
        self._prompt_length = len(prompt)
        facts: dict[str, AttributeValue] = {names.PROMPT_LENGTH: self._prompt_length}
        if hashed:
            facts[names.PROMPT_SHA256] = sha256(prompt)
        return facts

    def hash_of(self, body: Body) -> str | None:
        """Return the hash of another body's prompt, None without one."""
        prompt = self._prompt_of(body)
        return None if prompt is None else sha256(prompt)

    def texts(self) -> Iterator[str]:
        """Yield every text of the request that telemetry may not repeat."""
        yield from texts_in(self.body)
        yield from self._secrets()

    def is_cut(self, input_tokens: int) -> bool:
        """Tell whether the provider read less of the prompt than there is of it."""
        parts = self._format.prompt_parts(self.body)
        return is_truncated(self._prompt_length, input_tokens, parts)

    def forget(self) -> None:
        """Let go of what the application owns."""
        self.body, self._secrets = {}, tuple

    def _prompt_of(self, body: Body) -> str | None:
        parts = list(self._format.prompt_parts(body))
        return canonical_text(parts) if parts else None
