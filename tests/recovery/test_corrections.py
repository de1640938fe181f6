"""A playbook document is checked piece by piece, and its schema in the docs says the same."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from goldseam.recovery.corrections import (
    MAX_CORRECTIONS,
    Correction,
    PlaybookError,
    Treatment,
    document_schema,
    read_correction,
    read_document,
)

SCHEMA = Path(__file__).parents[2] / "docs" / "playbook.schema.json"
ENTRY: dict[str, Any] = {
    "id": "c1",
    "error_pattern": "NOT_FOUND:openai:0123456789ab",
    "normaliser_version": 1,
    "config": {"strategy": "fallback", "provider": "spare", "model": "big"},
    "expires_at": "2026-03-04T05:06:07Z",
}


def document(*corrections: Any, **more: Any) -> bytes:
    """Return a document."""
    given = {"version": 1, "generated_at": "2026-03-01T00:00:00Z", "corrections": corrections}
    return json.dumps({**given, **more}).encode()


def test_correction_is_read() -> None:
    """Every field arrives with its type."""
    assert read_correction(ENTRY) == Correction(
        id="c1",
        error_pattern="NOT_FOUND:openai:0123456789ab",
        normaliser_version=1,
        treatment=Treatment(strategy="fallback", provider="spare", model="big"),
        expires_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    )


GOOD: tuple[dict[str, Any], ...] = (
    {"strategy": "retry"},
    {"strategy": "retry", "delay_s": 0.5, "expected_success": 0.9},
    {"strategy": "fallback", "model": "small"},
    {"strategy": "simplify", "max_tokens": 256},
    {"strategy": "simplify", "max_tokens": 256.0},
    {"strategy": "cache"},
)
BAD: tuple[tuple[Any, str], ...] = (
    ({"strategy": "restart"}, "knows retry, fallback, simplify, cache"),
    ({"strategy": ["retry"]}, "knows retry"),
    ({"strategy": "retry", "delay_ms": 5}, "asks for 'delay_ms', which retry does not know"),
    ({"strategy": "retry", "delay_s": 61}, "delay_s 61, which is outside"),
    ({"strategy": "retry", "delay_s": True}, "delay_s True"),
    ({"strategy": "retry", "delay_s": "1"}, "delay_s '1'"),
    ({"strategy": "retry", "expected_success": 1.1}, "expected_success 1.1"),
    ({"strategy": "fallback"}, "needs one of provider, model"),
    ({"strategy": "fallback", "provider": ""}, "provider ''"),
    ({"strategy": "simplify", "max_tokens": 0}, "max_tokens 0"),
    ({"strategy": "simplify", "max_tokens": 1.5}, "max_tokens 1.5"),
    ({"strategy": "simplify", "expected_success": 0.5}, "needs one of max_tokens"),
    ({"strategy": "cache", "ttl_s": 1}, "asks for 'ttl_s'"),
    ({}, "asks for strategy None"),
    ("retry", "has no object `config`"),
)


@pytest.mark.parametrize("config", GOOD, ids=json.dumps)
def test_known_treatment_is_taken(config: dict[str, Any]) -> None:
    """Each strategy has its own fields."""
    assert read_correction({**ENTRY, "config": config}).treatment == Treatment(**config)


@pytest.mark.parametrize(("config", "words"), BAD, ids=[json.dumps(config) for config, _ in BAD])
def test_unknown_treatment_is_refused_with_its_reason(config: Any, words: str) -> None:
    """The reason names the correction and what is wrong with it."""
    with pytest.raises(PlaybookError) as raised:
        read_correction({**ENTRY, "config": config})

    assert words in str(raised.value)
    assert "correction c1" in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": "x" * 257},
        {"error_pattern": 5},
        {"normaliser_version": "1"},
        {"expires_at": "tomorrow"},
        {"expires_at": "2026-03-04T05:06:07"},
        {"expires_at": 5},
    ],
    ids=str,
)
def test_incomplete_correction_is_refused(change: dict[str, Any]) -> None:
    """Id, pattern, version and a time with its zone are needed to apply one safely."""
    with pytest.raises(PlaybookError):
        read_correction({**ENTRY, **change})


def test_good_corrections_stay_beside_bad_ones() -> None:
    """What cannot be used is left out and told; the rest is in force."""
    bad = {**ENTRY, "id": "c2", "config": {"strategy": "restart"}}

    found = read_document(document(bad, "nonsense", ENTRY))

    assert [each.id for each in found.corrections.values()] == ["c1"]
    assert [reason[:13] for reason in found.refused] == ["correction c2", "a correction "]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<html>", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "list `corrections`"),
        (b'{"corrections": {}}', "list `corrections`"),
        (document(version=2), "version 2, this Goldseam reads 1"),
        (document(*[{}] * (MAX_CORRECTIONS + 1)), "more than 1000"),
    ],
    ids=["html", "deep", "bytes", "list", "object", "version", "many"],
)
def test_what_is_no_playbook_is_refused_whole(raw: bytes, words: str) -> None:
    """The message says why."""
    with pytest.raises(PlaybookError, match=words):
        read_document(raw)


@given(some.binary(max_size=200) | some.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_document_or_refused(raw: bytes) -> None:
    """Nothing but `PlaybookError` comes out."""
    try:
        read_document(raw)
    except PlaybookError:
        return


def test_schema_in_the_docs_is_the_codes() -> None:
    """The file that servers and people read says what this module checks."""
    assert json.loads(SCHEMA.read_text("utf-8")) == document_schema()


VALUES: some.SearchStrategy[Any] = some.sampled_from(
    [None, True, 0, 1, -1, 0.5, 1.0, 60, 61, 10**9, "", "x", "x" * 300, [], {}]
)
NAMES = some.sampled_from(
    ["delay_s", "provider", "model", "max_tokens", "expected_success", "other"]
)
STRATEGIES = some.sampled_from(["retry", "fallback", "simplify", "cache", "restart"])


@settings(deadline=None)  # the first run imports the judge
@given(STRATEGIES, some.dictionaries(NAMES, VALUES, max_size=3))
def test_schema_and_code_agree(strategy: str, fields: dict[str, Any]) -> None:
    """A config is taken exactly if the schema allows it."""
    schemas = pytest.importorskip("jsonschema", reason="the schema is judged by jsonschema")
    entry = {**ENTRY, "config": {"strategy": strategy, **fields}}
    judge = schemas.Draft202012Validator(document_schema())

    try:
        read_correction(entry)
    except PlaybookError:
        is_taken = False
    else:
        is_taken = True

    assert judge.is_valid(json.loads(document(entry))) is is_taken
