"""The original design's curl lines, as they are written there, against `goldseam up`."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goldseam.cli.defaults import API_PORT

Store = Callable[..., Any]

GOLDSEAM = str(Path(sys.executable).with_name("goldseam"))

LINES = {
    "recent": (
        "curl http://localhost:8000/api/v1/ai/logs/recent?limit=20&module=copilot&status=error",
        ["id", "request_id", "module", "status", "error_code", "error_message"],
    ),
    "statistics": (
        "curl http://localhost:8000/api/v1/ai/logs/statistics?hours=24&module=imports",
        ["total_requests", "error_count", "error_rate", "success_count", "avg_time"],
    ),
    "providers": (
        "curl http://localhost:8000/api/v1/ai/logs/providers?hours=24",
        ["success_rate", "avg_time", "avg_tokens"],
    ),
    "top errors": (
        "curl http://localhost:8000/api/v1/ai/logs/errors/top?limit=10&hours=24",
        ["error_code", "error_message", "count"],
    ),
    "summary": (
        "curl http://localhost:8000/api/v1/ai/logs/analysis/summary?hours=24",
        ["error_rate", "top_errors", "provider_performance", "recommendations"],
    ),
    "fix": (
        (
            'curl -X POST "http://localhost:8000/api/v1/ai/logs/errors/TIMEOUT/fix'
            '?error_message=Connection%20timeout"'
        ),
        ["type", "suggestions"],
    ),
    "summary, no parameters": (
        "curl http://localhost:8000/api/v1/ai/logs/analysis/summary",
        ["total_requests", "success_count", "timeout_count", "avg_processing_time_ms"],
    ),
}


@pytest.fixture
def port(database: str, store: Store) -> Iterator[str]:
    """The port of the API of `goldseam up`, over a database with a failed call."""
    store(
        {"status": "error", "error_code": "TIMEOUT", "first_error_code": "TIMEOUT"}
        | {"error_pattern": "TIMEOUT:openai:aaa", "error_message": "Connection timeout"}
    )
    ports = ["--api-port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    command = [GOLDSEAM, "up", "--database-url", database, *ports]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        yield next(
            found[1] for line in process.stderr if (found := re.search(r"API .*:(\d+)/", line))
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_lines_work_as_written(port: str) -> None:
    """Each line answers with the fields that the design names; only the port is another one."""
    assert API_PORT == 8000
    for name, (line, fields) in LINES.items():
        words = shlex.split(line.replace(":8000/", f":{port}/"))
        done = subprocess.run(
            [*words, "--silent", "--fail"], check=True, capture_output=True, timeout=20
        )
        body = json.loads(done.stdout)
        if name == "providers":
            body = body["openai"]
        shown = body[0] if isinstance(body, list) else body
        assert set(fields) <= set(shown), name
