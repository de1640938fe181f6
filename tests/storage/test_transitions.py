"""The rule by which a span that arrives again changes its row, as a table of cases."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from goldseam.storage import RequestRecord
from goldseam.storage.transitions import FACTS, METADATA, merge, merge_all

OTHER = UUID(int=7)
SHORT, LONG = 250.0, 900.0

PENDING = {"status": "pending", "processing_time_ms": 0.0}
ABANDONED = {"status": "abandoned", "processing_time_ms": 0.0, "error_code": "UNKNOWN"}
SUCCESS = {"status": "success", "processing_time_ms": SHORT}
ERROR = {"status": "error", "processing_time_ms": SHORT, "error_code": "TIMEOUT"}


@pytest.mark.parametrize("stored", [PENDING, ABANDONED], ids=["pending", "abandoned"])
@pytest.mark.parametrize("arrived", [SUCCESS, ERROR], ids=["success", "error"])
def test_a_final_record_replaces_one_that_is_not(
    make_request: Callable[..., RequestRecord], stored: dict[str, Any], arrived: dict[str, Any]
) -> None:
    """The end of a call overwrites every column of its announcement."""
    final = make_request(**arrived)

    assert merge(make_request(**stored, user_id="guess"), final) == final


@pytest.mark.parametrize("stored", [PENDING, SUCCESS, ERROR], ids=["pending", "success", "error"])
@pytest.mark.parametrize("arrived", [PENDING, ABANDONED], ids=["pending", "abandoned"])
def test_a_record_that_is_not_final_changes_nothing(
    make_request: Callable[..., RequestRecord], stored: dict[str, Any], arrived: dict[str, Any]
) -> None:
    """A late announcement never covers what is known."""
    row = make_request(**stored)

    assert merge(row, make_request(**arrived, user_id="guess")) == row


def test_the_later_end_decides_between_two_outcomes(
    make_request: Callable[..., RequestRecord],
) -> None:
    """Whichever order they come in, the longer call is the one that counts."""
    short = make_request(**ERROR)
    long = make_request(**SUCCESS | {"processing_time_ms": LONG})

    assert merge(short, long) == merge(long, short) == long


def test_between_equal_ends_the_first_outcome_stays(
    make_request: Callable[..., RequestRecord],
) -> None:
    """An outcome does not change its mind."""
    error = make_request(**ERROR)

    assert merge(error, make_request(**SUCCESS)) == error


@pytest.mark.parametrize("fact", FACTS)
def test_an_unknown_fact_is_filled_in(
    make_request: Callable[..., RequestRecord], fact: str
) -> None:
    """A second copy of the same outcome brings what the first one lacked, in either order."""
    poor = make_request(**SUCCESS)
    rich, other = (make_request(**SUCCESS, **{fact: value}) for value in (42, 43))

    assert getattr(merge(poor, rich), fact) == 42
    assert getattr(merge(rich, poor), fact) == 42
    assert getattr(merge(rich, other), fact) == 42


@pytest.mark.parametrize("column", METADATA)
def test_missing_metadata_keys_are_filled_in(
    make_request: Callable[..., RequestRecord], column: str
) -> None:
    """Keys that are there keep their values."""
    stored = make_request(**SUCCESS, **{column: {"a": 1}})
    arrived = make_request(**SUCCESS, **{column: {"a": 2, "b": 3}})

    assert getattr(merge(stored, arrived), column) == {"a": 1, "b": 3}


def test_facts_of_another_outcome_are_not_mixed_in(
    make_request: Callable[..., RequestRecord],
) -> None:
    """A success does not get the HTTP status of an error."""
    stored = make_request(**SUCCESS)

    assert merge(stored, make_request(**ERROR, http_status=500)) == stored


@pytest.mark.parametrize("status", ["pending", "success", "error", "abandoned"])
def test_any_row_may_become_a_duplicate_and_stays_one(
    make_request: Callable[..., RequestRecord], status: str
) -> None:
    """Once known to be a duplicate, no later record makes the row count again."""
    row = make_request(status=status)
    duplicate = replace(row, duplicate_of=OTHER)
    longer = replace(row, status="success", processing_time_ms=LONG)

    assert merge(row, duplicate).duplicate_of == OTHER
    assert merge(duplicate, longer).duplicate_of == OTHER


def test_a_record_merged_with_itself_is_itself(
    make_request: Callable[..., RequestRecord],
) -> None:
    """Delivering twice is delivering once."""
    row = make_request(**ERROR, request_metadata={"a": 1}, duplicate_of=OTHER)

    assert merge(row, row) == row


def test_repeated_keys_of_a_list_become_one_record(
    make_request: Callable[..., RequestRecord],
) -> None:
    """Other keys, and the same span of another tenant, stay apart."""
    pending, final, other = make_request(**PENDING), make_request(**SUCCESS), make_request(2)
    foreign = replace(pending, tenant_id="globex")

    assert merge_all([pending, other, foreign, final]) == [final, other, foreign]
