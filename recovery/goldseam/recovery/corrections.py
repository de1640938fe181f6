"""Read a playbook document: the corrections that somebody enabled for an error pattern.

Called by `playbook` with what the server sent or the file held. Pure. One table, `FIELDS`, says
what a correction may ask for; `read_document` checks against it and `document_schema` writes it as
JSON schema (`docs/playbook.schema.json`). A correction that asks for anything else is left out with
a reason, and the others stay.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

FORMAT_VERSION: Final = 1
"""The `version` of documents that this module reads."""

MAX_CORRECTIONS: Final = 1_000
"""More than this is a mistake of the sender, not a playbook."""

MAX_TEXT_CHARS: Final = 256
"""Of an id, a pattern, a provider's or a model's name."""

MAX_DELAY_S: Final = 60.0
"""A longer wait belongs to a queue, not into a call."""

EXPECTED_SUCCESS: Final = 0.5
"""The share of applications that must bring an answer where a correction promises nothing."""


class PlaybookError(ValueError):
    """A document or a correction cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What a correction does to a call that failed with its pattern.

    Attributes:
        strategy: `retry`, `fallback`, `simplify` or `cache`.
        delay_s: `retry`: the wait before the same request is sent again.
        provider: `fallback`: whom to ask; one of the application's own fallback providers.
        model: `fallback`: which model to ask there, or at the provider that was asked.
        max_tokens: `simplify`: upper bound of the answer's tokens, where the request names one.
        expected_success: The share of applications that should bring an answer, 0 to 1.
    """

    strategy: str
    delay_s: float = 1.0
    provider: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    expected_success: float = EXPECTED_SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A treatment that somebody enabled for an error pattern.

    Attributes:
        id: Its name in telemetry.
        error_pattern: The failures it is for: `code:provider:fingerprint`.
        normaliser_version: Version of the rules that made the fingerprint; keys of different
            versions do not compare.
        treatment: What to do.
        expires_at: When it ends by itself; None never.
    """

    id: str
    error_pattern: str
    normaliser_version: int
    treatment: Treatment
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A playbook.

    Attributes:
        corrections: What can be used, by error pattern and normaliser version.
        refused: Why the others cannot, one sentence each.
    """

    corrections: Mapping[tuple[str, int], Correction]
    refused: tuple[str, ...] = ()


_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": 10_000_000}

FIELDS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "retry": {"delay_s": {"type": "number", "minimum": 0, "maximum": MAX_DELAY_S}},
    "fallback": {"provider": _TEXT, "model": _TEXT},
    "simplify": {"max_tokens": _COUNT},
    "cache": {},
}
"""What a `config` may hold besides `strategy` and `expected_success`, as JSON schema."""

NEEDS_ONE: Final = frozenset({"fallback", "simplify"})
"""Strategies whose `config` says nothing without at least one of their fields."""

_EXPECTED: Final = {"type": "number", "minimum": 0, "maximum": 1}

EMPTY: Final = Document(MappingProxyType({}))


def read_document(raw: bytes) -> Document:
    """Return the usable corrections of a document.

    Raises:
        PlaybookError: The document as a whole is none.
    """
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise PlaybookError(f"the playbook is no JSON: {fault}") from fault
    if not isinstance(given, dict) or not isinstance(given.get("corrections"), list):
        raise PlaybookError("the playbook is no object with a list `corrections`")
    if given.get("version") != FORMAT_VERSION:
        raise PlaybookError(
            f"the playbook has version {given.get('version')!r}, this Goldseam reads "
            f"{FORMAT_VERSION}; update the application's goldseam"
        )
    if len(given["corrections"]) > MAX_CORRECTIONS:
        raise PlaybookError(f"the playbook has more than {MAX_CORRECTIONS} corrections")
    usable: dict[tuple[str, int], Correction] = {}
    refused: list[str] = []
    for each in given["corrections"]:
        try:
            correction = read_correction(each)
        except PlaybookError as reason:
            refused.append(str(reason))
        else:
            usable[correction.error_pattern, correction.normaliser_version] = correction
    return Document(MappingProxyType(usable), tuple(refused))


def read_correction(given: object) -> Correction:
    """Return one correction.

    Raises:
        PlaybookError: It asks for something that is unknown or impossible.
    """
    if not isinstance(given, dict):
        raise PlaybookError("a correction is no object")
    name = _checked(given, "id", _TEXT, "a correction")
    where = f"correction {name}"
    return Correction(
        id=name,
        error_pattern=_checked(given, "error_pattern", _TEXT, where),
        normaliser_version=_checked(given, "normaliser_version", _COUNT, where),
        treatment=_treatment(given.get("config"), where),
        expires_at=_moment(given.get("expires_at"), where),
    )


def document_schema() -> dict[str, Any]:
    """Return the JSON schema of a document."""
    correction = {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "error_pattern": _TEXT,
            "normaliser_version": _COUNT,
            "config": {"oneOf": [_config_schema(strategy) for strategy in FIELDS]},
            "expires_at": {"type": ["string", "null"], "format": "date-time"},
        },
        "required": ["id", "error_pattern", "normaliser_version", "config"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Goldseam playbook",
        "description": "The corrections that somebody enabled, as applications poll them.",
        "type": "object",
        "properties": {
            "version": {"const": FORMAT_VERSION},
            "generated_at": {"type": "string", "format": "date-time"},
            "corrections": {
                "type": "array",
                "maxItems": MAX_CORRECTIONS,
                "items": correction,
            },
        },
        "required": ["version", "generated_at", "corrections"],
    }


def _config_schema(strategy: str) -> dict[str, Any]:
    fields = FIELDS[strategy]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "strategy": {"const": strategy},
            **fields,
            "expected_success": _EXPECTED,
        },
        "required": ["strategy"],
        "additionalProperties": False,
    }
    if strategy in NEEDS_ONE:
        schema["anyOf"] = [{"required": [name]} for name in fields]
    return schema


def _treatment(config: object, where: str) -> Treatment:
    if not isinstance(config, dict):
        raise PlaybookError(f"{where} has no object `config`")
    strategy = config.get("strategy")
    if not isinstance(strategy, str) or strategy not in FIELDS:
        raise PlaybookError(
            f"{where} asks for strategy {strategy!r}; this Goldseam knows {', '.join(FIELDS)}"
        )
    known = {**FIELDS[strategy], "expected_success": _EXPECTED}
    given = {name: value for name, value in config.items() if name != "strategy"}
    if unknown := sorted(given.keys() - known.keys()):
        raise PlaybookError(f"{where} asks for {unknown[0]!r}, which {strategy} does not know")
    if strategy in NEEDS_ONE and not given.keys() & FIELDS[strategy].keys():
        raise PlaybookError(f"{where} needs one of {', '.join(FIELDS[strategy])}")
    checked = {name: _checked(given, name, known[name], where) for name in given}
    return Treatment(strategy=strategy, **checked)


def _checked(given: Mapping[str, Any], name: str, schema: Mapping[str, Any], where: str) -> Any:
    """Return a value that keeps to its piece of JSON schema."""
    value: Any = given.get(name)
    if schema["type"] == "string":
        fits = isinstance(value, str) and 0 < len(value) <= schema["maxLength"]
    else:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        fits = (
            is_number
            and schema["minimum"] <= value <= schema["maximum"]
            and (is_whole or schema["type"] == "number")
        )
    if not fits:
        raise PlaybookError(f"{where} has {name} {value!r}, which is outside of what is allowed")
    return int(value) if schema["type"] == "integer" else value


def _moment(text: object, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PlaybookError(f"{where} has expires_at {text!r}; write it as 2026-01-31T12:00:00Z")
    return moment
