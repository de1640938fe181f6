"""The page in a real Chromium: every page, the way from a failure to its fix, keyboard, themes."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from goldseam.grafana.ui.pages import PAGES
from goldseam.storage import engine, writes
from goldseam.storage.records import Batch
from goldseam.storage.roles import Role

from .conftest import MakeKey, Site
from .day import batch

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(__file__).with_name("vendor") / "axe.min.js"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

Open = Callable[..., Page]

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this file."""
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of the test's own."""
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def open_page(context: BrowserContext) -> Iterator[Open]:
    """Open a page and wait until all of it is drawn; faults and requests elsewhere fail the test.

    `faults` are statuses that the test expects.
    """
    wrong: list[str] = []
    expected: set[int] = set()
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text) if message.type in {"error", "warning"} else None
        ),
    )

    def call(site: Site, path: str, *, faults: tuple[int, ...] = (), ready: bool = True) -> Page:
        expected.update(faults)
        page.on(
            "request",
            lambda request: (
                wrong.append(request.url) if not request.url.startswith(site.url) else None
            ),
        )
        page.goto(f"{site.url}/ui/{path}")
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    yield call
    unexpected = [each for each in wrong if not any(f"status of {s}" in each for s in expected)]
    assert not unexpected


def ask(site: Site, path: str) -> Any:
    """GET JSON from the server."""
    with urlopen(f"{site.url}{path}", timeout=10) as answer:
        return json.load(answer)


def a_call(site: Site, **chosen: str) -> dict[str, Any]:
    """One call of the list, by column."""
    number = next(n for n, p in enumerate(PAGES["requests"].panels, start=1) if p.title == "Calls")
    query = "&".join(f"var-{name}={value}" for name, value in chosen.items())
    found = ask(site, f"/ui/data/requests/panels/{number}?from=now-26h&{query}")
    names = [column["name"] for column in found["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in found["rows"]]
    return max(rows, key=lambda row: row["steps"] or 0)


def a_pattern(site: Site) -> str:
    """The id of the pattern that most calls met."""
    (top,) = ask(site, "/api/v1/ai/logs/errors/top?limit=1")
    return str(top["pattern_id"])


def address(site: Site, slug: str) -> str:
    """Return the address of a page that shows something."""
    if slug == "request":
        return f"request?var-id={a_call(site, outcome='mended')['id']}"
    return f"error?var-id={a_pattern(site)}" if slug == "error" else f"{slug}?"


@pytest.mark.parametrize("slug", PAGES)
class TestEveryPage:
    """What holds for each page."""

    def test_draws_without_a_fault(self, site: Site, open_page: Open, slug: str) -> None:
        """No error in the console, no request elsewhere, no panel that waits or failed."""
        page = open_page(site, address(site, slug))
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator('[aria-busy="true"]')).to_have_count(0)
        expect(page.locator(".fault:not(:empty)")).to_have_count(0)

    def test_is_accessible(self, site: Site, open_page: Open, slug: str) -> None:
        """Axe finds nothing critical and nothing serious, contrast included."""
        page = open_page(site, address(site, slug) + "&from=now-1h")
        page.evaluate(AXE.read_text())
        schemes: tuple[Any, ...] = ("light", "dark")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = page.evaluate(
                "rules => axe.run(rules)",
                {"runOnly": ["color-contrast"]} if scheme == "dark" else {},
            )
            assert found["passes"]
            assert [
                (each["id"], [node["html"][:200] for node in each["nodes"]][:3])
                for each in found["violations"]
                if each["impact"] in {"critical", "serious"}
            ] == []

    def test_empty_database_says_what_to_do(
        self, empty_site: Site, open_page: Open, slug: str
    ) -> None:
        """A new installation shows sentences, not faults."""
        page = open_page(empty_site, slug)
        expect(page.locator(".fault:not(:empty)")).to_have_count(0)
        expect(page.locator(".empty, .story").first).to_be_visible()


def test_from_health_to_the_fix(own_site: Site, open_page: Open) -> None:
    """Health → a failed call → its recovery steps → its error → the correction is on."""
    lost = a_call(own_site, outcome="lost", error="OVERLOADED")
    page = open_page(own_site, "health?from=now-26h")
    page.get_by_role("link", name=re.compile("Lost: show these calls")).click()
    expect(page).to_have_url(re.compile(r"requests\?.*var-outcome=lost"))
    page.get_by_label("Find").fill(lost["id"])
    page.keyboard.press("Enter")
    expect(page.locator("#panel-4 tbody tr")).to_have_count(1)
    page.locator("#panel-4 tbody tr").get_by_role("link").click()
    expect(page.locator(".story")).to_contain_text("failed with OVERLOADED")
    expect(page.locator(".waterfall .step")).to_have_count(1 + lost["steps"])
    page.locator("#panel-7").get_by_role("link", name="OVERLOADED").click()
    expect(page.locator(".suggestions li").first).to_be_visible()
    page.get_by_text("Switch one on without evidence").click()
    page.get_by_label("Provider to ask").fill("ollama")
    page.get_by_label("Reason").fill("openai is down")
    page.locator(".anyway").get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    (correction,) = ask(own_site, "/api/v1/ai/recovery/playbook")["corrections"]
    assert correction["config"] == {"strategy": "fallback", "provider": "ollama"}
    page.get_by_role("switch").click()
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    assert ask(own_site, "/api/v1/ai/recovery/playbook")["corrections"] == []


def mended_at_once(now: datetime) -> Batch:
    """Some days of overloaded calls that the first step mended."""
    found = Batch()
    for seed in range(20, 32):
        day = batch(now, seed=seed)
        calls = {
            call.id: call
            for call in day.requests
            if (call.first_error_code, call.recovery_steps) == ("OVERLOADED", 1)
            and call.recovery_outcome == "recovered"
        }
        found.requests.extend(calls.values())
        found.patterns.update(day.patterns)
        found.recoveries.extend(s for s in day.recoveries if s.request_log_id in calls)
    return found


def test_what_has_helped_is_switched_on(own_site: Site, open_page: Open) -> None:
    """Where the rows prove a remedy, one button switches it on, with its grounds beside it."""
    now = datetime.now(UTC)
    with engine.connect(own_site.database, Role.WRITER) as connection:
        writes.write(connection, mended_at_once(now), now)
    top = ask(own_site, "/api/v1/ai/logs/errors/top?limit=20")
    overloaded = next(each for each in top if each["error_code"] == "OVERLOADED")
    page = open_page(own_site, f"error?var-id={overloaded['pattern_id']}")
    remedy = page.locator(".actions li").filter(has=page.get_by_role("button", name="Switch on"))
    expect(remedy.first).to_contain_text(re.compile(r"It helped in \d+ to \d+ % of \d+ tries"))
    remedy.first.get_by_role("button").click()
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    (correction,) = ask(own_site, "/api/v1/ai/recovery/playbook")["corrections"]
    assert correction["config"]["strategy"] == "retry"


def test_filters_by_keyboard_are_in_the_address(site: Site, open_page: Open) -> None:
    """Without a mouse: open the list of providers, tick one, apply; a reload shows the same."""
    page = open_page(site, "health")
    whole = page.locator("#panel-1 .value").inner_text()
    page.locator("summary", has_text="Provider").focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("checkbox", name="anthropic")
    expect(box).to_be_visible()
    while not box.evaluate("box => box === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Apply").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("var-provider=anthropic"))
    expect(page.locator("#panel-1 .value")).not_to_have_text(whole)
    narrowed = page.locator("#panel-1 .value").inner_text()
    page.reload()
    expect(page.locator("#panel-1 .value")).to_have_text(narrowed)
    page.get_by_role("link", name="Recovery").click()
    expect(page).to_have_url(re.compile("recovery.*var-provider=anthropic"))


def test_a_drawn_range_is_in_the_address(site: Site, open_page: Open) -> None:
    """Drawing over a graph narrows the range; going back widens it again."""
    page = open_page(site, "health")
    box = page.locator("#panel-5 .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 40, steps=3)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d{13}&to=\d{13}"))
    expect(page.get_by_label("Time range")).to_have_value("custom")
    page.go_back()
    expect(page.get_by_label("Time range")).to_have_value("now-24h")


def test_theme_follows_the_system_until_one_is_chosen(site: Site, open_page: Open) -> None:
    """A chosen theme stays after a reload."""
    dark, light = "rgb(20, 20, 20)", "rgb(247, 245, 241)"
    page = open_page(site, "pipeline")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.get_by_label("Theme").select_option("light")
    expect(page.locator("body")).to_have_css("background-color", light)
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", light)


def test_new_calls_appear_by_themselves(own_site: Site, open_page: Open) -> None:
    """A call that is stored while the page is open is counted without a reload."""
    page = open_page(own_site, "health?refresh=1s")
    before = int(page.locator("#panel-1 .value").inner_text().replace(",", ""))
    hostile = '<img src=x onerror="alert(1)">'
    now = datetime.now(UTC)
    made = batch(now, calls=40, seed=5)
    calls = [
        replace(call, module=hostile, first_error_code=None, error_pattern=None)
        for call in made.requests
    ]
    with engine.connect(own_site.database, Role.WRITER) as connection:
        writes.write(connection, Batch(requests=calls), now)
    expect(page.locator("#panel-1 .value")).not_to_have_text(f"{before:,}")
    page.get_by_role("link", name="Requests").click()
    expect(page.get_by_role("cell", name=hostile).first).to_be_visible()


def test_a_key_is_asked_for(keyed_site: Site, make_key: MakeKey, open_page: Open) -> None:
    """A wrong key is refused in words; a right one opens its tenant's calls, in this tab."""
    page = open_page(keyed_site, "health", ready=False, faults=(401,))
    expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
    page.get_by_label("Key").fill("gs_live_no_key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("opens nothing")
    page.get_by_label("Key").fill(make_key("globex"))
    page.keyboard.press("Enter")
    expect(page.locator("#session")).to_contain_text("Tenant globex")
    expect(page.locator("#panel-1 .value")).to_be_visible()


def test_older_calls_are_added_to_the_list(site: Site, open_page: Open) -> None:
    """The button under the list shows the next hundred."""
    page = open_page(site, "requests?from=now-26h")
    expect(page.locator("#panel-4 tbody tr")).to_have_count(100)
    page.get_by_role("button", name="Older calls").click()
    expect(page.locator("#panel-4 tbody tr")).to_have_count(200)
