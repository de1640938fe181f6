"""The example that receives notifications."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "alert_webhook.py"


@pytest.fixture
def webhook() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example, running on a free port, and its address."""
    command = [sys.executable, str(EXAMPLE), "127.0.0.1", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split()[-1]
        yield process, f"http://127.0.0.1:{port}/team"
        process.terminate()


def post(url: str, body: bytes) -> int:
    """Send a notification and return the status of the answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_an_alert_is_one_line(webhook: tuple[subprocess.Popen[str], str]) -> None:
    """Status, name, what is wrong and what to do."""
    process, url = webhook
    texts = {"description": "20% are lost.", "runbook": "Open Errors."}
    labels = {"alertname": "GoldseamLosingFast"}
    alert = {"status": "firing", "labels": labels, "annotations": texts}
    assert post(url, json.dumps({"alerts": [alert]}).encode()) == 204
    assert process.stdout is not None
    expected = "/team firing GoldseamLosingFast: 20% are lost. -> Open Errors.\n"
    assert process.stdout.readline() == expected


def test_anything_else_is_refused(webhook: tuple[subprocess.Popen[str], str]) -> None:
    """A body that is no notification is answered with 400, so that its sender hears of it."""
    assert post(webhook[1], b"hello") == 400
