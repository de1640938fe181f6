"""Reduce a template to the words that tell its cause: what the key is made of.

Called by `fingerprint`. Pure. Providers add advice, addresses, measured values and glosses to the
same sentence from month to month, and clients leave them out; none of these changes what went wrong
or what mends it. A change here raises `fingerprint.VERSION`.
"""

import re
from collections.abc import Iterator
from typing import Final

from goldseam.errors.wordings import vague, wording

_MAX_WORDS: Final = 24
"""Of a key: what distinguishes causes stands early, and long texts arrive cut off."""

_MIN_WORDS: Final = 2
"""A message that is left with fewer keeps its glosses."""

_INDEX: Final = re.compile(r"\[(?:<\w+>)?\]|\.<n>")
_GLOSS: Final = re.compile(
    r"\b[A-Z]\w*\([^()]*=[^()]*\)|\b\w+_\w+\([^()]*\)|\([^()]{0,300}\)|\[[^\[\]]{0,300}\]"
)
"""What explains the words before it: a repr, a call, anything in brackets."""

_SENTENCE: Final = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+(?=[^a-z\s])"
    r"|\s[*\u2022|]\s|\s-\s(?=<?\w+>?[ =])"
    r"|\s(?=(?:For (?:more|further|details|troubleshooting)|Please|Visit|(?:Learn|Read) more)\b)"
)
_CLAUSE: Final = re.compile(r"[,;:]\s+|\s[-\u2013]\s")

_ADVICE: Final = re.compile(
    r"(?i)^\W*(?:"
    r"please|visit|see|contact|learn|read|refer|check|try|retry|sorry|if|consider|wait|use|click"
    r"|ensure|make sure|set|increase|reduce|need|upgrade|add|purchase|go to|alternatively|note"
    r"|for (?:more|further|details|help|additional|assistance|troubleshooting)"
    r"|to (?:increase|continue|fix|resolve|learn|request|use|avoid|get|enable|upgrade|view|access)"
    r"|you (?:can|may|might|should)|it can take|this (?:may|might|could)"
    r"|we (?:apologi[sz]e|recommend|are sorry)"
    r"|more info\w*|docs|documentation|help|details|troubleshooting|enable it"
    r"|request[ _-]?id|x-request|cf-ray|trace|reference|session"
    r"|available|supported|valid|allowed|given|unknown error"
    r")\b"
)
"""Beginnings of a sentence behind the first that says what to do, where to read, whom to ask, what
the request was called, or which values there are."""

_GREETING: Final = re.compile(r"(?i)^\W*(?:please|sorry|oops|visit|see|for more)\b")
"""Beginnings of a first sentence that is advice all the same."""

_ASIDE: Final = re.compile(r"<(?:url|email|host)>|\b(?:may|might|could|usually|persists)\b")
"""In a sentence behind the first: where to read more, or what may be the reason."""

_CUT: Final = re.compile(
    r"(?i)(?:,|;| -|\band)\s+(?:please|see|try again|visit|contact|check your|you can|or contact"
    r"|upgrade|wait|retry|learn)\b.*$"
)
"""Advice behind a comma."""

_MEASURE: Final = re.compile(r"<(?:n|duration|size|time|id|model|value)>")
_LABELLED: Final = re.compile(
    r"\b[A-Z][a-z]+:? <(?:n|duration|size|time)>(?: ?/ ?\w+)?(?=\s*(?:[,.;)]|$))"
)
_ASSIGNED: Final = re.compile(r"(?<!\w)[\w.]+ ?=\s?(?:<\w+>|[\w.]+)")
_NOT: Final = re.compile(r"(?i)\bcannot\b|\bcan't\b|n't\b")
_SHORT_VERB: Final = re.compile(r"(?i)(?<=\w)'(?:s|ve|re|ll|d|m)\b")
_MASK: Final = re.compile(r"<\w+>")
_WORD: Final = re.compile(r"(?<!\w)[A-Za-z]\w*(?:\.\w+)*")
_ENDING: Final = re.compile(r"(?:ing|ed|es|s|e)$")
_SHORTEST_STEM: Final = 4

_STOP: Final = frozenset(
    re.findall(
        r"\w+",
        """a an the this that these those is are was were be been being has have had having do does
        did of to in on at by for with from as it its your you our we us i my their there here or
        and but so however which who than also just currently temporarily already sorry when while
        any some such per will would can could may might should because due via using whereas like
        exactly""",
    )
)
"""Words that come and go between two wordings of a sentence."""

_SYNONYMS: Final = {
    "min": "minute",
    "mins": "minute",
    "minutes": "minute",
    "sec": "second",
    "secs": "second",
    "hr": "hour",
    "max": "maximum",
    "organisation": "organization",
    "error": "",
    "errors": "",
}


def essence(template: str) -> str:
    """Return the telling words of `template`, in order, each once."""
    if known := wording(template):
        return known
    plain = _GLOSS.sub(" ", _GLOSS.sub(" ", _INDEX.sub("", template)))
    words = _words_of(_telling(plain)) or _words_of(plain) or _words_of(template)
    if known := vague(words):
        return known
    return " ".join(words[:_MAX_WORDS]) or template


def _telling(text: str) -> str:
    """Leave out advice and measured values; of advice alone the first sentence stays."""
    sentences = [part for part in _SENTENCE.split(text) if part and part.strip()]
    telling = [part for at, part in enumerate(sentences) if not _is_advice(part, at)]
    return " ".join(map(_without_measures, telling or sentences[:1]))


def _is_advice(sentence: str, at: int) -> bool:
    if at == 0:
        return bool(_GREETING.match(sentence))
    return bool(_ADVICE.match(sentence) or _ASIDE.search(sentence))


def _without_measures(sentence: str) -> str:
    """Leave out clauses such as `Limit <n>` and `timeout value=<n>`, and advice behind a comma."""
    clauses = _CLAUSE.split(_LABELLED.sub(" ", _CUT.sub("", sentence)))
    kept = (_ASSIGNED.sub(" ", clause) for clause in clauses)
    return " ".join(clause for clause in kept if not _is_measure(clause))


def _is_measure(clause: str) -> bool:
    return bool(_MEASURE.search(clause)) and len(_words_of(_MEASURE.sub(" ", clause))) < _MIN_WORDS


def _words_of(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, _stems(_NOT.sub(" not ", _SHORT_VERB.sub("", text))))))


def _stems(text: str) -> Iterator[str]:
    for found in _WORD.finditer(_MASK.sub(" ", text)):
        word = found[0].lower().rpartition(".")[2]
        if word in _STOP or not word.replace("_", "").isalpha():
            continue  # with digits: a name or an id
        word = _SYNONYMS.get(word, word)
        stem = _ENDING.sub("", word)
        yield stem if len(stem) >= _SHORTEST_STEM else word
