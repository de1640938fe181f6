"""`goldseam run -- python app.py`: start a program with every AI call instrumented.

Sets the standard `OTEL_*` variables that are not set yet, so that spans and metrics go to a
Goldseam collector, then hands over to OpenTelemetry's own zero-code launcher. Needs the base
install and the `otlp` extra only, hence argparse.
"""

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goldseam.cli.defaults import HOST, OTLP_HTTP_PORT
from goldseam.recovery.checks import RecoveryConfigError
from goldseam.recovery.config import load_config

DEFAULT_ENDPOINT: Final = f"http://{HOST}:{OTLP_HTTP_PORT}"

_PROTOCOL: Final = "http/protobuf"
_PENDING: Final = "GOLDSEAM_PENDING_ENDPOINT"

_EXPORT_DELAY_MS: Final = "1000"
"""The SDK waits 5 s by default; a person who has just started something wants to see it sooner."""


def main(arguments: Sequence[str]) -> int:
    """Replace this process by the instrumented program; return an exit code if that fails."""
    options = _parser().parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        return _refuse("name the program to run, for example: goldseam run -- python app.py")
    if importlib.util.find_spec("opentelemetry.distro") is None:
        return _refuse("the `otlp` extra is missing. Install it: pip install 'goldseam[otlp]'")
    executable = _executable(command[0])
    if executable is None:
        return _refuse(f"there is no program named {command[0]!r} here or on PATH")
    os.environ.update(environment(options, command))
    try:
        load_config(os.environ)
    except RecoveryConfigError as error:
        return _refuse(str(error))
    return _launch([executable, *command[1:]])


def environment(options: argparse.Namespace, command: Sequence[str]) -> dict[str, str]:
    """Return the variables that the program gets; those that are set already stay as they are."""
    defaults = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": _PROTOCOL,
        "OTEL_EXPORTER_OTLP_ENDPOINT": DEFAULT_ENDPOINT,
        "OTEL_BSP_SCHEDULE_DELAY": _EXPORT_DELAY_MS,
        "OTEL_SERVICE_NAME": service_name(command),
    }
    chosen = {name: value for name, value in defaults.items() if name not in os.environ}
    if "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        chosen.pop("OTEL_SERVICE_NAME", None)
    flags = {
        "OTEL_SERVICE_NAME": options.service_name,
        "GOLDSEAM_RECOVERY": options.recovery,
        "GOLDSEAM_CONFIG": options.config,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    pending = _announce_to(options)
    return chosen | pending | given | (_export_to(options.endpoint) if options.endpoint else {})


def _announce_to(options: argparse.Namespace) -> dict[str, str]:
    """Tell of requests in flight where spans go, unless the environment says where those go.

    What stands there may be an OpenTelemetry Collector, which would pass announcements on.
    """
    if options.pending_endpoint is not None:
        return {_PENDING: options.pending_endpoint}
    named_by_environment = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
    if _PENDING in os.environ or (
        options.endpoint is None and not named_by_environment.isdisjoint(os.environ)
    ):
        return {}
    return {_PENDING: options.endpoint or DEFAULT_ENDPOINT}


def _export_to(endpoint: str) -> dict[str, str]:
    """Send every signal to `endpoint`; the variables of a single signal would win otherwise."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    for signal in ("TRACES", "METRICS"):
        path = f"{endpoint.rstrip('/')}/v1/{signal.lower()}"
        variables[f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"] = path
        variables[f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"] = _PROTOCOL
    return variables | {"OTEL_EXPORTER_OTLP_PROTOCOL": _PROTOCOL}


def service_name(command: Sequence[str]) -> str:
    """Name a service after its script or module: `python -m shop.web` is `shop.web`."""
    words = list(command)
    if Path(words[0]).name.startswith("python"):
        if "-m" in words[:-1]:
            return words[words.index("-m") + 1]
        words = [word for word in words[1:] if not word.startswith("-")] or words[:1]
    return Path(words[0]).stem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goldseam run",
        description="Run a Python program with every AI provider call instrumented.",
        epilog="The standard OTEL_* variables are respected; flags win over them.",
    )
    parser.add_argument(
        "--endpoint", metavar="URL", help=f"OTLP/HTTP endpoint (default: {DEFAULT_ENDPOINT})"
    )
    parser.add_argument(
        "--pending-endpoint",
        metavar="URL",
        help="Goldseam collector that is told of requests in flight, or off (default: --endpoint; "
        "name it where --endpoint is an OpenTelemetry Collector)",
    )
    parser.add_argument("--service-name", metavar="NAME", help="default: the script's name")
    parser.add_argument(
        "--recovery",
        choices=("off", "observe", "on"),
        help="mend failed calls; observe only says what would be done (default: off)",
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with providers and policy")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    return parser


def _executable(name: str) -> str | None:
    """Find a program, first beside this Python: `python` must be the one that has Goldseam."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))


def _launch(command: list[str]) -> int:
    from opentelemetry.instrumentation import auto_instrumentation  # noqa: PLC0415 - of the extra

    sys.argv = ["goldseam run", *command]
    auto_instrumentation.run()
    return 1  # pragma: no cover - run() replaces the process


def _refuse(message: str) -> int:
    sys.stderr.write(f"goldseam run: {message}\n")
    return 2
