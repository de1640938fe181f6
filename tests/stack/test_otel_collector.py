"""The real OpenTelemetry Collector in front of ours, with the configurations that are shipped."""

import subprocess
from pathlib import Path

import pytest

from .programs import (
    ROOT,
    Pipeline,
    goldseam_collector,
    installed,
    make_calls,
    otel_collector,
    rows,
    wait_until,
)

CONFIGS = [
    "docker/otel-collector.yaml",
    "docker/kafka/to-kafka.yaml",
    "docker/kafka/from-kafka.yaml",
]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """The shipped configuration on free ports."""
    return Pipeline.shipped(tmp_path)


@pytest.mark.parametrize("path", CONFIGS)
def test_configuration_is_valid(path: str) -> None:
    """The program that reads it finds no fault with it."""
    done = subprocess.run(
        [installed("otelcol"), "validate", f"--config={ROOT / path}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr


def test_every_call_arrives(pipeline: Pipeline, database: str, tmp_path: Path) -> None:
    """Calls of a program that sends to the OpenTelemetry Collector become rows, one each."""
    with (
        goldseam_collector(database, pipeline.goldseam, tmp_path),
        otel_collector(pipeline.config, pipeline.otlp),
    ):
        make_calls(40, pipeline.otlp)
        wait_until(lambda: rows(database) == 40, "40 calls are stored")


def test_nothing_is_lost_on_the_way(pipeline: Pipeline, database: str, tmp_path: Path) -> None:
    """What was received before a kill -9, with Goldseam away, is stored after both are back."""
    with otel_collector(pipeline.config, pipeline.otlp) as process:
        make_calls(40, pipeline.otlp)
        process.kill()
    with (
        goldseam_collector(database, pipeline.goldseam, tmp_path),
        otel_collector(pipeline.config, pipeline.otlp),
    ):
        wait_until(lambda: rows(database) == 40, "40 calls are stored")
