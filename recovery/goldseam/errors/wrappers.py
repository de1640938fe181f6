"""Take off what is written before and behind a message: frames, labels, prefixes, report tails.

Called by `extract`. Pure. A prefix comes off only if what follows can stand alone, and a piece of
the message (`Invalid 'tools': array too long`) is no prefix: prefixes name a class, a status or an
attempt that failed.
"""

import re
from typing import Final

_MAX_HEAD: Final = 160
"""Characters of a prefix; what is longer is the message."""

_MAX_ID: Final = 120
_MAX_FIELD: Final = 80
"""Characters at the end that may name the request or a field of the error."""

_LABELLED: Final = re.compile(
    r"(?is)^.{0,120}?(?<![\w'\"])(?:(?:error[ _])?message|detail)(?:: |:(?=[A-Z`'\"\[<])|=)"
    r"(?P<text>.*)"
)
"""`status: 403, message: …`, Go's `map[code:… message:…]`."""

_FIELDS_BEHIND: Final = re.compile(
    r"(?i)[\s,;]+\(?(?:(?:(?:error|status)[ _]?)?(?:type|param|code|status|reason|provider)"
    r"[:=]\s?[\w<>.-]+|(?:request )?url: \S+)[\])]?$"
)
_GATEWAY_TAIL: Final = re.compile(
    r"(?i)[\s;,-]*\b(?:Received Model Group=|Deployment Info:|Available Model Group"
    r"|No fallback model group|LiteLLM Retried:|error_str: "  # litellm
    r"|Status: \d{3} \(|(?-i:ErrorCode: |Code: \w+\s+Message: ))"  # azure.core
)
_REQUEST_ID: Final = re.compile(
    r"(?i)[\s,;|-]*[\[(]?\b(?:x-)?(?:request|trace|correlation|session|ray)[ _-]?id"
    r"\s?[:=#]?\s?[\w-]{6,}[\])]?\.?$"
)
_EMPTY_FIELDS: Final = re.compile(r"(?i)(?:[\s,;]+(?:\w+ )?\w+: n/a)+\.?$")
_TRAILING_NONE: Final = re.compile(r"\s+(?:None|null|nil|undefined)$")

_LOG: Final = re.compile(
    r"^(?:[^\w\s'\"`\[{(<*\\-]+\s*"  # a bullet, an emoji
    r"|\[?\d{4}-\d\d-\d\d[T ][\d:.,]+Z?\]?\s+"
    r"|[\[(]?(?:ERROR|WARNING|WARN|INFO|CRITICAL|FATAL)[\])]?(?:\s\w+(?:\.\w+)+:)?"
    r"[\s|-]+(?=[\w'\"`\[{]))"
)
_TAG: Final = re.compile(
    r"^\[[\w .:/@-]{1,60}\](?:\s?[:·|-])?\s+(?=[A-Z`'\"\[])|^\(\w+(?:Error|Exception)\)\s+"
)
"""`[openai/gpt-4o]`, `[403 Forbidden]`, `(RateLimitError)`."""

_STATUS: Final = re.compile(
    r"^(?:HTTP(?:/[\d.]+)?\s)?[(\[]?[45]\d\d[)\]]?(?:\s\([\w ]{1,40}\))?(?:\s?[:·|,-])?\s*"
    r"(?=[^\s\d])"
)
_BARE_STATUS: Final = re.compile(
    r"(?i)^(?:\w+ ){0,3}(?:code|status|http|error)[: ]*(?P<status>[45]\d\d)\W*$"
)
_PHRASES: Final = {
    "400": "Bad Request",
    "401": "Unauthorized",
    "402": "Payment Required",
    "403": "Forbidden",
    "404": "Not Found",
    "408": "Request Timeout",
    "409": "Conflict",
    "413": "Content Too Large",
    "422": "Unprocessable Content",
    "429": "Too Many Requests",
    "500": "Internal Server Error",
    "502": "Bad Gateway",
    "503": "Service Unavailable",
    "504": "Gateway Timeout",
}
_CODE_WORD: Final = re.compile(
    r"^\w*_\w*(?:error|exceeded|limit|request|found|denied|unavailable|invalid\w*|_key)\w*\s?[:·|-]\s?"
    r"|^(?:\w*(?:error|invalid|limit|not_found)_\w+|max_\w+_per_\w+)\s?[:·|-]\s(?=[A-Z])"
    r"|^\w+_\w+ · |^\w+_error\s+(?=\w)"
    r"|^(?:\w+ ){1,3}[Ee]rror, (?=\S)"
    r"|^(?:[A-Z]+(?:_[A-Z]+)+|[a-z]+(?:-[a-z]+)+|undefined)[\])]?(?::\s|\s-\s|\s)(?=[A-Z])"
)
"""The provider's code before its sentence: `rate_limit_exceeded: …`."""

_HTTP_LIBRARY: Final = re.compile(
    r"^(?:\d{3} )?(?:Client|Server) [Ee]rror:? '?(?:\d{3} )?(?P<reason>[A-Za-z -]{3,40}?)'?"
    r" for url:? \S+(?:\s\(Request ID: [^()]*\))?"
)
"""What `raise_for_status` says in requests and httpx."""

_VAGUE: Final = re.compile(
    r"(?i)^(?:(?:an )?(?:unexpected |internal )?error (?:has )?occurred[^.:]{0,60}[.!]"
    r"|something went wrong[.!]|provider returned error[.:]?"
    r"|response status code does not indicate success: \d{3} \([\w ]+\)\.)\s+(?-i:(?=[^a-z\s]))"
)
"""A sentence that says nothing, before one that does."""

_LAST_CAUSE: Final = re.compile(
    r"(?i)\b(?:(?:last|original|underlying|upstream|inner|raw) (?:error|exception|cause)"
    r"|an error (?:has )?occurred)(?: was| is)?: |\bas it raised \w+: |(?<=\w\.) error: "
)
_SEPARATOR: Final = re.compile(r":\s|\s[-\u2013\u2014|·]\s|:(?=[A-Z{\[<'\"])|\n+")
_STRONG: Final = re.compile(
    r"(?i)\w*(?:error|exception|warning|failure)\]?s?\)?$"
    r"|\w[\w.]*Timeout$|^\S*(?-i:[A-Z]\w*Error)\b.{0,40}$|^(?:[a-z_]\w*\.)+[A-Z]\w*$|^err\w*$"
    r"|\b(?:error|status|http|code|rejected|failed|returned)\b.{0,40}\b[45]\d\d\b"
    r"|\berror (?:from|in|with|by|at) "
    r"|^\W*(?:an? )?(?:(?:unexpected|unknown) )?(?:error|exception)\b"
    r"|^failed to (?:generate|get|create|call|send|fetch|connect|load|process|invoke|run|execute"
    r"|complete|stream|embed|request|query)\b"
    r"|\b(?:provider|request|api|llm|agent|completion|chat|generation|models?|call)\b.{0,40} failed"
    r"(?: \(\d+\))?$"
)
"""A part that is a prefix whatever follows."""

_REASON: Final = re.compile(
    r"(?i)(?:^|\d\d )(?:bad request|unauthorized|payment required|forbidden|not found|conflict"
    r"|unprocessable (?:entity|content)|too many requests|internal server error|bad gateway"
    r"|service (?:temporarily )?unavailable|gateway time-?out)$"
)
_WEAK: Final = re.compile(
    r"(?i)\bfail(?:ed|ure|s)\b|error|exception|unexpected|\bended\b|\bstatus\b"
    r"|^[\w.-]+/[\w.:@-]+$"
)
"""A part that is a prefix if a new sentence follows."""

_WITH_STATUS: Final = re.compile(r"[(\[]?[45]\d\d\b\W")
_MAX_NAME_WORDS: Final = 3
"""Of what is named before a status: a provider, a model, a program."""

_SENTENCE_END: Final = re.compile(r"[.!?]\s")
_WORDS: Final = re.compile(r"[A-Za-z]{2,}")
_OTHER_SCRIPT: Final = re.compile(r"[^\x00-\u024f\u2000-\u2bff]{4}")
_ONE_WORD: Final = re.compile(r"^['\"]?[A-Za-z]{5,}\W*$")
_ADVICE: Final = re.compile(
    r"(?i)^(?:please|try|see|contact|visit|retry|for more|you can)\b"
    r"(?! (?:ensure|reduce|provide))"
)


def phrase_of_bare_status(text: str) -> str | None:
    """Return the reason phrase where a status is all there is."""
    bare = _BARE_STATUS.match(text[:_MAX_HEAD])
    return _PHRASES.get(bare["status"]) if bare else None


def without_frame(text: str) -> str | None:
    """Take off what stands around the message: brackets, quotes, labels, a gateway's report."""
    if _is_framed(text):
        return text[1:-1]
    if text[:1] == "[" and "]" not in text:
        return text[1:]
    if labelled := _LABELLED.match(text):
        return labelled["text"] if not _GATEWAY_TAIL.search(text, 1) else _without_tail(text)
    return _without_tail(text)


def _without_tail(text: str) -> str:
    """Take off what stands behind the message: a report, the request's id, fields."""
    tails = (
        _GATEWAY_TAIL.search(text, 1),
        _REQUEST_ID.search(text, max(1, len(text) - _MAX_ID)),
        _EMPTY_FIELDS.search(text, max(1, len(text) - _MAX_ID)),
    )
    if tail := next(filter(None, tails), None):
        return text[: tail.start()]
    fields = _FIELDS_BEHIND.search(text, max(0, len(text) - _MAX_FIELD))
    before = text[: fields.start()] if fields else ""
    if before and _stands_alone(before) and not _is_open(before):
        return before
    return _TRAILING_NONE.sub("", text) if text[-1:] in "eldn" else text


def _is_framed(text: str) -> bool:
    """Tell whether brackets or quotes stand around the whole of `text`."""
    if text[:1] == "[" and text[-1] == "]":
        inner = text[1:-1]
        return inner.rfind("[") <= inner.rfind("]") or "]" not in inner
    return text[:1] in {'"', "'"} and text[-1] == text[0] and text[0] not in text[1:-1]


def without_head(text: str) -> str | None:
    """Take one prefix off if what follows can stand alone."""
    if library := _HTTP_LIBRARY.match(text):
        tail = text[library.end() :].strip()
        return tail if _stands_alone(tail) else library["reason"]
    for pattern in (_LOG, _TAG, _STATUS, _CODE_WORD, _VAGUE):
        if (head := pattern.match(text)) and _stands_alone(text[head.end() :]):
            return text[head.end() :]
    if (last := _LAST_CAUSE.search(text)) and _stands_alone(text[last.end() :]):
        return text[last.end() :]
    return _behind_separator(text)


def _behind_separator(text: str) -> str | None:
    start = 0
    for separator in _SEPARATOR.finditer(text, 0, _MAX_HEAD):
        if _is_open(text[: separator.start()]):
            continue
        part, rest = text[start : separator.start()], text[separator.end() :].lstrip()
        if _SENTENCE_END.search(text, start, separator.end()):
            return None
        if _is_head(part, rest):
            return rest
        start = separator.end()
    return None


def _is_open(text: str) -> bool:
    """Tell whether `text` ends inside brackets."""
    return any(text.count(left) > text.count(right) for left, right in ("()", "[]", "{}"))


def _is_head(head: str, tail: str) -> bool:
    """Tell a prefix of a program or class from the beginning of the message."""
    if not _stands_alone(tail):
        return False
    if _STRONG.search(head) or _REASON.search(head) or _ADVICE.match(head):
        return True
    if _WITH_STATUS.match(tail) and len(_WORDS.findall(head)) <= _MAX_NAME_WORDS:
        return True
    return bool(_WEAK.search(head)) and (tail[0].isupper() or tail[0] in "'\"`[{(<")


def _stands_alone(text: str) -> bool:
    """Tell whether `text` says something: two words, or a long one that is all there is."""
    if _ADVICE.match(text):
        return False
    return (
        len(_WORDS.findall(text[:200])) > 1
        or bool(_ONE_WORD.match(text))
        or bool(_OTHER_SCRIPT.search(text[:200]))
    )
