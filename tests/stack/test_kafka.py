"""Kafka between applications and Goldseam: two real OpenTelemetry Collectors and a real broker."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .programs import (
    TOOLS,
    free_port,
    goldseam_collector,
    installed,
    listens,
    make_calls,
    otel_collector,
    rows,
    running,
    shipped,
    wait_until,
)

BROKER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""


def java(*arguments: str | Path) -> list[str | Path]:
    """Command that runs a class of Kafka, or skip the test."""
    jars = TOOLS / "kafka"
    if not jars.is_dir():
        pytest.skip("Kafka is not here: `make stack` brings it")
    return [installed("java"), "-Xmx512m", "-cp", f"{jars}/*", *arguments]


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[int]:
    """Port of a broker."""
    port, properties = free_port(), tmp_path / "server.properties"
    folder = tmp_path / "kafka"
    properties.write_text(BROKER.format(port=port, controller=free_port(), folder=folder))
    prepare = java("kafka.tools.StorageTool", "format", "-t", uuid.uuid4().hex[:22], "-c")
    subprocess.run([*prepare, properties], check=True, capture_output=True)
    log = tmp_path / "kafka.log"
    with running(java("kafka.Kafka", properties), lambda: listens(port), log):
        yield port


@pytest.fixture
def to_kafka(kafka: int, tmp_path: Path) -> Iterator[int]:
    """Port for OTLP/HTTP of the Collector that writes to Kafka."""
    otlp, path = free_port(), tmp_path / "to-kafka.yaml"
    changes = {
        "0.0.0.0:4317": f"127.0.0.1:{free_port()}",
        "0.0.0.0:4318": f"127.0.0.1:{otlp}",
        "localhost:9092": f"127.0.0.1:{kafka}",
    }
    path.write_text(without_metrics(shipped("docker/kafka/to-kafka.yaml", changes)))
    with otel_collector(path, otlp):
        yield otlp


def from_kafka(kafka: int, goldseam: int, tmp_path: Path) -> Path:
    """Configuration of the Collector that reads from Kafka."""
    path = tmp_path / "from-kafka.yaml"
    changes = {
        "localhost:9092": f"127.0.0.1:{kafka}",
        "127.0.0.1:4319": f"127.0.0.1:{goldseam}",
    }
    path.write_text(without_metrics(shipped("docker/kafka/from-kafka.yaml", changes)))
    return path


def without_metrics(config: str) -> str:
    """Leave out a Collector's metrics of itself: two would want the same port."""
    return config.replace("service:\n", "service:\n  telemetry:\n    metrics:\n      level: none\n")


def test_kafka_loses_nothing(kafka: int, to_kafka: int, database: str, tmp_path: Path) -> None:
    """Calls made while Goldseam is away and the reader is killed are stored later, each once."""
    goldseam = free_port()
    config = from_kafka(kafka, goldseam, tmp_path)
    with goldseam_collector(database, goldseam, tmp_path), otel_collector(config, kafka):
        make_calls(30, to_kafka)
        wait_until(lambda: rows(database) == 30, "30 calls are stored")
    with otel_collector(config, kafka) as reader:
        make_calls(20, to_kafka)
        reader.kill()
    with goldseam_collector(database, goldseam, tmp_path), otel_collector(config, kafka):
        wait_until(lambda: rows(database) == 50, "50 calls are stored")
