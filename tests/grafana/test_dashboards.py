"""The dashboards: committed files in step, layout sound, every query runs as `grafana_ro`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goldseam.grafana import DASHBOARDS, Dashboard, Panel
from goldseam.grafana.emit import dashboard, text
from goldseam.grafana.macros import MacroError, expand
from goldseam.semconv import log_id
from goldseam.storage import engine, writes
from goldseam.storage.records import Batch, RequestRecord
from goldseam.storage.roles import Role

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
NOW = datetime.now(UTC)
PANELS = [(page, panel) for page in DASHBOARDS for panel in page.panels]
IDS = [f"{page.uid}:{panel.title}" for page, panel in PANELS]


@pytest.fixture
def reader(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection as Grafana has it."""
    with engine.connect(database, Role.GRAFANA) as connection:
        connection.execute("SET search_path = reporting")
        yield connection


def fill(database: str) -> None:
    """Store an answered, a mended and a lost call."""
    rows = []
    for number, (status, outcome) in enumerate(
        [("success", "not_needed"), ("success", "recovered"), ("error", "failed")]
    ):
        started = NOW - timedelta(minutes=10 * (number + 1))
        row_id = log_id(int(started.timestamp() * 1e9), number + 1, number + 1)
        failed = outcome != "not_needed"
        rows.append(
            RequestRecord(
                tenant_id="acme",
                created_at=started,
                id=row_id,
                request_id=str(row_id),
                trace_id=f"{number + 1:032x}",
                span_id=f"{number + 1:016x}",
                module="copilot",
                provider_used="openai",
                model_requested="gpt-4o",
                status=status,  # type: ignore[arg-type]
                first_error_code="TIMEOUT" if failed else None,
                error_code="TIMEOUT" if status == "error" else None,
                recovery_outcome=outcome,
                processing_time_ms=100.0,
            )
        )
    with engine.connect(database, Role.WRITER) as connection:
        writes.write(connection, Batch(requests=rows), NOW)


def run(
    connection: psycopg.Connection[Any], sql: str, variables: dict[str, list[str]]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query as Grafana would; return column names and rows."""
    statement = expand(
        sql,
        start=NOW - timedelta(hours=24),
        end=NOW + timedelta(minutes=1),
        interval=timedelta(minutes=1),
        variables=variables,
    )
    cursor = connection.execute(statement.encode())
    assert cursor.description is not None
    return [column.name for column in cursor.description], cursor.fetchall()


def options(connection: psycopg.Connection[Any], page: Dashboard) -> dict[str, list[str]]:
    """Every option of every variable, as with "All" chosen."""
    return {
        variable.name: [row[0] for row in run(connection, variable.sql, {})[1]]
        for variable in page.variables
    }


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_committed_file_is_up_to_date(page: Dashboard) -> None:
    """`make dashboards` would change nothing."""
    assert (FOLDER / f"{page.uid.removeprefix('goldseam-')}.json").read_text() == text(page)


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
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


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_model_is_the_classic_one(page: Dashboard) -> None:
    """No key of the newer models, and no id that would bind it to one Grafana."""
    model = json.loads(text(page))
    assert not {"id", "apiVersion", "kind", "spec", "__inputs", "__requires"} & set(model)
    assert model["templating"]["list"][0]["current"] == {"text": "All", "value": "$__all"}


@pytest.mark.parametrize(("page", "panel"), PANELS, ids=IDS)
def test_query_runs_on_an_empty_database(
    reader: psycopg.Connection[Any], page: Dashboard, panel: Panel
) -> None:
    """A new installation shows no error: variables have no options and tables no rows."""
    names, rows = run(reader, panel.sql, options(reader, page))
    assert names
    assert all(value in (None, 0) for row in rows for value in row)


@pytest.mark.parametrize(("page", "panel"), PANELS, ids=IDS)
def test_query_fits_its_panel(
    database: str, reader: psycopg.Connection[Any], page: Dashboard, panel: Panel
) -> None:
    """With rows, every panel shows something of the kind that it draws."""
    fill(database)
    names, rows = run(reader, panel.sql, options(reader, page))
    assert rows
    if panel.kind == "stat":
        assert len(names) == 1
        assert isinstance(rows[0][0], int | float)
    if panel.kind == "timeseries":
        times = [row[names.index("time")] for row in rows]
        assert times == sorted(times)


def test_lost_share_is_right(database: str, reader: psycopg.Connection[Any]) -> None:
    """One lost call of three is a third."""
    fill(database)
    page = DASHBOARDS[0]
    (panel,) = (panel for panel in page.panels if panel.title == "Lost")
    ((share,),) = run(reader, panel.sql, options(reader, page))[1]
    assert share == pytest.approx(100 / 3)


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
