"""Cuts content to a size without breaking its JSON. Pure; called once per span attribute.

Long texts are cut first, all to the same length, so that a long document does not push the
question out. Where that is not enough, messages are left out from the middle: the first ones say
what the model is to be, the last ones what it is asked.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

MIN_TEXT_CHARS: Final = 64
"""Texts are not cut any shorter; messages are left out instead."""

LEFT_OUT: Final = "goldseam.left_out"
"""Type of the part that stands where others were left out."""

_COMMA_BYTES: Final = 1
_MARK_BYTES: Final = 96
"""What the mark and the brackets around it take at most."""


def limited(content: Sequence[Any], max_bytes: int) -> str | None:
    """Return content as JSON text of at most `max_bytes` in UTF-8; None where nothing fits."""
    shown = _json(content)
    if _size(shown) <= max_bytes:
        return shown
    chars = max_bytes // 2
    while chars >= MIN_TEXT_CHARS:
        shortened = _shortened(content, chars)
        shown = _json(shortened)
        if _size(shown) <= max_bytes:
            return shown
        chars //= 2
    shown = _json(_thinned(_shortened(content, MIN_TEXT_CHARS), max_bytes))
    return shown if _size(shown) <= max_bytes else None


def left_out(count: int) -> str:
    """Return the mark that stands for that many characters."""
    return f"…[{count} characters left out]"


def _shortened(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= chars else value[:chars] + left_out(len(value) - chars)
    if isinstance(value, Mapping):
        return {key: _shortened_field(key, inner, chars) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shortened(inner, chars) for inner in value]
    return value


def _shortened_field(key: str, value: Any, chars: int) -> Any:
    """Cut free-form values, such as a tool's arguments, as the text that they are in JSON."""
    if key != "parts" and isinstance(value, (Mapping, list)):
        shown = _json(value)
        return value if len(shown) <= chars else _shortened(shown, chars)
    return _shortened(value, chars)


def _thinned(values: Sequence[Any], max_bytes: int) -> list[Any]:
    """Leave items out from the middle until the rest fits; of a long message, its parts."""
    room = max_bytes - _MARK_BYTES
    head: list[Any] = []
    tail: list[Any] = []
    first, last = 0, len(values) - 1
    while first <= last:
        at_end = len(tail) <= len(head)
        value = _fitting(values[last if at_end else first], max_bytes // 2)
        size = _size(_json(value)) + _COMMA_BYTES
        if size > room:
            break
        room -= size
        if at_end:
            tail.append(value)
            last -= 1
        else:
            head.append(value)
            first += 1
    count = last - first + 1
    mark = [_mark(values[first], count)] if count else []
    return [*head, *mark, *reversed(tail)]


def _fitting(value: Any, max_bytes: int) -> Any:
    parts = value.get("parts") if isinstance(value, Mapping) else None
    if not isinstance(parts, list) or _size(_json(value)) <= max_bytes:
        return value
    rest = {**value, "parts": []}
    return {**value, "parts": _thinned(parts, max_bytes - _size(_json(rest)))}


def _mark(value: Any, count: int) -> dict[str, Any]:
    """Return what stands for left out items, in the shape of its neighbours."""
    mark = {"type": LEFT_OUT, "count": count}
    if isinstance(value, Mapping) and "parts" in value:
        return {"role": "user", "parts": [mark]}
    return mark


def _json(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return shown if shown.isascii() else shown.encode(errors="replace").decode()


def _size(shown: str) -> int:
    return len(shown) if shown.isascii() else len(shown.encode())
