"""Takes the pictures in `docs/images`: every page of `/ui` over a made-up day, in Chromium.

    python tests/grafana/ui/pictures.py docs/images

Starts a PostgreSQL in a temporary folder and a server over it; needs Chromium.
"""

import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from day import batch  # type: ignore[import-not-found, unused-ignore] # beside this program
from playwright.sync_api import Browser, sync_playwright

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve
from goldseam.grafana import ui
from goldseam.storage import engine, migrate, writes
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.roles import Role

CALLS = 9_000
SIZE = {"width": 1280, "height": 960}


def main() -> None:
    """Fill a database, serve it, take the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="goldseam-") as place:
        Path(place).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(place)) as server:
            migrate.upgrade(server.url)
            now = datetime.now(UTC)
            with engine.connect(server.url, Role.WRITER) as connection:
                writes.write(connection, batch(now, calls=CALLS), now)
            app = create_app(ApiSettings(database_url=server.url, api_statement_timeout_s=20))
            ui.install(app)
            listener = serve.listen("127.0.0.1", 0, port_flag="--api-port")
            service = serve.Service("api", app, listener)
            with serve.running([service]):
                take(service.url, folder)


def take(url: str, folder: Path) -> None:
    """Take each page in light, and two in dark."""
    call, pattern = (
        _call(url),
        _get(url, "/api/v1/ai/logs/errors/top?limit=1&tenant_id=acme")[0]["pattern_id"],
    )
    pages = {
        "health": "health",
        "requests": "requests",
        "request": f"request?var-id={call}",
        "errors": "errors",
        "error": f"error?var-id={pattern}",
        "recovery": "recovery",
        "cost": "cost?from=now-24h",
        "pipeline": "pipeline",
    }
    with sync_playwright() as driver:
        chromium = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in pages.items():
            _picture(browser, "light", f"{url}/ui/{path}", folder / f"ui-{name}.png")
        for name in ("health", "recovery"):
            _picture(browser, "dark", f"{url}/ui/{pages[name]}", folder / f"ui-{name}-dark.png")
        browser.close()


def _picture(browser: Browser, scheme: Any, address: str, path: Path) -> None:
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type] # a plain dictionary
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.screenshot(path=path)
    context.close()
    sys.stdout.write(f"{path}\n")


def _call(url: str) -> str:
    """Return the id of a call that was mended in the most steps."""
    rows = _get(url, "/api/v1/ai/logs/recent?limit=500&recovered=true")
    return str(max(rows, key=lambda row: row["recovery_steps"] or 0)["id"])


def _get(url: str, path: str) -> Any:
    with urlopen(f"{url}{path}", timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
