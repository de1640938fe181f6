"""The dashboards: committed files in step, layout sound, every query runs as `grafana_ro`."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goldseam.grafana import DASHBOARDS, Dashboard, Panel, Source, TextBox, Variable
from goldseam.grafana.dashboards import COST, HEALTH, RECOVERY
from goldseam.grafana.dashboards.sources import ANY, ROWS_UP_TO
from goldseam.grafana.emit import dashboard, text
from goldseam.grafana.macros import MacroError, expand
from goldseam.semconv import log_id
from goldseam.storage import engine, writes
from goldseam.storage.records import Batch, PatternRecord, RecoveryRecord, RequestRecord
from goldseam.storage.roles import Role

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
NOW = datetime.now(UTC)
A_TRACE = f"{3:032x}"
"""Of the call that is lost, after two steps."""

each_page = pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)


@pytest.fixture
def reader(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection as Grafana has it."""
    with engine.connect(database, Role.GRAFANA) as connection:
        connection.execute("SET search_path = reporting")
        yield connection


def request(number: int, outcome: str, *, code: str | None, **values: Any) -> RequestRecord:
    """Return the call of a trace with that number, that many minutes ago."""
    started = NOW - timedelta(minutes=number)
    row_id = log_id(int(started.timestamp() * 1e9), number, number)
    lost = outcome == "failed"
    record = RequestRecord(
        tenant_id="acme",
        created_at=started,
        id=row_id,
        request_id=str(row_id),
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        module="copilot",
        provider_requested="openai",
        provider_used="openai",
        model_requested="gpt-4o",
        status="error" if lost else "success",
        first_error_code=code,
        error_pattern=f"{code}:openai:x" if code else None,
        error_code=code if lost else None,
        recovery_outcome=outcome,
        recovery_strategy="retry" if outcome == "recovered" else None,
        recovery_time_ms=50.0 if code else None,
        retry_count=1 if code else 0,
        processing_time_ms=100.0,
        input_tokens=10,
        output_tokens=10,
        tokens_used=20,
        cost_usd=0.5,
        request_metadata={"service.version": "1.0"},
    )
    return replace(record, **values)


def step(call: RequestRecord, number: int) -> RecoveryRecord:
    """Return a recovery step of the call that did not help."""
    started = call.created_at + timedelta(milliseconds=number)
    return RecoveryRecord(
        tenant_id=call.tenant_id,
        created_at=started,
        id=log_id(int(started.timestamp() * 1e9), number, number),
        request_log_id=call.id,
        trace_id=call.trace_id,
        strategy_name="retry",
        step_number=number,
        action_taken="resend",
        was_successful=False,
        recovery_time_ms=20.0,
    )


def store(database: str, calls: list[RequestRecord], steps: list[RecoveryRecord]) -> None:
    """Store calls, steps, and the patterns that the calls mention."""
    patterns = {
        (call.tenant_id, call.error_pattern): PatternRecord(
            tenant_id=call.tenant_id,
            error_pattern=call.error_pattern,
            error_code=str(call.first_error_code),
            error_message_pattern="no answer",
            provider="openai",
            normaliser_version=1,
            probable_cause="The provider is slow.",
            suggested_action="Wait.",
        )
        for call in calls
        if call.error_pattern
    }
    with engine.connect(database, Role.WRITER) as connection:
        writes.write(connection, Batch(requests=calls, recoveries=steps, patterns=patterns), NOW)


def fill(database: str) -> None:
    """Store an answered, a mended and a lost call, with an error that no rule knows among them."""
    lost = request(3, "failed", code="TIMEOUT")
    calls = [request(1, "not_needed", code=None), request(2, "recovered", code="UNKNOWN"), lost]
    store(database, calls, [step(lost, 1), step(lost, 2)])


def run(
    connection: psycopg.Connection[Any],
    sql: str,
    variables: dict[str, list[str]],
    *,
    within: tuple[datetime, datetime] = (NOW - timedelta(hours=24), NOW + timedelta(minutes=1)),
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query as Grafana would; return column names and rows."""
    start, end = within
    interval = timedelta(minutes=1)
    statement = expand(sql, start=start, end=end, interval=interval, variables=variables)
    cursor = connection.execute(statement.encode())
    assert cursor.description is not None
    return [column.name for column in cursor.description], cursor.fetchall()


def options(connection: psycopg.Connection[Any], page: Dashboard) -> dict[str, list[str]]:
    """Every option of every variable, as with "All" chosen; in text boxes, what a link fills in."""
    return {
        variable.name: [A_TRACE if variable.name == "trace_id" else ""]
        if isinstance(variable, TextBox)
        else [row[0] for row in run(connection, variable.sql, {})[1]]
        for variable in page.variables
    }


def in_sql(page: Dashboard) -> list[Panel]:
    """The panels that read PostgreSQL."""
    return [panel for panel in page.panels if panel.source is Source.POSTGRES]


@each_page
def test_committed_file_is_up_to_date(page: Dashboard) -> None:
    """`make dashboards` would change nothing."""
    assert (FOLDER / f"{page.uid.removeprefix('goldseam-')}.json").read_text() == text(page)


@each_page
def test_layout_is_sound(page: Dashboard) -> None:
    """Ids are unique, no panel leaves the grid, none overlaps another."""
    panels = dashboard(page)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["description"].endswith("?")
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


@each_page
def test_model_is_the_classic_one(page: Dashboard) -> None:
    """No key of the newer models, and no id that would bind it to one Grafana."""
    model = json.loads(text(page))
    assert not {"id", "apiVersion", "kind", "spec", "__inputs", "__requires"} & set(model)
    choices = [each for each in model["templating"]["list"] if each["type"] == "query"]
    assert all(each["current"] == {"text": "All", "value": "$__all"} for each in choices)


def test_the_same_variables_everywhere() -> None:
    """What is chosen on one page still holds on the next: names and order are the same."""
    names = [
        tuple(variable.name for variable in page.variables if isinstance(variable, Variable))
        for page in DASHBOARDS
    ]
    known = ("provider", "model", "module", "tenant", "status")
    assert all(known[: len(each)] == each for each in names)


def test_links_lead_to_dashboards_that_exist() -> None:
    """A link is root-relative, and the dashboard behind it is one of ours."""
    pages = [page.uid for page in DASHBOARDS]
    panels = [panel for page in DASHBOARDS for panel in page.panels]
    urls = {link.url for p in panels for column in p.columns for link in column.links}
    assert len(urls) >= 3
    for url in urls:
        assert url.startswith("/explore?") or url.split("?")[0].removeprefix("/d/") in pages


def test_linked_columns_exist_in_the_query() -> None:
    """A column that has a unit or a link is selected, and so is every field in its links."""
    for page in DASHBOARDS:
        for panel in page.panels:
            for column in panel.columns:
                fields = {column.name}.union(
                    *(re.findall(r"__data\.fields\.(\w+)", link.url) for link in column.links)
                )
                assert all(field in panel.sql for field in fields), panel.title


def test_probable_cause_and_action_are_shown() -> None:
    """Health and Errors say why calls fail and what to do."""
    for uid in ("goldseam-health", "goldseam-errors"):
        (page,) = (page for page in DASHBOARDS if page.uid == uid)
        assert any(
            "probable cause" in panel.sql and "suggested action" in panel.sql
            for panel in page.panels
        )


@each_page
def test_queries_run_on_an_empty_database(reader: psycopg.Connection[Any], page: Dashboard) -> None:
    """A new installation shows no error: tables have no rows, text boxes are empty."""
    chosen = options(reader, page) | {"id": [""], "trace_id": [""]}
    for panel in in_sql(page):
        names, rows = run(reader, panel.sql, chosen)
        assert names, panel.title
        assert all(value in (None, 0) for row in rows for value in row), panel.title
    for annotation in page.annotations:
        assert run(reader, annotation.sql, chosen)[1] == []


@each_page
def test_queries_fit_their_panels(
    database: str, reader: psycopg.Connection[Any], page: Dashboard
) -> None:
    """With rows, every panel shows something of the kind that it draws."""
    fill(database)
    chosen = options(reader, page)
    for panel in in_sql(page):
        names, rows = run(reader, panel.sql, chosen)
        assert rows, panel.title
        assert all(column.name in names for column in panel.columns), panel.title
        if panel.kind == "stat":
            assert len(names) == 1
            assert isinstance(rows[0][0], int | float | Decimal), panel.title
        if panel.format == "time_series":
            times = [row[names.index("time")] for row in rows]
            assert times == sorted(times), panel.title
    for annotation in page.annotations:
        names, _ = run(reader, annotation.sql, chosen)
        assert names == ["time", "timeend", "text", "tags"]


@each_page
def test_queries_heed_the_chosen_tenant(
    database: str, reader: psycopg.Connection[Any], page: Dashboard
) -> None:
    """Another tenant's choice shows nothing of this one's calls."""
    fill(database)
    chosen = options(reader, page) | {"tenant": ["globex"], "trace_id": ["0"]}
    for panel in in_sql(page):
        _, rows = run(reader, panel.sql, chosen)
        assert all(value in (None, 0) for row in rows for value in row), panel.title


def value(
    connection: psycopg.Connection[Any], page: Dashboard, title: str, **chosen: list[str]
) -> Any:
    """What a panel with one figure shows."""
    (panel,) = (panel for panel in page.panels if panel.title == title)
    ((found,),) = run(connection, panel.sql, options(connection, page) | chosen)[1]
    return found


DAYS = 70

MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


class TestRanges:
    """Whatever a range is read from, what it shows is what the rows say."""

    @pytest.fixture
    def reader(self, database: str, reader: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        """A database with some calls a day, at odd times, for longer than any graph reads hours."""
        outcomes = (("not_needed", None), ("recovered", "TIMEOUT"), ("failed", "OVERLOADED"))
        calls = [
            request(
                number,
                outcomes[number % 3][0],
                code=outcomes[number % 3][1],
                created_at=NOW - number * timedelta(hours=7, minutes=13),
                tenant_id=("acme", "globex")[number % 2],
                model_requested=("gpt-4o", "o3")[number // 2 % 2],
            )
            for number in range(DAYS * 24 // 8)
        ]
        store(database, calls, [])
        return reader

    RANGES = pytest.mark.parametrize(
        ("start", "end"),
        [
            (NOW - timedelta(minutes=20), NOW + timedelta(minutes=1)),
            (NOW - timedelta(hours=9), NOW),
            (NOW - timedelta(hours=30), NOW - timedelta(hours=2)),
            (NOW - timedelta(days=5, minutes=17), NOW),
            (MIDNIGHT - timedelta(days=3), MIDNIGHT),
            (NOW - timedelta(days=69), NOW - timedelta(days=1)),
            (MIDNIGHT - timedelta(days=65), MIDNIGHT),
        ],
        ids=["minutes", "hours", "over midnight", "days", "whole days", "months", "whole months"],
    )
    CHOICES: tuple[dict[str, list[str]], ...] = (
        {},
        {"tenant": ["acme"]},
        {"model": ["o3"]},
        {"tenant": ["globex"], "model": ["gpt-4o"]},
    )

    @RANGES
    def test_figures_are_those_of_the_rows(
        self, reader: psycopg.Connection[Any], start: datetime, end: datetime
    ) -> None:
        """Calls, lost calls and first failures, to the call, and the slower calls within 5 %."""
        for chosen in self.CHOICES:
            self.compare(reader, start, end, chosen)

    def compare(
        self,
        reader: psycopg.Connection[Any],
        start: datetime,
        end: datetime,
        chosen: dict[str, list[str]],
    ) -> None:
        """Compare what Health shows for a choice with what the rows say."""
        ((calls, lost, at_once, met, p95),) = reader.execute(
            "SELECT count(*), count(*) FILTER (WHERE status = 'error'),"
            " count(*) FILTER (WHERE first_error_code IS NULL),"
            " count(*) FILTER (WHERE first_error_code IS NOT NULL), max(processing_time_ms)"
            " FROM ai_request_logs WHERE created_at BETWEEN %s AND %s"
            " AND (%s::text[] IS NULL OR tenant_id = ANY(%s))"
            " AND (%s::text[] IS NULL OR model_requested = ANY(%s))",
            [start, end, *[chosen.get("tenant")] * 2, *[chosen.get("model")] * 2],
        ).fetchall()
        shown = self.panels(reader, start, end, chosen)

        assert shown("Calls") == [(calls,)]
        assert shown("Lost") == [(pytest.approx(100 * lost / calls) if calls else None,)]
        assert sum(row[1] for row in shown("What fails first")) == met
        assert sum(row[2] for row in shown("What to do")) == met
        assert [row[0] for row in shown("95th percentile")] == (
            [pytest.approx(p95, rel=0.05)] if calls else []
        )
        if self.in_whole_buckets(start, end):
            graph = Counter[str]()
            for _, name, number in shown("Outcomes"):
                graph[name] += number
            assert graph["lost"] == lost
            assert graph["answered at once"] == at_once

    @staticmethod
    def panels(
        reader: psycopg.Connection[Any],
        start: datetime,
        end: datetime,
        chosen: dict[str, list[str]],
    ) -> Callable[[str], list[tuple[Any, ...]]]:
        """Return what tells the rows of a panel of Health by its title."""
        variables = {name: [ANY] for name in ("provider", "model", "module", "tenant")} | chosen

        def shown(title: str) -> list[tuple[Any, ...]]:
            (panel,) = (panel for panel in HEALTH.panels if panel.title == title)
            return run(reader, panel.sql, variables, within=(start, end))[1]

        return shown

    @staticmethod
    def in_whole_buckets(start: datetime, end: datetime) -> bool:
        """Whether a graph of the range counts all of its calls and no other."""
        return end - start <= ROWS_UP_TO or start.hour == start.minute == end.hour == 0

    def test_long_ranges_read_few_rows(self, reader: psycopg.Connection[Any]) -> None:
        """Only the rows of the first and the last hour are looked at, for any panel of Health."""
        within = (NOW - timedelta(days=60, minutes=7), NOW)
        variables = {name: [ANY] for name in ("provider", "model", "module", "tenant")}
        reader.execute("SET enable_seqscan = off")  # a table as small as this would be read whole
        for panel in HEALTH.panels:
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {panel.sql}"
            ((((plan,),),),) = (run(reader, explain, variables, within=within)[1],)
            assert rows_read(plan["Plan"]) <= 2, panel.title


def rows_read(plan: dict[str, Any]) -> float:
    """How many rows of `ai_request_logs` a plan looked at, those that it left out too."""
    found = sum(rows_read(part) for part in plan.get("Plans", ()))
    if not plan.get("Relation Name", "").startswith("ai_request_logs"):
        return found
    looked_at = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return float(found + looked_at * plan["Actual Loops"])


def test_lost_share_is_right(database: str, reader: psycopg.Connection[Any]) -> None:
    """One lost call of three is a third."""
    fill(database)
    assert value(reader, HEALTH, "Lost") == pytest.approx(100 / 3)


def test_mended_share_is_right(database: str, reader: psycopg.Connection[Any]) -> None:
    """Of two calls that failed at first, one was mended."""
    fill(database)
    assert value(reader, RECOVERY, "Mended of all failures") == 50


def test_wasted_share_is_right(database: str, reader: psycopg.Connection[Any]) -> None:
    """One of three equally dear calls gave no answer."""
    fill(database)
    assert value(reader, COST, "Wasted") == pytest.approx(100 / 3)


def test_all_counts_what_the_list_has_no_room_for(
    database: str, reader: psycopg.Connection[Any]
) -> None:
    """The option that stands for anything is in every list, and lets names through that are not."""
    fill(database)
    assert all(ANY in chosen for chosen in options(reader, HEALTH).values())
    assert value(reader, HEALTH, "Calls", tenant=[ANY, "globex"]) == 3


def marks(connection: psycopg.Connection[Any], name: str) -> list[tuple[Any, ...]]:
    """The rows of an annotation."""
    (annotation,) = (each for each in HEALTH.annotations if each.name == name)
    return run(connection, annotation.sql, {})[1]


def test_a_new_version_is_marked_once(database: str, reader: psycopg.Connection[Any]) -> None:
    """A version that was there before the range is not new; the mark is at its first call."""
    old = request(25 * 60, "not_needed", code=None)
    versions = [{"service.version": version} for version in ("1.0", "1.1", "1.1")]
    later = [
        request(number, "not_needed", code=None, request_metadata=version)
        for number, version in zip((30, 20, 10), versions, strict=True)
    ]
    store(database, [old, *later], [])
    assert marks(reader, "New versions") == [(later[1].created_at, None, "unknown 1.1", "version")]


def test_an_outage_is_marked_from_start_to_end(
    database: str, reader: psycopg.Connection[Any]
) -> None:
    """Ten minutes in which a provider fails are one mark; wrong requests are none."""
    slice_ = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    down = [
        request(200 + n, "failed", code="CONNECTION", created_at=slice_ + timedelta(seconds=25 * n))
        for n in range(24)
    ]
    asked_wrongly = [
        request(300 + n, "failed", code="INVALID_REQUEST", created_at=slice_ - timedelta(minutes=9))
        for n in range(12)
    ]
    store(database, [*down, *asked_wrongly], [])
    ((start, end, text_, tags),) = marks(reader, "Provider outages")
    assert (start, end) == (slice_, slice_ + timedelta(minutes=10))
    assert (text_, tags) == ("openai fails most calls", "outage,openai")


class TestMacros:
    """Expansion as Grafana does it."""

    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            (
                "$__timeFilter(c)",
                "c BETWEEN '2026-11-22T08:00:00.000000Z' AND '2026-11-22T14:00:00.000000Z'",
            ),
            (
                "$__timeGroupAlias(c, $__interval)",
                'floor(extract(epoch from c)/60)*60 AS "time"',
            ),
            ("$__timeGroup(c, '5m')", "floor(extract(epoch from c)/300)*300"),
            ("ARRAY[${tenant:sqlstring}]", "ARRAY['o''brien','b']"),
        ],
    )
    def test_golden(self, sql: str, expected: str) -> None:
        """Each form that panels use."""
        assert self.expand(sql) == expected

    @pytest.mark.parametrize(
        "sql", ["$__nonsense(c)", "$tenant", "${tenant}", "${other:sqlstring}"]
    )
    def test_other_forms_are_refused(self, sql: str) -> None:
        """What Grafana would not expand, or would quote differently, is an error here."""
        with pytest.raises(MacroError):
            self.expand(sql)

    @staticmethod
    def expand(sql: str) -> str:
        """Expand over a known range."""
        return expand(
            sql,
            start=datetime(2026, 11, 22, 8, tzinfo=UTC),
            end=datetime(2026, 11, 22, 14, tzinfo=UTC),
            interval=timedelta(minutes=1),
            variables={"tenant": ["o'brien", "b"]},
        )
