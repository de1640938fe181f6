"""`goldseam demo`: an ordinary program meets bad provider weather, and every mend is shown.

Starts PostgreSQL, collector and API, two scripted providers on loopback, and `demo_app.py` as a
process of its own under `goldseam run`. The summary is read from the API and checked against
what the providers counted; exit code 1 if the two disagree.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from goldseam.cli import keys, stack, weather
from goldseam.cli.client import LogApi
from goldseam.recovery.testing import ScriptedProvider

_APP: Final = Path(__file__).with_name("demo_app.py")
_ARRIVAL_LIMIT_S: Final = 20
_POLL_S: Final = 0.2

console = Console(stderr=True)
output = Console()


class DemoError(RuntimeError):
    """The demo cannot run, or its program failed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo prints; all but `seen_by_providers` comes from the API.

    Attributes:
        calls: Calls that the program made and that ended.
        answered: Calls that got an answer.
        failed_first_try: Calls whose first attempt failed.
        spared: Calls that went to another provider at once, because the asked one kept failing.
        mended: Calls that failed first and were answered, by the strategy that mended them.
        lost: Calls that ended in an error, by its code.
        added_latency_ms: How much longer mended calls took than calls answered at once, ms.
        attempts: Requests to providers as the tables tell it.
        seen_by_providers: Requests that the providers counted.
        first_row_s: Seconds from the program's start until a row was visible in the API; None if
            none came.
        since: Start of the demo's window, ISO 8601.
    """

    calls: int
    answered: int
    failed_first_try: int
    spared: int
    mended: dict[str, int]
    lost: dict[str, int]
    added_latency_ms: float
    attempts: int
    seen_by_providers: int
    first_row_s: float | None
    since: str


def demo(options: stack.Options, *, calls: int, as_json: bool, keep: bool) -> int:
    """Run the demo and print its summary.

    Args:
        options: Where to run it.
        calls: Calls that the program makes.
        as_json: Print the summary as JSON on standard output instead of tables.
        keep: Leave everything running afterwards, until interrupted.

    Returns:
        The exit code: 0 if every call arrived and every attempt is accounted for.

    Raises:
        DemoError: An extra is missing, or the program failed.
        KeyboardInterrupt: Interrupted before the summary; everything has been stopped.
    """
    _require_extras()
    with stack.running(options, _say) as running, keys.passing(running.database_url) as key:
        api = LogApi(running.api_url, key)
        summary = _run_weather(running, api, calls)
        if as_json:
            output.print_json(json.dumps(asdict(summary)))
        else:
            _show(summary, api, running, kept=keep)
        if keep:
            console.print("Everything keeps running; stop with Ctrl-C.", style="bold")
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    return _verdict(summary, calls)


def _require_extras() -> None:
    for module, extra in (("openai", "openai"), ("opentelemetry.distro", "otlp")):
        if importlib.util.find_spec(module) is None:
            raise DemoError(f"the demo needs more: pip install 'goldseam[{extra}]'")


def _run_weather(running: stack.Stack, api: LogApi, calls: int) -> Summary:
    since = datetime.now(UTC).isoformat()
    with (
        ScriptedProvider(respond=weather.primary) as primary,
        ScriptedProvider(respond=weather.backup) as backup,
        tempfile.TemporaryDirectory() as folder,
    ):
        config = weather.write_config(Path(folder), primary.base_url, backup.base_url)
        console.print("Program: python demo_app.py, with the openai SDK and no Goldseam import")
        with (
            ThreadPoolExecutor(1) as background,
            _app(running, config, primary.base_url, calls) as program,
        ):
            first_row = background.submit(_first_row_s, api, since)
            _show_progress(program, calls)
        seen = primary.count + backup.count
    found = _statistics(api, since, calls)
    return Summary(
        calls=found["total_requests"],
        answered=found["success_count"],
        failed_first_try=found["recovered_count"] + found["error_count"] - found["spared_count"],
        spared=found["spared_count"],
        mended=found["recovered_by_strategy"],
        lost=_lost(api, since),
        added_latency_ms=round(found["avg_added_latency_ms"], 1),
        attempts=found["attempts"],
        seen_by_providers=seen,
        first_row_s=first_row.result(),
        since=since,
    )


def _show_progress(program: subprocess.Popen[str], calls: int) -> None:
    """Advance a bar with every line that the program prints, until it ends."""
    assert program.stdout is not None  # noqa: S101 - a pipe was asked for
    with _progress(calls) as advance:
        for _ in program.stdout:
            advance()


def _first_row_s(api: LogApi, since: str) -> float | None:
    """Ask the API until it shows a row of this run; return the seconds that it took."""
    started = time.monotonic()
    while not api.get("/logs/recent", limit=1, since=since):
        if time.monotonic() - started > _ARRIVAL_LIMIT_S:
            return None
        time.sleep(_POLL_S)
    return round(time.monotonic() - started, 2)


@contextmanager
def _app(
    running: stack.Stack, config: Path, provider_url: str, calls: int
) -> Iterator[subprocess.Popen[str]]:
    """Run the program; at the end of the block it has ended, or is ended."""
    run = [sys.executable, "-c", "from goldseam.cli import main; main()", "run", "--recovery", "on"]
    target = ["--endpoint", running.otlp_url, "--config", str(config), "--service-name", "demo"]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*run, *target, "--", "python", str(_APP), str(calls)],
        env=_environment() | {"OPENAI_BASE_URL": provider_url, "OPENAI_API_KEY": "demo-key"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt comes to it through us
    )
    with process:
        try:
            yield process
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise DemoError(f"the demo program ended with exit code {process.returncode}")


def _environment() -> dict[str, str]:
    """Return this process's variables without those that would lead the demo elsewhere."""
    ours = ("OTEL_", "GOLDSEAM_", "OPENAI_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }


@contextmanager
def _progress(calls: int) -> Iterator[Any]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("calls", total=calls)
        yield lambda: bar.advance(task)


def _statistics(api: LogApi, since: str, calls: int) -> dict[str, Any]:
    """Ask for the statistics until all calls are there, or long enough has passed."""
    limit = time.monotonic() + _ARRIVAL_LIMIT_S
    while True:
        found: dict[str, Any] = api.get("/logs/statistics", since=since)
        if found["total_requests"] >= calls or time.monotonic() > limit:
            return found
        time.sleep(_POLL_S)


def _lost(api: LogApi, since: str) -> dict[str, int]:
    """Count the calls that were lost by what they ended with."""
    rows = api.get("/logs/recent", limit=1000, since=since, status="error")
    return dict(Counter(row["error_code"] for row in rows))


def _show(summary: Summary, api: LogApi, running: stack.Stack, *, kept: bool) -> None:
    output.print(_table(summary))
    example = _example(api, summary)
    if example is not None:
        output.print(_steps(example))
    base = f"{running.api_url}/api/v1/ai/logs"
    heading = (
        "Try next:" if kept else "Try next, after `goldseam demo --keep` (make demo ARGS=--keep):"
    )
    output.print(f"\n{heading}", style="bold")
    output.print(f"  {running.api_url}/ui/  in a browser", soft_wrap=True, highlight=False)
    identifier = example["id"] if example else "ID"
    header = "" if api.key is None else '-H "Authorization: Bearer $GOLDSEAM_API_KEY" '
    for path in ("/statistics?hours=24", "/recent?limit=5&recovered=true", f"/{identifier}"):
        output.print(f"  curl {header}'{base}{path}'", soft_wrap=True, highlight=False)
    if api.key is not None:
        output.print("  There are keys, so all of this needs one: export GOLDSEAM_API_KEY=gs_…")


def _table(summary: Summary) -> Table:
    table = Table(title="What the weather did", title_justify="left", show_header=False)
    table.add_row("calls", str(summary.calls))
    table.add_row("failed at the first try", str(summary.failed_first_try))
    table.add_row("spared a failing provider", str(summary.spared))
    for strategy, count in sorted(summary.mended.items()):
        table.add_row(f"  mended by {strategy}", f"[green]{count}[/green]")
    table.add_row("lost", f"[red]{sum(summary.lost.values())}[/red]")
    for code, count in sorted(summary.lost.items()):
        table.add_row(f"  {code}", str(count))
    table.add_row("answered", f"{summary.answered}  ({_share(summary)})")
    table.add_row("mean latency added to mended calls", f"{summary.added_latency_ms:.0f} ms")
    table.add_row(
        "requests: seen by providers / recorded",
        f"{summary.seen_by_providers} / {summary.attempts}",
    )
    seconds = summary.first_row_s
    table.add_row("first row visible after", "never" if seconds is None else f"{seconds:.1f} s")
    return table


def _share(summary: Summary) -> str:
    return f"{100 * summary.answered / summary.calls:.1f} %" if summary.calls else "none"


def _example(api: LogApi, summary: Summary) -> dict[str, Any] | None:
    """Pick the call that failed and took the most steps to mend, among the recent ones."""
    mended = api.get("/logs/recent", limit=200, since=summary.since, recovered="true")
    if not mended:
        return None
    chosen = max(
        mended, key=lambda row: (bool(row["first_error_code"]), row["recovery_steps"] or 0)
    )
    detail: dict[str, Any] = api.get(f"/logs/{chosen['id']}")
    return detail


def _steps(detail: dict[str, Any]) -> Table:
    title = (
        f"One mended call: {detail['provider_requested']}/{detail['model_requested']} failed with "
        f"{detail['first_error_code']}, answered by "
        f"{detail['provider_used']}/{detail['provider_model']} "
        f"after {detail['processing_time_ms']:.0f} ms"
    )
    table = Table(title=title, title_justify="left")
    for heading in ("step", "strategy", "action", "result", "ms"):
        table.add_column(heading, justify="right" if heading == "ms" else "left")
    for step in detail["recovery"]:
        result = "[green]mended[/green]" if step["was_successful"] else step["error_code"]
        table.add_row(
            str(step["step_number"]),
            step["strategy_name"],
            step["action_taken"],
            result,
            f"{step['recovery_time_ms']:.0f}",
        )
    return table


def _verdict(summary: Summary, calls: int) -> int:
    if summary.calls != calls:
        console.print(f"{calls} calls were made, {summary.calls} are in the tables.", style="red")
        return 1
    if summary.attempts != summary.seen_by_providers:
        console.print(
            f"The providers saw {summary.seen_by_providers} requests, the tables tell of "
            f"{summary.attempts}.",
            style="red",
        )
        return 1
    return 0


def _say(sentence: str) -> None:
    console.print(f"[dim]{sentence} …[/dim]")
