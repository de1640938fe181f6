"""What is said in many ways: one cause, one mending, many sentences. Data.

Called by `essence`. Pure. Only causes that every provider knows stand here. A family is recognised
by what all its sentences say, and told apart inside by its slots: a limit of tokens per minute and
one of requests per day are two causes, whoever states them and however. The order matters: the
first family that holds decides.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Family:
    """One cause.

    Attributes:
        name: Beginning of the key.
        says: Pattern of which one place must be in the template; without case.
        unless: Pattern that must not; empty forbids nothing.
        slots: What tells members apart: word for the key, pattern.
        needs_slot: A text that fills none says too little; its own words make the key.
    """

    name: str
    says: str
    unless: str = ""
    slots: tuple[tuple[str, str], ...] = ()
    needs_slot: bool = False


_WINDOWS: Final = tuple(
    (word, rf"\bper[ -]?(?:{pattern})(?:s|ute|utes|ond)?\b|/ ?(?:{pattern})\b|\b{adverb}\b")
    for word, pattern, adverb in (
        ("second", "second|sec|s", "RPS|TPS"),
        ("minute", "minute|min|m", "RPM|TPM|ITPM|OTPM"),
        ("hour", "hour|hr|h", "hourly"),
        ("day", "day|d", "daily|RPD|TPD"),
        ("week", "week|w", "weekly"),
        ("month", "month|mo", "monthly"),
        ("session", "session", "session"),
    )
)
_LIMITED: Final = (
    ("input tokens", r"\b(?:input|prompt|request) tokens?\b"),
    ("output tokens", r"\b(?:output|completion|generated) tokens?\b"),
    ("tokens", r"\btokens?(?:[ -]per|[ -]rate|[ -]limit)|\bT(?:PM|PD)\b|Quota: Tokens?"),
    (
        "requests",
        (
            r"\b(?:requests?|calls?|quer(?:y|ies))(?:[ -]per|[ -]rate|[ -]limit| ?/ ?)"
            r"|\bR(?:PM|PD|PS)\b|\bnumber of requests\b|Quota: Requests?"
            r"|limit reached for requests"
        ),
    ),
    ("images", r"\bimages?[ -]per|\bimages? limit"),
    ("concurrency", r"\bconcurren\w+|\bparallel\b|\bsimultaneous"),
    ("increase", r"\b(?:increase|acceleration) (?:rate|limit)|\bincreas\w+ too (?:fast|quickly)"),
    ("long context", r"\blong[ -]context\b"),
    ("upstream", r"\bupstream\b"),
    ("free", r"\bfree(?:[ _-](?:tier|plan|quota|usage|models?|accounts?|users?))\b"),
)

_FAMILIES: Final = (
    Family("upstream connect error", r"upstream connect error or disconnect/reset before headers"),
    Family(
        "connection refused",
        r"ECONNREFUSED|connection refused|connect call failed|actively refused",
    ),
    Family("host name unknown", r"ENOTFOUND|name or service not known|nodename nor servname"),
    Family("name resolution failed", r"EAI_AGAIN|temporary failure in name resolution"),
    Family("connection reset", r"ECONNRESET|connection reset by peer"),
    Family("read timed out", r"\bread (?:operation )?timed out|^timed out\W*$"),
    Family("out of memory", r"\bout of memory\b|unable to allocate \w+ buffer"),
    Family("process gone", r"\bprocess (?:has (?:terminated|exited)|(?:is )?no longer running)"),
    Family("input over the context", r"\(<n> in [^()]{1,40}[,;] none for the completion\)"),
    Family(
        "prompt over the context",
        r"you passed <n> input tokens and requested|your request has <n> input tokens\. please",
    ),
    Family(
        "over the context",
        r"\b(?:exceed\w*|longer than|beyond|over)\b[^.]{0,60}"
        r"\bcontext[ _](?:length|window|limit|size)"
        r"|\bmaximum context length\b|\bcontext[ _]length[ _]exceeded\b"
        r"|\b(?:prompt|input|messages?) (?:is|are) too long\b|\bmessages resulted in <n> tokens"
        r"|\bcontext (?:the )?overflows?\b"
        r"|\binput token count\b[^.]{0,60}\bexceeds",
        unless=r"max_(?:completion_)?tokens['`\"]? is too large|string too long",
        slots=(
            ("embedding", r"\bembed"),
            ("output", r"\bcompletion\b|\boutput\b|\bmax_(?:new_|output_|completion_)?tokens\b"),
        ),
    ),
    Family(
        "rate limit",
        r"\brate[ _-]?limit|\btoo many requests\b|\bquota exceeded for\b|\busage limit\b|\bthrottl"
        r"|\bexceed[^.]{0,80}\bper[ -](?:second|min|minute|hour|day|week|month)\b|\bQuota: \w+ Per"
        r"|\b(?:request|token|concurrency) limit (?:reached|exceeded)"
        r"|\blimited to <n> \w+(?: \w+)? ?(?:/|per\b)",
        unless=r"\btoo large\b|\bmust be reduced\b|\btoo long\b",
        slots=_LIMITED + _WINDOWS,
        needs_slot=True,
    ),
    Family(
        "request too large",
        r"\brequest too large for\b",
        slots=_LIMITED + _WINDOWS,
        needs_slot=True,
    ),
    Family(
        "too many",
        r"^\W*too many (?:requests|tokens)\b",
        unless=r"\btokens? in\b",
        slots=(("requests", r"too many requests"), ("tokens", r"too many tokens"), *_WINDOWS),
    ),
    Family(
        "roles must alternate",
        r"\balternat(?:e|ing)\b[^.]{0,60}\b(?:assistant|roles?)\b"
        r"|\b(?:assistant|roles?)\b[^.]{0,60}\balternat(?:e|ing)\b",
    ),
    Family("credits required", r"\b(?:extra usage|usage credits?|credits?) (?:is|are) required\b"),
    Family(
        "model missing",
        r"\bmodel:? (?:<\w+> )?(?:is |was )?(?:not found|does not exist|doesn't exist|not exist)"
        r"|<model> is not (?:a valid model|found for API version)|^unable to access model\b"
        r"|\bmodel identifier is invalid",
        unless=r"\bdecommissioned\b|\bdeprecated\b|\bretired\b|\bno longer\b",
    ),
    Family(
        "model gone",
        r"\bmodel\b[^.]{0,80}\b(?:decommissioned|retired|no longer (?:supported|available))",
    ),
    Family(
        "error while processing",
        r"\b(?:had an error|error occurred) (?:while )?processing (?:your|the) request",
    ),
    Family(
        "key missing",
        r"\b(?:did ?n[o't]{1,2} provide an?|missing(?: or empty)?|no) (?:bearer|api[ -]key\b"
        r"|credentials|authorization header|authentication header)",
    ),
    Family(
        "key invalid",
        r"\b(?:invalid|incorrect|wrong) (?:<\w+> )?api[ _-]?key\b"
        r"|\bapi[ _-]?key\b(?: provided)?:? (?:<\w+> )?(?:is )?(?:invalid|incorrect|not valid)\b",
    ),
)

_VAGUE: Final = frozenset(
    {
        "internal",
        "unexpect",
        "unknown",
        "server",
        "servic",
        "service",
        "occurr",
        "process",
        "request",
        "encounter",
        "went",
        "wrong",
        "someth",
    }
)
"""Stems of words that say only that something failed."""


def wording(template: str) -> str | None:
    """Return the common name of what `template` says, None where it has none."""
    for family in _FAMILIES:
        if _found(family.says, template) and not (
            family.unless and _found(family.unless, template)
        ):
            filled = [word for word, slot in family.slots if _found(slot, template)]
            if filled or not family.needs_slot:
                return " ".join((family.name, *filled))
    return None


def vague(words: list[str]) -> str | None:
    """Return the common name of words that say no more than that something failed."""
    if {"internal", "unexpect"} & set(words) and set(words) <= _VAGUE:
        return "server error"
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _found(pattern: str, template: str) -> bool:
    return bool(_compiled(pattern).search(template))
