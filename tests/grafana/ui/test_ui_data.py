"""What the page is told: every panel's result, within its tenant, and nothing for bad addresses."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from goldseam.api import ApiSettings, create_app
from goldseam.grafana import ui
from goldseam.grafana.panels import Source, Variable
from goldseam.grafana.ui.app import CONTENT_SECURITY_POLICY
from goldseam.grafana.ui.pages import CALLS, PAGES

from .conftest import MakeKey, Site

Ask = Callable[..., Any]

each_page = pytest.mark.parametrize("slug", PAGES)


def fetch(url: str, key: str | None = None) -> tuple[int, dict[str, str], str]:
    """GET an address; return status, headers in lower case, and text."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return (
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                answer.read().decode(),
            )
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}, error.read().decode()


def asking(site: Site) -> Ask:
    """Return what GETs a path below `/ui/data/` as JSON, with a key and parameters."""

    def call(path: str, *, key: str | None = None, status: int = 200, **parameters: Any) -> Any:
        query = urlencode({name.replace("_", "-"): v for name, v in parameters.items()}, doseq=True)
        found, _, text = fetch(f"{site.url}/ui/data/{path}?{query}", key)
        assert found == status, text
        return json.loads(text)

    return call


@pytest.fixture
def ask(site: Site) -> Ask:
    """Ask the open server over a day of calls."""
    return asking(site)


@pytest.fixture
def ask_keyed(keyed_site: Site) -> Ask:
    """Ask the server that asks for keys."""
    return asking(keyed_site)


def panel_numbers(slug: str) -> list[int]:
    """The panels of a page that read the tables."""
    panels = enumerate(PAGES[slug].panels, start=1)
    return [number for number, panel in panels if panel.source is Source.POSTGRES]


class TestPanels:
    """Results of panels."""

    @each_page
    def test_empty_database_has_empty_panels(self, empty_site: Site, slug: str) -> None:
        """A new installation shows no error and no figures."""
        ask = asking(empty_site)
        for number in panel_numbers(slug):
            found = ask(f"{slug}/panels/{number}")
            values = [value for row in found.get("rows", []) for value in row]
            assert all(value in (None, 0) for value in values)
            assert not found.get("series")

    @pytest.mark.parametrize("slug", [slug for slug in PAGES if slug not in {"request", "error"}])
    def test_full_database_fills_every_panel(self, ask: Ask, slug: str) -> None:
        """With a day of calls each panel on the tables shows something."""
        for number in panel_numbers(slug):
            found = ask(f"{slug}/panels/{number}")
            assert found.get("rows") or found.get("series"), (slug, number)

    def test_a_graph_has_one_value_for_each_time(self, ask: Ask) -> None:
        """Lines of counts cover the whole range, and nothing is 0."""
        found = ask("health/panels/5", **{"from": "now-26h"})
        assert len(found["times"]) == pytest.approx(104, abs=1)
        assert all(len(each["values"]) == len(found["times"]) for each in found["series"])
        assert all(value is not None for each in found["series"] for value in each["values"])
        counted = sum(sum(each["values"]) for each in found["series"])
        assert counted == ask("health/panels/1", **{"from": "now-26h"})["rows"][0][0]

    def test_variables_narrow(self, ask: Ask) -> None:
        """What is chosen in the address holds for the query."""
        day = {"from": "now-26h"}
        whole = ask("health/panels/1", **day)["rows"][0][0]
        parts = [
            ask("health/panels/1", var_provider=provider, **day)["rows"][0][0]
            for provider in ask("health/variables/provider")["options"]
        ]
        assert len(parts) == 3
        assert all(0 < part < whole for part in parts)
        assert sum(parts) == whole

    def test_hostile_values_are_values(self, ask: Ask) -> None:
        """A quote, a backslash or a dollar in the address is part of a name, never of the SQL."""
        for value in ("' OR true --", "\\' OR true --", "$__timeFilter(x)", "${provider}", "%s"):
            assert ask("health/panels/1", var_provider=value)["rows"] == [[0]]
            assert ask(f"requests/panels/{TestCalls.NUMBER}", var_find=value)["rows"] == []

    def test_marks_tell_of_new_versions(self, ask: Ask) -> None:
        """Versions that the day before did not have are marked."""
        found = {mark["text"] for mark in ask("health/marks")["marks"]}
        assert {"shop 2.4.0", "shop 2.4.1"} <= found


class TestCalls:
    """The list of calls."""

    NUMBER = 1 + PAGES["requests"].panels.index(CALLS)

    def rows(self, ask: Ask, **parameters: Any) -> list[dict[str, Any]]:
        """The list's rows by column."""
        found = ask(f"requests/panels/{self.NUMBER}", **{"from": "now-26h"}, **parameters)
        names = [column["name"] for column in found["columns"]]
        return [dict(zip(names, row, strict=True)) for row in found["rows"]]

    def test_pages_meet_without_gap_or_overlap(self, ask: Ask) -> None:
        """Following the position to the end gives every call once."""
        seen: list[str] = []
        before = ""
        while True:
            rows = self.rows(ask, var_before=before)
            seen += [row["id"] for row in rows[:100]]
            if len(rows) <= 100:
                break
            before = rows[99]["position"]
        assert (
            len(seen)
            == len(set(seen))
            == (ask("health/panels/1", **{"from": "now-26h"})["rows"][0][0])
        )

    @pytest.mark.parametrize("outcome", ["answered at once", "mended", "lost"])
    def test_outcome_filters(self, ask: Ask, outcome: str) -> None:
        """Only calls with the chosen outcome are listed."""
        found = self.rows(ask, var_outcome=outcome)
        assert found
        assert {row["outcome"] for row in found} == {outcome}

    def test_find_knows_ids_and_words(self, ask: Ask) -> None:
        """An id finds its call, a word of a message those that failed with it."""
        lost = self.rows(ask, var_outcome="lost", var_error="CONTEXT_LENGTH")
        assert lost
        assert self.rows(ask, var_find=lost[0]["id"]) == lost[:1]
        assert self.rows(ask, var_find="Maximum CONTEXT") == lost


class TestTenancy:
    """A key sees its own tenant, whatever the address says."""

    @each_page
    def test_no_panel_shows_another_tenant(
        self, ask: Ask, ask_keyed: Ask, make_key: MakeKey, slug: str
    ) -> None:
        """Every panel, variable and mark of every page, asked for the other tenant by name."""
        number = TestCalls.NUMBER
        others = ask(f"requests/panels/{number}", var_tenant="globex", var_outcome="lost")
        names = [column["name"] for column in others["columns"]]
        theirs = dict(zip(names, others["rows"][0], strict=True))
        key = make_key("acme")
        wanted = {"var_tenant": "globex"} | (
            {"var_id": theirs["id"], "var_trace_id": theirs["trace_id"]}
            if slug == "request"
            else {}
        )
        answers = [
            ask_keyed(f"{slug}/panels/{number}", key=key, **parameters)
            for number in panel_numbers(slug)
            for parameters in ({}, wanted)
        ]
        answers += [
            ask_keyed(f"{slug}/variables/{variable.name}", key=key)
            for variable in PAGES[slug].variables
            if isinstance(variable, Variable)
        ]
        answers.append(ask_keyed(f"{slug}/marks", key=key))
        text = json.dumps(answers)
        assert "globex" not in text
        assert theirs["trace_id"] not in text

    def test_tenants_add_up_to_the_whole(self, ask: Ask, ask_keyed: Ask, make_key: MakeKey) -> None:
        """Each key counts its own calls, and a key still has options to choose from."""
        whole = ask("health/panels/1", **{"from": "now-26h"})["rows"][0][0]
        parts = {
            tenant: ask_keyed("health/panels/1", key=make_key(tenant), **{"from": "now-26h"})
            for tenant in ("acme", "globex")
        }
        counts = {tenant: found["rows"][0][0] for tenant, found in parts.items()}
        assert sum(counts.values()) == whole
        assert 0 < counts["globex"] < counts["acme"]
        key = make_key("globex")
        assert ask_keyed("health/variables/provider", key=key)["options"]
        assert ask_keyed("health/variables/tenant", key=key)["options"] == ["globex"]

    def test_results_need_a_key_that_may_read(self, ask_keyed: Ask, make_key: MakeKey) -> None:
        """All three scopes for reading are needed; without a key there is nothing."""
        ask_keyed("health/panels/1", key=make_key("acme"))
        ask_keyed("health/panels/1", key=make_key("acme", "logs:read", "stats:read"), status=403)
        ask_keyed("health/panels/1", key="gs_live_x_y", status=401)
        ask_keyed("health/panels/1", status=401)

    def test_pages_hold_no_data(self, keyed_site: Site) -> None:
        """The HTML is there without a key, the same for everybody."""
        status, _, text = fetch(f"{keyed_site.url}/ui/requests")
        assert status == 200
        assert not {"acme", "globex"} & set(re.findall(r"\w+", text))


class TestAddresses:
    """What is wrong in an address is said."""

    @pytest.mark.parametrize(
        "parameters",
        [
            {"from": "yesterday"},
            {"from": "now", "to": "now-1h"},
            {"from": "now-399d", "to": "9999999999999"},
            {"var_provider": "x" * 300},
            {"var_provider": "a\0b"},
        ],
        ids=["word", "backwards", "too long", "long value", "nul"],
    )
    def test_wrong_parameters_are_named(self, ask: Ask, parameters: dict[str, str]) -> None:
        """The answer is 422 and says what to correct."""
        assert ask("health/panels/1", status=422, **parameters)["invalid_parameters"]

    @pytest.mark.parametrize("path", ["none/panels/1", "health/panels/99", "pipeline/panels/1"])
    def test_unknown_panels_are_not_found(self, ask: Ask, path: str) -> None:
        """Also a panel that does not read the tables."""
        ask(path, status=404)

    @each_page
    def test_pages_allow_nothing_but_their_own_files(self, site: Site, slug: str) -> None:
        """The policy is strict, and no script or style stands in the HTML."""
        status, headers, text = fetch(f"{site.url}/ui/{slug}")
        assert status == 200
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert "unsafe" not in CONTENT_SECURITY_POLICY
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?![^>]*(src=|application/json))", text
        )

    def test_files_are_kept_and_change_their_address(self, site: Site) -> None:
        """Each file of a page exists and may be kept for ever; another version is none of ours."""
        _, _, text = fetch(f"{site.url}/ui/health")
        paths = set(re.findall(r'(?:src|href)="(static/[^"]+)"', text))
        assert len(paths) >= 5
        for path in paths:
            status, headers, _ = fetch(f"{site.url}/ui/{path}")
            assert status == 200
            assert "immutable" in headers["cache-control"]
        assert fetch(f"{site.url}/ui/static/0/page.js")[0] == 404

    @pytest.mark.parametrize("path", ["/", "/ui", "/ui/"])
    def test_the_root_leads_to_health(self, site: Site, path: str) -> None:
        """Whoever types the bare address sees something."""
        _, _, text = fetch(site.url + path)
        assert "<title>Health · Goldseam</title>" in text

    @pytest.mark.parametrize("path", ["/", "/ui", "/ui/"])
    def test_the_root_may_be_below_a_path(self, site: Site, path: str) -> None:
        """Behind a proxy that cuts off a path, the way to Health does not leave that path."""
        below = FastAPI()
        below.mount("/goldseam", create_app_with_page(site))
        with TestClient(below, base_url="http://127.0.0.1", follow_redirects=False) as client:
            answer = client.get(f"/goldseam{path}")
        assert urljoin(f"/goldseam{path}", answer.headers["location"]) == "/goldseam/ui/health"


def create_app_with_page(site: Site) -> FastAPI:
    """An application with the API and the page."""
    app = create_app(ApiSettings(database_url=site.database))
    ui.install(app)
    return app
