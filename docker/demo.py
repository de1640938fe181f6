"""Calls of an ordinary program through bad provider weather, for the profile `demo`.

The providers are scripted and live on this container's loopback; what is told of the calls goes to
OTEL_EXPORTER_OTLP_ENDPOINT. `python demo.py [calls]`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import goldseam.cli
from goldseam.cli import weather
from goldseam.recovery.testing import ScriptedProvider

PROGRAM = Path(goldseam.cli.__file__).with_name("demo_app.py")


def main() -> int:
    """Run the program under `goldseam run` and return its exit code."""
    calls = sys.argv[1] if len(sys.argv) > 1 else "200"
    endpoint = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    with (
        ScriptedProvider(respond=weather.primary) as primary,
        ScriptedProvider(respond=weather.backup) as backup,
        tempfile.TemporaryDirectory() as folder,
    ):
        config = weather.write_config(Path(folder), primary.base_url, backup.base_url)
        run = [sys.executable, "-c", "from goldseam.cli import main; main()", "run"]
        to = ["--recovery", "on", "--endpoint", endpoint, "--config", str(config)]
        done = subprocess.run(
            [*run, *to, "--service-name", "demo", "--", "python", str(PROGRAM), calls],
            env=os.environ | {"OPENAI_BASE_URL": primary.base_url, "OPENAI_API_KEY": "demo-key"},
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
