"""The two JSON columns: a whitelist of facts, never content, headers or tool arguments."""

import json
from collections import Counter
from typing import Any, Final

from goldseam.collector.mapping.outcome import Outcome
from goldseam.collector.mapping.reading import Reading
from goldseam.collector.spans import Attributes, Value
from goldseam.storage.transitions import INCOMPLETE_STREAM, NO_RESPONSE_EVIDENCE

METADATA_CUT: Final = "metadata_cut"

MAX_METADATA_BYTES: Final = 16 * 1024
MAX_VALUE: Final = 1_024
"""Longer texts inside the metadata are cut: they are identifiers, not documents."""

MAX_LISTED: Final = 128
"""Tool names and finish reasons that are kept."""

_JSON_BYTES_PER_CHAR: Final = len(json.dumps("\U0001f600").strip('"'))
"""What JSON in ASCII makes of one character, at most."""

_JSON_BYTES_PER_ENTRY: Final = len('"": "", ')

_ABSENT: Final[tuple[object, ...]] = (None, "", [])

_NUMBERS: Final = (int, float)
"""Types of sampling parameters; a bool is none."""

_REQUEST_ATTRIBUTES: Final = ("server.address", "server.port", "openai.api.type")
_RESOURCE_PREFIXES: Final = ("service.", "telemetry.sdk.")
_ENVIRONMENT: Final = "deployment.environment.name"
_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
_RESPONSE_ATTRIBUTES: Final = (
    "gen_ai.openai.response.service_tier",
    "openai.response.service_tier",
    "gen_ai.openai.response.system_fingerprint",
    "openai.response.system_fingerprint",
)


def request_metadata(reading: Reading) -> dict[str, Any]:
    """Return what is known of a request besides its columns, at most 16 KiB of JSON."""
    span, attributes = reading.span, reading.span.attributes
    found: dict[str, Any] = {"scope": span.scope_name, "scope_version": span.scope_version}
    for name in _REQUEST_ATTRIBUTES:
        found[name] = attributes.get(name)
    for name in reading.layout.parameters:
        if type(attributes[name]) in _NUMBERS:
            found[name] = attributes[name]
    stops = attributes.get(_STOP_SEQUENCES)
    if isinstance(stops, list):
        found[f"{_STOP_SEQUENCES}.count"] = len(stops)
    found["dropped_attributes_count"] = span.dropped_attributes + span.cut_attributes or None
    if definitions := attributes.get("gen_ai.tool.definitions"):
        found["tools"] = _tool_names(definitions)
    own, own_chars = _shortened(found)
    resource, resource_chars = _of_resource(span.resource)
    return _fitted(own | resource, own_chars + resource_chars, reading.flaws)


_latest: Final[list[tuple[Attributes, tuple[dict[str, Any], int]]]] = []
"""The resource that was read last, with what is kept of it: its spans come one after another."""


def _of_resource(resource: Attributes) -> tuple[dict[str, Any], int]:
    """Return what is kept of a resource, as `_shortened` does."""
    for known, found in _latest:
        if known is resource:
            return found
    found = _shortened(
        {
            name: value
            for name, value in resource.items()
            if name.startswith(_RESOURCE_PREFIXES) or name == _ENVIRONMENT
        }
    )
    _latest[:] = [(resource, found)]
    return found


def response_metadata(
    reading: Reading,
    outcome: Outcome,
    *,
    finish_reasons: list[str],
    is_stream: bool,
    clock_skew: bool,
) -> dict[str, Any]:
    """Return what is known of a response besides its columns, at most 16 KiB of JSON.

    Flags are present only where they are true.
    """
    attributes = reading.span.attributes
    succeeded = outcome.status == "success"
    found: dict[str, Any] = {"gen_ai.response.id": reading.text("response_id", limit=MAX_VALUE)}
    for name in _RESPONSE_ATTRIBUTES:
        if name in attributes:
            found[name] = attributes[name]
    found["finish_reasons"] = finish_reasons[:MAX_LISTED]
    if succeeded and not outcome.responded:
        found[NO_RESPONSE_EVIDENCE] = True
    if succeeded and is_stream and not finish_reasons:
        found[INCOMPLETE_STREAM] = True
    if clock_skew:
        found["clock_skew"] = True
    return fitted(found, reading.flaws)


def fitted(found: dict[str, Any], flaws: Counter[str]) -> dict[str, Any]:
    """Return the present entries in their order, without those that no longer fit."""
    return _fitted(*_shortened(found), flaws)


def _shortened(found: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the present entries, none of them long, and how many characters they have."""
    present: dict[str, Any] = {}
    chars = 0
    for name, value in found.items():
        if not value and value in _ABSENT:
            continue
        if type(value) is str and len(value) <= MAX_VALUE >= len(name):
            present[name] = value
            chars += len(name) + len(value)
        elif type(value) in _NUMBERS and len(name) <= MAX_VALUE:
            present[name] = value
            chars += len(name) + len(repr(value))
        else:
            present[name[:MAX_VALUE]] = short = _short(value)
            chars += len(name) + len(repr(short))
    return present, chars


def _fitted(present: dict[str, Any], chars: int, flaws: Counter[str]) -> dict[str, Any]:
    """Return `present`, without the entries that no longer fit."""
    most_bytes = chars * _JSON_BYTES_PER_CHAR + len(present) * _JSON_BYTES_PER_ENTRY
    if most_bytes <= MAX_METADATA_BYTES:
        return present
    if len(json.dumps(present)) <= MAX_METADATA_BYTES:
        return present
    kept: dict[str, Any] = {}
    room_bytes = MAX_METADATA_BYTES - len("{}")
    for key, value in present.items():
        entry_bytes = len(json.dumps({key: value}))
        if entry_bytes > room_bytes:
            flaws[METADATA_CUT] += 1
            continue
        kept[key] = value
        room_bytes -= entry_bytes
    return kept


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_VALUE]
    if isinstance(value, list):
        return [_short(item) for item in value if isinstance(item, str)][:MAX_LISTED]
    return None if isinstance(value, dict) else value


def _tool_names(definitions: Value) -> list[str]:
    if isinstance(definitions, str) and len(definitions) <= MAX_METADATA_BYTES:
        try:
            definitions = json.loads(definitions)
        except (ValueError, RecursionError):
            return []
    if not isinstance(definitions, list):
        return []
    return [name for item in definitions if isinstance(name := _tool_name(item), str)]


def _tool_name(definition: Value) -> Value:
    if not isinstance(definition, dict):
        return None
    function = definition.get("function")
    inner = function.get("name") if isinstance(function, dict) else None
    return definition.get("name", inner)
