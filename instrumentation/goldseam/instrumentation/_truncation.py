"""Tells whether a provider silently dropped a part of the prompt before it answered.

Servers with a small context window do: status 200, a confident answer, fewer input tokens than the
prompt can have. Called by `_invocation` at the end of a recorded call; pure.
"""

from collections.abc import Iterable
from typing import Final

MIN_PROMPT_CHARS: Final = 2_000
"""Of shorter prompts nothing is dropped that would not show."""

SUSPICIOUS_CHARS_PER_TOKEN: Final = 6.5
"""Ordinary text has about four; only above this the words are counted."""


def is_truncated(prompt_chars: int, input_tokens: int, parts: Iterable[str]) -> bool:
    """Tell whether fewer tokens were read than the prompt has words.

    Every word between blanks takes a token at least, so this is never said of a prompt that was
    read in full. Text without blanks is given the benefit of the doubt.

    Args:
        prompt_chars: Length of the prompt's text.
        input_tokens: What the provider says it read.
        parts: The prompt's texts; looked at only where the first two are suspicious.
    """
    if prompt_chars < MIN_PROMPT_CHARS:
        return False
    if prompt_chars < input_tokens * SUSPICIOUS_CHARS_PER_TOKEN:
        return False
    return sum(len(part.split()) for part in parts) > input_tokens
