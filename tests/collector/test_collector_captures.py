"""What real libraries sent, and the rows that it becomes.

The bodies were caught by `captures/capture.py`; its README tells how to catch them anew.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import external_file

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.dialects import DIALECTS
from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import Span

FOLDER = Path(__file__).parent / "captures"
NAMES = sorted(path.stem for path in FOLDER.glob("*.binpb"))
UNCAPTURED = {"GS", "SC"}
_RANDOM = ("id", "request_id", "trace_id", "span_id", "parent_span_id", "created_at")
_USUAL: tuple[object, ...] = (None, {}, False, "shop", "default")


def spans(name: str) -> list[Span]:
    """Decode what a library sent."""
    return decode_protobuf((FOLDER / f"{name}.binpb").read_bytes())


def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a capture, as far as they hold something; duplicates by number."""
    records = map_spans(spans(name)).batch.requests
    numbers = {record.id: number for number, record in enumerate(records)}
    shown = []
    for record in records:
        row = {k: v for k, v in asdict(record).items() if k not in _RANDOM and v not in _USUAL}
        if record.duplicate_of is not None:
            row["duplicate_of"] = numbers[record.duplicate_of]
        row["request_metadata"] = {
            k: v
            for k, v in record.request_metadata.items()
            if k not in ("service.instance.id", "server.port")
        }
        shown.append(row)
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_becomes_these_rows(name: str) -> None:
    """Every column of every row is as it was checked against what the library did."""
    shown = json.dumps(rows(name), indent=1, ensure_ascii=False) + "\n"

    assert shown == external_file(f"captures/{name}.rows.txt", format=".txt")


@pytest.mark.parametrize("name", NAMES)
def test_each_call_counts_once(name: str) -> None:
    """Every capture made a plain call, so it has a success; no value of a library is a surprise."""
    mapped = map_spans(spans(name))
    counted = [record for record in mapped.batch.requests if record.duplicate_of is None]

    assert {record.status for record in counted} <= {"success", "error"}
    assert any(record.status == "success" and record.tokens_used for record in counted)
    assert not mapped.rejected
    assert set(mapped.flaws) <= {"unpriced"}


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_tells_nothing_of_the_machine_it_was_made_on(name: str) -> None:
    """No host, no process, no path."""
    body = (FOLDER / f"{name}.binpb").read_bytes()

    assert not [
        word
        for word in (
            b"host.name",
            b"process.pid",
            b"process.command",
            b"/tmp/",
            b"/root/",
            b"/home/",
        )
        if word in body
    ]


def test_every_dialect_has_a_capture() -> None:
    """A dialect that no real library was seen to speak would be a guess."""
    spoken = {record["dialect"] for name in NAMES for record in rows(name) if "dialect" in record}

    assert {dialect.id for dialect in DIALECTS} - UNCAPTURED == spoken
