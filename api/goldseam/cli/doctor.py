"""`goldseam doctor`: why no calls arrive, or why none are mended; one line each, with the remedy.

Looks at this environment, as the program to be watched would have it: installed packages, `OTEL_*`
and `GOLDSEAM_*` variables, whether the collector and the API answer. Needs the base install only,
hence argparse and plain text; changes nothing.
"""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from goldseam.cli import doctor_spans
from goldseam.cli.defaults import API_PORT, HOST
from goldseam.cli.probing import Finding, ask, is_listened_at
from goldseam.recovery.checks import RecoveryConfigError
from goldseam.recovery.config import load_config

OLDEST: Final = {
    "opentelemetry-api": (1, 30),
    "opentelemetry-sdk": (1, 30),
    "openai": (2, 0),
    "anthropic": (0, 40),
}
"""What Goldseam is tested with; `openai` and `anthropic` only where they are installed."""

_OPTIONAL: Final = frozenset({"openai", "anthropic"})
_MARKS: Final = {"ok": ("✓", 32), "hint": ("!", 33), "fault": ("✗", 31)}


def main(arguments: Sequence[str]) -> int:
    """Print what was found; return 1 where something keeps calls from being stored or mended."""
    options = _parser().parse_args(arguments)
    found = list(look(os.environ, url=options.url, key=options.key))
    if options.json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=2) + "\n")
    else:
        sys.stdout.writelines(_line(each, colour=sys.stdout.isatty()) for each in found)
    return int(any(each.state == "fault" for each in found))


def look(environ: Mapping[str, str], *, url: str, key: str | None) -> Iterator[Finding]:
    """Yield what there is to say about an environment.

    Args:
        environ: Variables of the program to be watched.
        url: Address of the API.
        key: What to present to it.
    """
    yield from _packages()
    yield from _exporter()
    yield from _variables(environ)
    yield _recovery(environ)
    yield from doctor_spans.look(environ)
    yield from _api(url, key)
    yield from _database(environ)


def _packages() -> Iterator[Finding]:
    for name, oldest in OLDEST.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            if name not in _OPTIONAL:
                yield Finding("fault", f"{name} is not installed", "pip install goldseam")
            continue
        wanted = ".".join(map(str, oldest))
        if _numbers(installed) < oldest:
            remedy = f"pip install -U '{name}>={wanted}'"
            yield Finding("fault", f"{name} {installed} is too old, {wanted} is needed", remedy)
        else:
            yield Finding("ok", f"{name} {installed}")


def _exporter() -> Iterator[Finding]:
    for module, what in (
        ("opentelemetry.exporter.otlp", "No OTLP exporter is installed, so spans go nowhere"),
        ("opentelemetry.distro", "No distro is installed, so nothing sets up a tracer provider"),
    ):
        if not _is_installed(module):
            yield Finding("fault", what, "pip install 'goldseam[otlp]'")


def _variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding("fault", "OTEL_SDK_DISABLED=true switches all telemetry off", "unset it")
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if "otlp" not in exporter:
        remedy = "unset it, or set OTEL_TRACES_EXPORTER=otlp"
        yield Finding("fault", f"OTEL_TRACES_EXPORTER={exporter} sends no spans by OTLP", remedy)
    if environ.get("OTEL_TRACES_SAMPLER", "") == "always_off":
        yield Finding("fault", "OTEL_TRACES_SAMPLER=always_off drops every span", "unset it")
    disabled = environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if "goldseam" in {name.strip() for name in disabled.split(",")}:
        says = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names goldseam"
        yield Finding("fault", says, "take goldseam out of it")


def _recovery(environ: Mapping[str, str]) -> Finding:
    try:
        config = load_config(environ)
    except RecoveryConfigError as error:
        return Finding("fault", str(error).rstrip("."), "correct it")
    if config.mode == "off":
        remedy = "goldseam run --recovery on, or GOLDSEAM_RECOVERY=on"
        return Finding("hint", "Recovery is off: failed calls are recorded, not mended", remedy)
    return Finding("ok", f"Recovery is {config.mode}")


def _api(url: str, key: str | None) -> Iterator[Finding]:
    status, body = ask(f"{url}/healthz")
    if status is None and is_listened_at(url):
        yield _taken(url)
        return
    if status is None:
        remedy = "start `goldseam up`, or name its address with --url"
        yield Finding("fault", f"The API does not answer at {url}", remedy)
        return
    if not isinstance(body, dict) or body.get("status") != "ok":
        yield _taken(url)
        return
    if ask(f"{url}/readyz")[0] != 200:  # noqa: PLR2004 - OK
        remedy = "check that PostgreSQL runs and that GOLDSEAM_DATABASE_URL is right"
        yield Finding("fault", f"The API at {url} has no database", remedy)
        return
    yield Finding("ok", f"The API answers at {url}")
    yield _calls(url, key)


def _taken(url: str) -> Finding:
    remedy = "start `goldseam up --api-port …` on another one and name it with --url"
    return Finding("fault", f"Something else answers at {url}: the port is taken", remedy)


def _calls(url: str, key: str | None) -> Finding:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    status, body = ask(f"{url}/api/v1/ai/logs/recent?limit=1", headers)
    match status:
        case 200 if body:
            return Finding("ok", f"Calls arrive, the latest at {body[0]['created_at']}")
        case 200:
            remedy = "goldseam run --recovery on -- python app.py"
            return Finding("hint", "No call has arrived in 30 days", remedy)
        case 401 if key:
            remedy = "create another one with `goldseam keys create`"
            return Finding("fault", "The API does not know this key, or it has ended", remedy)
        case 401:
            remedy = "set GOLDSEAM_API_KEY; `goldseam keys create` makes one"
            return Finding("fault", "The API asks for a key, and there is none", remedy)
        case 403:
            return Finding("hint", "This key may not read calls", "its scopes lack logs:read")
        case _:
            return Finding("fault", f"The API answers {status}", "look at its log")


def _database(environ: Mapping[str, str]) -> Iterator[Finding]:
    url = environ.get("GOLDSEAM_DATABASE_URL", "").strip()
    if not url or not (_is_installed("sqlalchemy") and _is_installed("psycopg")):
        return
    from goldseam.storage import migrate  # noqa: PLC0415 - of the server side
    from goldseam.storage.errors import StorageError  # noqa: PLC0415 - as above

    try:
        revision = migrate.current_revision(url)
    except StorageError as error:
        yield Finding("fault", str(error).rstrip("."), "correct GOLDSEAM_DATABASE_URL")
        return
    if revision is None:
        yield Finding("fault", "The database has no tables yet", "goldseam db upgrade")
    else:
        yield Finding("ok", f"The database is at revision {revision}")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _line(found: Finding, *, colour: bool) -> str:
    mark, number = _MARKS[found.state]
    shown = f"\x1b[{number}m{mark}\x1b[0m" if colour else mark
    return f"{shown} {found.says}" + (f": {found.remedy}" if found.remedy else "") + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goldseam doctor",
        description="Say why no calls arrive, or why none are mended, and what to do.",
        epilog="Run it where the program runs, with the same variables.",
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("GOLDSEAM_API_URL", f"http://{HOST}:{API_PORT}"),
        help="address of the API (GOLDSEAM_API_URL)",
    )
    parser.add_argument(
        "--key", default=os.environ.get("GOLDSEAM_API_KEY"), help="API key (GOLDSEAM_API_KEY)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser
