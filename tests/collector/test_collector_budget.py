"""Bodies on their way are bounded in their sum, over all connections."""

import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from goldseam.collector import CollectorSettings
from goldseam.collector.budget import Budget
from goldseam.collector.refusals import Overloaded

NOWHERE = "postgresql://goldseam@127.0.0.1:1/goldseam"


def test_leases_share_what_there_is() -> None:
    """What one holds, another cannot have; what it gives back, it can."""
    budget = Budget(max_bytes=100)
    with budget.lease() as first, budget.lease() as second:
        first.grow_to(60)
        with pytest.raises(Overloaded, match="GOLDSEAM_RECEIVE_BYTES"):
            second.grow_to(50)
        second.grow_to(40)
        assert budget.leased_bytes == 100

    assert budget.leased_bytes == 0


def test_a_body_larger_than_the_budget_passes_alone() -> None:
    """A limit below the size of a body delays, it does not refuse for ever."""
    budget = Budget(max_bytes=10)

    with budget.lease() as lease:
        lease.grow_to(60)
        assert budget.leased_bytes == 60


def test_half_sent_bodies_leave_no_room_for_others(
    start_collector: Callable[[CollectorSettings], Any],
) -> None:
    """While many senders are slow, the next one is told to come again, until they are gone."""
    server = start_collector(CollectorSettings(database_url=NOWHERE, receive_bytes=50_000))
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/x-protobuf\r\nContent-Length: 60000\r\n\r\n"
    )
    host, port = server.url.removeprefix("http://").split(":")
    address = (host, int(port))
    with socket.create_connection(address) as slow:
        slow.sendall(head.encode() + b"0" * 45_000)
        while metric(server.url) < 45_000:
            pass
        refused = httpx.post(
            f"{server.url}/v1/traces",
            content=b"0" * 10_000,
            headers={"Content-Type": "application/x-protobuf"},
        )
    while metric(server.url):
        pass

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")


def metric(url: str) -> float:
    """Read how many bytes are on their way."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    name = "goldseam_collector_receive_bytes "
    return float(next(line for line in lines if line.startswith(name)).removeprefix(name))
