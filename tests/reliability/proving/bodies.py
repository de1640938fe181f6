"""Sends the collector damaged bodies, and small ones that mean to become large."""

import gzip
import json
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from google.protobuf.json_format import (  # type: ignore[import-untyped] # ships no types
    MessageToJson,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from proving.sending import JSON, PROTOBUF, Line, body_of, post
from proving.servers import Collector, ask, collector, postgres
from proving.trial import Outcome, Task, say

FUZZ_ANSWERS: Final = frozenset({200, 400, 401, 413, 415, 503})
SENDERS: Final = 8
BOMB_ANSWERS: Final = frozenset({200, 400, 413, 415, 503})
MAY_GROW: Final = 1.1
"""Resident memory after all damaged bodies, over that after the first tenth of them."""

BOMB_PEAK_MIB: Final = 1_024
"""256 MiB of bodies may be on their way (GOLDSEAM_RECEIVE_BYTES), and one large body at a time is
read, which as objects takes some hundred MiB."""

BOMB_S: Final = 30.0
_MIB: Final = 1024 * 1024


def run_fuzz(task: Task) -> Outcome:
    """Send damaged bodies; answers stay among the known ones, and memory within a tenth."""
    scale, chance = task.scale, task.chance
    plain = body_of("fuzz", spans=3)
    text = MessageToJson(ExportTraceServiceRequest.FromString(plain), indent=None).encode()
    kinds = [(plain, PROTOBUF, "")] * scale.protobuf
    kinds += [(text, JSON, "")] * scale.json
    kinds += [(gzip.compress(plain), PROTOBUF, "gzip")] * scale.gzip
    chance.shuffle(kinds)
    statuses: Counter[int] = Counter()
    resident_mib = []
    with (
        postgres(task.folder / "pg") as server,
        collector(server.url, task.folder / "data") as running,
        ThreadPoolExecutor(SENDERS) as pool,
    ):
        for tenth in range(10):
            bodies = [(damaged(body, chance), *how) for body, *how in kinds[tenth::10]]
            shares = [bodies[number::SENDERS] for number in range(SENDERS)]
            for answers in pool.map(partial(_answers, running.port), shares):
                statuses.update(answers)
            resident_mib.append(running.resident_mib)
            say(f"{statuses.total():,} of {len(kinds):,} bodies")
        alive = running.process.poll() is None
    first_mib, last_mib = resident_mib[0], resident_mib[-1]
    promises = {
        "the collector ended": alive,
        f"answers {sorted(statuses.keys() - FUZZ_ANSWERS)}": statuses.keys() <= FUZZ_ANSWERS,
        "memory grew by more than a tenth": last_mib <= first_mib * MAY_GROW,
    }
    counts = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
    return Outcome(
        tried=f"{scale.protobuf:,} protobuf, {scale.json:,} JSON, {scale.gzip:,} gzip",
        figures=f"{counts}; memory {first_mib:.0f} MiB after a tenth, {last_mib:.0f} at the end",
        broken=[wrong for wrong, holds in promises.items() if not holds],
    )


def _answers(port: int, bodies: list[tuple[bytes, str, str]]) -> Counter[int]:
    """Send bodies one after another; return how often each status came."""
    line = Line(port)
    statuses = Counter(line.post(*body).status for body in bodies)
    line.close()
    return statuses


def damaged(body: bytes, chance: Random) -> bytes:
    """Return a body with bytes changed, cut out, put in or repeated.

    Half of them have only a byte or two changed, so that many can still be read, and are odd.
    """
    found = bytearray(body)
    if chance.random() < 0.5:
        for _ in range(chance.randint(1, 2)):
            found[chance.randrange(len(found))] = chance.randrange(256)
        return bytes(found)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0 if at < len(found):
                found[at] = chance.randrange(256)
            case 1:
                del found[at : at + chance.randint(1, 20)]
            case 2:
                found[at:at] = chance.randbytes(chance.randint(1, 20))
            case _:
                found[at:at] = found[at : at + chance.randint(1, 50)]
    return bytes(found)


@dataclass(frozen=True, slots=True)
class Bomb:
    """A body that costs its sender little."""

    name: str
    body: bytes
    media_type: str = PROTOBUF
    encoding: str = ""


def bombs() -> Iterator[Bomb]:
    """Yield streams that inflate a thousandfold, nesting, absurd lengths, and masses of nothing."""
    zeros = bytes(64 * _MIB)
    yield Bomb("gzip 1000:1", gzip.compress(zeros, 9), encoding="gzip")
    yield Bomb("deflate 1000:1", zlib.compress(zeros, 9), encoding="deflate")
    del zeros
    in_gzip = gzip.compress(gzip.compress(bytes(16 * _MIB)))
    yield Bomb("gzip in gzip", in_gzip, encoding="gzip")
    below_limit = _attribute(field(1, b"a" * (15 * _MIB)))
    yield Bomb("15 MiB in one value", gzip.compress(below_limit), encoding="gzip")
    for depth in (40, 1_000, 100_000):
        yield Bomb(f"AnyValue {depth:,} deep", _attribute(_nested(depth)))
        yield Bomb(f"JSON {depth:,} deep", _nested_json(depth), JSON)
    yield Bomb("a million brackets", b"[" * 1_000_000, JSON)
    yield Bomb("a million digits", b'{"resourceSpans":' + b"9" * 1_000_000 + b"}", JSON)
    for length in (2**31 - 1, 2**32, 2**63, 2**64 - 1):
        yield Bomb(f"length {length}", b"\x0a" + varint(length) + b"x")
    yield Bomb("a varint without end", b"\x0a" + b"\xff" * 1_000_000)
    yield Bomb(
        "8 M empty groups of spans", gzip.compress(b"\x0a\x00" * (8 * _MIB)), encoding="gzip"
    )
    spans = field(1, field(2, b"\x12\x00" * (2 * _MIB)))
    yield Bomb("2 M empty spans", gzip.compress(spans), encoding="gzip")
    many = _span(b"".join(field(9, field(1, b"%d" % n)) for n in range(500_000)))
    yield Bomb("500,000 attributes", gzip.compress(many), encoding="gzip")
    yield Bomb("a million empty objects", b'{"resourceSpans":[' + b"{}," * 10**6 + b"{}]}", JSON)


def run_bombs(task: Task) -> Outcome:
    """Send each bomb several times at once; the collector stays up, small and quick."""
    at_once = task.scale.bombs_at_once
    statuses: Counter[int] = Counter()
    slowest = (0.0, "")
    broken = []
    with (
        postgres(task.folder / "pg") as server,
        collector(server.url, task.folder / "data") as running,
    ):
        before_mib = running.peak_mib
        names = []
        for bomb in bombs():
            names.append(bomb.name)
            answers, took_s = _explode(running, bomb, at_once)
            statuses.update(answers)
            slowest = max(slowest, (took_s, bomb.name))
            if not set(answers) <= BOMB_ANSWERS:
                broken.append(f"{bomb.name}: answers {sorted(set(answers))}")
            if not ask(running.port, "/healthz").startswith("ok"):
                broken.append(f"{bomb.name}: the collector is not healthy")
                break
            say(f"{bomb.name}: {dict(Counter(answers))}, peak {running.peak_mib:.0f} MiB")
        peak_mib = running.peak_mib if running.process.poll() is None else 0.0
    if peak_mib > BOMB_PEAK_MIB:
        broken.append(f"{peak_mib:.0f} MiB of memory, at most {BOMB_PEAK_MIB} are meant")
    if slowest[0] > BOMB_S:
        broken.append(f"{slowest[1]} took {slowest[0]:.0f} s")
    counts = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    return Outcome(
        tried=f"{len(names)} kinds, {at_once} of each at once",
        figures=f"{counts}; memory {before_mib:.0f} MiB before, {peak_mib:.0f} at most; slowest "
        f"answer {slowest[0]:.1f} s ({slowest[1]})",
        broken=broken,
    )


def _explode(running: Collector, bomb: Bomb, at_once: int) -> tuple[list[int], float]:
    """Send a bomb several times at once; return the answers and how long the last one took."""
    answers: list[int] = []

    def send() -> None:
        answer = post(running.port, bomb.body, bomb.media_type, bomb.encoding)
        answers.append(answer.status)

    began_s = time.monotonic()
    senders = [threading.Thread(target=send) for _ in range(at_once)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return answers, time.monotonic() - began_s


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(number: int, content: bytes) -> bytes:
    """Return a field that has a length, as protobuf writes it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def _span(more: bytes) -> bytes:
    """Return a request with one span; `more` are further fields of the span."""
    now_ns = time.time_ns()
    times = b"\x39" + struct.pack("<Q", now_ns) + b"\x41" + struct.pack("<Q", now_ns)
    span = field(1, b"t" * 16) + field(2, b"s" * 8) + field(5, b"chat") + times + more
    return field(1, field(2, field(2, span)))


def _attribute(value: bytes) -> bytes:
    """Return a request with a span whose one attribute has this `AnyValue`."""
    return _span(field(9, field(1, b"gen_ai.input.messages") + field(2, value)))


def _nested(depth: int) -> bytes:
    """Return an `AnyValue` that is a list in a list in a list."""
    pieces: list[bytes] = []
    size = 0
    for _ in range(depth):  # from the inside out: each level is two lengths around the last
        inner = varint(1 << 3 | 2) + varint(size)
        outer = varint(5 << 3 | 2) + varint(size + len(inner))
        pieces.append(outer + inner)
        size += len(inner) + len(outer)
    return b"".join(reversed(pieces))


def _nested_json(depth: int) -> bytes:
    value = '{"arrayValue":{"values":[' * depth + '{"stringValue":"x"}' + "]}}" * depth
    span = {"traceId": "74" * 16, "spanId": "73" * 8, "name": "chat", "attributes": []}
    head = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    attribute = '{"key":"gen_ai.input.messages","value":' + value + "}"
    return head.replace('"attributes": []', f'"attributes": [{attribute}]').encode()
