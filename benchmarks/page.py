"""Measures how soon the built-in page is painted, and drawn, over a large database.

    python benchmarks/page.py --rows 1000000

Starts a PostgreSQL of its own in a temporary folder, the API with the page, and Chromium. Times are
the browser's: first contentful paint after the navigation began, and until the last panel is drawn.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from storage_speed import rows

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve
from goldseam.grafana import ui
from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres

ADDRESSES = (
    "health",
    "health?from=now-7d",
    "requests",
    "errors",
    "recovery",
    "cost?from=now-30d",
)
REPEATS = 5

_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, open each page several times, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="calls in 30 days")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="goldseam-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as server:
            migrate.upgrade(server.url)
            tomorrow = datetime.now(UTC).date() + timedelta(days=1)
            rows.fill(server.url, rows=options.rows, until=tomorrow)
            _measure(server.url, options.rows)
    return 0


def _measure(database: str, count: int) -> None:
    app = create_app(ApiSettings(database_url=database))
    ui.install(app)
    service = serve.Service("api", app, serve.listen("127.0.0.1", 0, port_flag="--api-port"))
    print(f"{count:,} rows in 30 days, median and worst of {REPEATS}, ms\n")
    print("| page | first paint | worst | all panels drawn | worst | panels that timed out |")
    print("|---|---|---|---|---|---|")
    with serve.running([service]), sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for address in ADDRESSES:
            found = [_open(browser, f"{service.url}/ui/{address}") for _ in range(REPEATS)]
            paints, drawn, faults = zip(*found, strict=True)
            print(
                f"| {address} | {statistics.median(paints):.0f} | {max(paints):.0f} "
                f"| {statistics.median(drawn):.0f} | {max(drawn):.0f} | {max(faults)} |"
            )
            sys.stdout.flush()


def _open(browser: Browser, address: str) -> tuple[float, float, int]:
    """Open a page with an empty cache; return first paint, all drawn, faults."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    drawn = page.evaluate("() => performance.now()")
    found = (page.evaluate(_PAINT), drawn, page.locator(".fault:not(:empty)").count())
    context.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
