"""Rotel, another collector for OTLP, between applications and Goldseam."""

from pathlib import Path

import pytest

from .programs import (
    TOOLS,
    free_port,
    goldseam_collector,
    listens,
    make_calls,
    rows,
    running,
    wait_until,
)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_call_arrives(protocol: str, database: str, tmp_path: Path) -> None:
    """Calls become rows, one each, over both of its protocols, compressed."""
    agent = TOOLS / "python" / "rotel" / "rotel-agent"
    if not agent.exists():
        pytest.skip("Rotel is not here: `make stack` brings it")
    otlp, ports = free_port(), {"http": free_port(), "grpc": free_port()}
    command: list[str | Path] = [
        *(agent, "start", "--exporter", "otlp", "--otlp-exporter-protocol", protocol),
        *("--otlp-exporter-endpoint", f"http://127.0.0.1:{ports[protocol]}"),
        *("--otlp-http-endpoint", f"127.0.0.1:{otlp}"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}"),
        *("--otlp-receiver-metrics-disabled", "--pid-file", tmp_path / "pid"),
    ]
    with (
        goldseam_collector(database, ports["http"], tmp_path, ports["grpc"]),
        running(command, lambda: listens(otlp), tmp_path / "rotel.log"),
    ):
        make_calls(40, otlp)
        wait_until(lambda: rows(database) == 40, "40 calls are stored")
