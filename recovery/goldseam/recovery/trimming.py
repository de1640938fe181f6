"""Shorten the prompt of a request's body: old turns go, then the middle of the longest text.

Pure; called by `simplify` for routes that allow it. Reads chat messages, Anthropic's messages and
the items of OpenAI's responses, and promises of what it returns: it is shorter; system texts, tool
calls with their results and parts that are no text are untouched; of every text that was cut the
first and the last quarter of its message stand, with a visible mark between them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from goldseam.recovery.tokens import estimated_prompt_tokens, estimated_tokens, tokens_in
from goldseam.recovery.values import Body

KEPT_SHARE: Final = 0.25
"""Of a message's beginning, and of its end: there stand the question and the wanted format."""

_SYSTEM: Final = frozenset({"system", "developer"})
_SPOKEN: Final = frozenset({"user", "assistant"})
_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_BREAKS: Final = tuple(
    map(re.compile, (r"\n\s*\n", r"\n", r"(?<=[.!?])\s|(?<=[。！？])", r"\s"))  # noqa: RUF001 - full stops of Chinese
)
"""Where a cut may begin or end, best first: between paragraphs, lines, sentences or words."""

_GAP: Final = _BREAKS[-1]
_MARGIN: Final = 1.1
"""So much more is cut than the average of the text asks for: tokens are spread unevenly."""

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A shorter request.

    Attributes:
        body: What to send.
        chars_before: Characters of the conversation's texts as the application sent them.
        chars_after: The same of `body`.
        tokens_before: About how many tokens the whole prompt took.
        tokens_after: The same of `body`.
    """

    body: Body
    chars_before: int
    chars_after: int
    tokens_before: int
    tokens_after: int

    @property
    def cut_share(self) -> float:
        """The share of the conversation's characters that is gone, 0 to 1."""
        return 1 - self.chars_after / self.chars_before


def trimmed(
    body: Body, *, target_tokens: float, tokens_before: float, floor_chars: int
) -> Trimmed | None:
    """Return the request with a prompt of `target_tokens` at most, None where that cannot be.

    Args:
        body: The request as the application made it.
        target_tokens: How many tokens the prompt may take.
        tokens_before: How many it takes, as the provider or an estimate says.
        floor_chars: Fewer characters than this are never left of the conversation.
    """
    name, items = _conversation(body)
    estimated = estimated_prompt_tokens(body)
    chars = sum(map(_chars, items))
    if not chars or not estimated:
        return None
    scale = tokens_before / estimated
    excess = _Excess(estimated - target_tokens / scale, chars - floor_chars)
    kept = _without_old_turns(items, excess)
    if excess.tokens > 0:
        kept = _cut(kept, excess)
    given = body[name]
    shorter = {**body, name: _text_of(kept[0]) if isinstance(given, str) else kept}
    tokens_after = estimated_prompt_tokens(shorter) * scale
    chars_after = sum(map(_chars, kept))
    if tokens_after > target_tokens or not floor_chars <= chars_after < chars:
        return None
    return Trimmed(shorter, chars, chars_after, round(tokens_before), round(tokens_after))


def conversation_chars(body: Body) -> int:
    """Return how many characters the conversation's texts have; system texts in it count."""
    return sum(map(_chars, _conversation(body)[1]))


@dataclass(slots=True)
class _Excess:
    """What is still too much.

    Attributes:
        tokens: Estimated tokens that must go.
        spare_chars: Characters that may go.
    """

    tokens: float
    spare_chars: int

    def less(self, *, tokens: float, chars: int) -> None:
        """Take off what has gone."""
        self.tokens -= tokens
        self.spare_chars -= chars


def _conversation(body: Body) -> tuple[str, list[Item]]:
    """Return the conversation's items and where they stand; none where they are of another form."""
    name = "messages" if "messages" in body else "input"
    given = body.get(name)
    if isinstance(given, str):
        return name, [{"role": "user", "content": given}]
    if isinstance(given, list) and all(isinstance(item, dict) for item in given):
        return name, given
    return name, []


def _without_old_turns(items: list[Item], excess: _Excess) -> list[Item]:
    """Return the items without those oldest turns that may go, as many as must."""
    kept: list[Item] = []
    turns = list(_turns(items))
    for turn in turns[:-1]:
        spoken = [item for item in turn if item.get("role") not in _SYSTEM]
        chars = sum(map(_chars, spoken))
        may_go = bool(spoken) and all(map(_is_plain, spoken)) and chars <= excess.spare_chars
        if excess.tokens > 0 and may_go:
            excess.less(tokens=sum(map(tokens_in, spoken)), chars=chars)
            kept += (item for item in turn if item.get("role") in _SYSTEM)
        else:
            kept += turn
    return kept + turns[-1]


def _turns(items: list[Item]) -> Iterator[list[Item]]:
    """Yield what was said, each time from one message of the user to the next."""
    turn: list[Item] = []
    for item in items:
        if turn and item.get("role") == "user" and not _has_tools(item):
            yield turn
            turn = []
        turn.append(item)
    yield turn


def _cut(items: list[Item], excess: _Excess) -> list[Item]:
    """Return the items with the middle of the longest texts cut out, as much as must."""
    spans = [(index, *span) for index, item in enumerate(items) for span in _middles(item)]
    spans.sort(key=lambda span: span[2] - span[3])
    for index, part, begin, end in spans:
        if excess.tokens <= 0:
            break
        text = _part_text(items[index], part)
        shorter = _shortened(text, begin, end, excess)
        if len(shorter) < len(text):
            freed = estimated_tokens(text) - estimated_tokens(shorter)
            excess.less(tokens=freed, chars=len(text) - len(shorter))
            changed = _with_text(items[index], part, shorter)
            items = [*items[:index], changed, *items[index + 1 :]]
    return items


def _middles(item: Item) -> Iterator[tuple[int | None, int, int]]:
    """Yield what may be cut of a message: the part, where the middle begins and where it ends."""
    if _has_tools(item) or item.get("role") not in _SPOKEN:
        return
    parts = list(_texts(item))
    total = sum(len(text) for _, text in parts)
    first, last, at = int(total * KEPT_SHARE) + 1, int(total * (1 - KEPT_SHARE)), 0
    for part, text in parts:
        begin, end = max(first - at, 0), min(last - at, len(text))
        if begin < end and not _is_data(text):
            yield part, begin, end
        at += len(text)


def _shortened(text: str, begin: int, end: int, excess: _Excess) -> str:
    """Return the text without as much of `begin` to `end` as must go."""
    per_char = estimated_tokens(text) / len(text)
    mark_chars = len(_mark(len(text)))
    wanted = min(int(excess.tokens / per_char * _MARGIN) + 2 * mark_chars, excess.spare_chars)
    room = max(0, end - begin - wanted) // 2
    start = _break_before(text, begin, begin + room)
    stop = _break_after(text, end - room, end)
    if start is None or stop is None or stop - start <= mark_chars:
        return text
    return text[:start] + _mark(stop - start) + text[stop:]


def _break_before(text: str, begin: int, at: int) -> int | None:
    """Return the last place from `begin` to `at` to end at; where none is, the first behind."""
    for pattern in _BREAKS:
        if found := [match.start() for match in pattern.finditer(text, begin, at)]:
            return found[-1]
    return begin if begin == 0 else _next_gap(text, begin)


def _break_after(text: str, at: int, end: int) -> int | None:
    """Return the first place from `at` to `end` to go on at; where none is, the last before."""
    for pattern in _BREAKS:
        if found := pattern.search(text, at, end):
            return found.end()
    if end == len(text):
        return end
    gap = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
    return None if gap < 0 else gap + 1


def _next_gap(text: str, begin: int) -> int | None:
    found = _GAP.search(text, begin)
    return found.start() if found else None


def _mark(chars: int) -> str:
    return f"\n\n[… {chars:,} characters left out …]\n\n"


def _is_data(text: str) -> bool:
    """Tell whether a text is JSON or an unbroken run, of which a part means something else."""
    whole = text.strip()
    is_json = whole[:1] in ("{", "[") and whole[-1:] in ("}", "]")
    return is_json or (whole.isascii() and not _GAP.search(whole))


def _has_tools(item: Item) -> bool:
    """Tell whether an item is a tool call, a result, or anything else that nobody said."""
    if item.get("type") not in (None, "message") or item.get("role") not in _SPOKEN | _SYSTEM:
        return True
    if any(item.get(name) for name in ("tool_calls", "function_call", "tool_call_id")):
        return True
    kinds = [_kind(part) for part in _parts(item)]
    return any("tool" in kind for kind in kinds) or (
        item.get("role") == "assistant" and any(kind not in _TEXTS for kind in kinds)
    )


def _is_plain(item: Item) -> bool:
    return not _has_tools(item) and all(_kind(part) in _TEXTS for part in _parts(item))


def _parts(item: Item) -> Sequence[Any]:
    content = item.get("content")
    return content if isinstance(content, list) else ()


def _kind(part: Any) -> str:
    return str(part.get("type", "")) if isinstance(part, dict) else ""


def _texts(item: Item) -> Iterator[tuple[int | None, str]]:
    """Yield the texts of a message, each with the number of its part."""
    content = item.get("content")
    if isinstance(content, str):
        yield None, content
    for number, part in enumerate(_parts(item)):
        if _kind(part) in _TEXTS and isinstance(part.get("text"), str):
            yield number, part["text"]


def _chars(item: Item) -> int:
    return sum(len(text) for _, text in _texts(item))


def _text_of(item: Item) -> str:
    return str(item["content"])


def _part_text(item: Item, part: int | None) -> str:
    return str(item["content"] if part is None else item["content"][part]["text"])


def _with_text(item: Item, part: int | None, text: str) -> Item:
    if part is None:
        return {**item, "content": text}
    parts = list(item["content"])
    parts[part] = {**parts[part], "text": text}
    return {**item, "content": parts}
