"""Hash and length of prompts and answers that a sender chose to include.

The text is measured and forgotten: no table ever holds it. The application side hashes the same
text in the same way, so both sides agree.
"""

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import Final

from goldseam.collector.spans import Value, clean

MAX_PARSED: Final = 1_000_000
"""Longer JSON text, in characters, is not parsed: its length is kept, its hash is not."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Length in code points, and SHA-256 in lower-case hex where the text could be read."""

    length: int
    sha256: str | None = None


def measure(messages: Value) -> Measure | None:
    """Measure the text of GenAI messages, given as JSON text or as a list; None without any."""
    if isinstance(messages, str):
        parsed = _parsed(messages)
        if parsed is None:
            return Measure(len(messages)) if messages else None
        messages = parsed
    if not isinstance(messages, list):
        return None
    text = clean("\n".join(_texts(messages)))
    digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()
    return Measure(len(text), digest)


def _parsed(text: str) -> list[Value] | None:
    if len(text) > MAX_PARSED:
        return None
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return messages if isinstance(messages, list) else None


def _texts(messages: list[Value]) -> list[str]:
    """Collect the text parts in order, without roles, tool calls and media."""
    texts: list[str] = []
    for message in messages:
        if not isinstance(message, dict):
            continue
        parts = message.get("parts", message.get("content"))
        if isinstance(parts, str):
            texts.append(parts)
        elif isinstance(parts, list):
            texts += [text for part in parts if (text := _part_text(part)) is not None]
    return texts


def _part_text(part: Value) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") != "text":
        return None
    text = part.get("content", part.get("text"))
    return text if isinstance(text, str) else None
