"""The files that Grafana loads at start: keys known, references right, queries run."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from goldseam.grafana import DASHBOARDS, Source
from goldseam.grafana.emit import dashboard
from goldseam.semconv import log_id
from goldseam.storage import engine, writes
from goldseam.storage.records import Batch, PatternRecord, RequestRecord
from goldseam.storage.roles import Role

from .provisioning_keys import (
    ALERTING_FILE,
    DASHBOARD_FILE,
    DATASOURCE_FILE,
    DATASOURCES,
    MODELS,
    problems,
)

FOLDER = Path(__file__).parents[2] / "grafana" / "provisioning"
NOW = datetime.now(UTC)


def load(name: str) -> Any:
    """Read one of the files."""
    return yaml.safe_load((FOLDER / name).read_text())


def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    return [rule for group in load("alerting/rules.yaml")["groups"] for rule in group["rules"]]


def sources() -> dict[str, dict[str, Any]]:
    """The data sources by uid."""
    return {source["uid"]: source for source in load("datasources/goldseam.yaml")["datasources"]}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dashboards/goldseam.yaml", DASHBOARD_FILE),
        ("datasources/goldseam.yaml", DATASOURCE_FILE),
        ("alerting/rules.yaml", ALERTING_FILE),
        ("alerting/contact.yaml", ALERTING_FILE),
    ],
)
def test_grafana_knows_every_key(name: str, shape: Any) -> None:
    """No key is misspelt, none that must be there is missing."""
    assert problems(load(name), shape) == []


def test_grafana_knows_every_key_of_the_data_sources() -> None:
    """Each plugin has settings of its own."""
    for source in sources().values():
        assert problems(source, DATASOURCES[source["type"]]) == []


def test_grafana_knows_every_key_of_the_queries() -> None:
    """Queries and expressions of alert rules are read by the plugins, which too ignore the rest."""
    for rule in rules():
        for item in rule["data"]:
            assert problems(item["model"], MODELS[item["model"].get("type")]) == []


def test_no_other_file_is_loaded() -> None:
    """In the folder of alerts, any other suffix is an error; elsewhere it is ignored."""
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert files == {
        "alerting/contact.yaml",
        "alerting/rules.yaml",
        "dashboards/goldseam.yaml",
        "datasources/goldseam.yaml",
    }


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"a": 1, "typo": 2}, [": Grafana knows no typo"]),
        ({}, [": lacks a"]),
        ({"a": "1"}, [".a: should be of type int"]),
        ({"a": True}, [".a: should be of type int"]),
        ({"a": 1, "b": [{"c": 3}]}, [".b[0]: Grafana knows no c"]),
    ],
)
def test_the_checker_finds_mistakes(document: Any, found: list[str]) -> None:
    """A typo, a missing key and a wrong type are each named with their place."""
    assert problems(document, {"a!": int, "b": [{}]}) == found


def test_every_data_source_that_is_named_exists() -> None:
    """Panels, alerts, exemplars, traces and correlations lead to provisioned data sources."""
    known = set(sources())
    text = (FOLDER / "datasources" / "goldseam.yaml").read_text()
    named = set(re.findall(r"(?:datasourceUid|targetUID): (\S+)", text))
    named |= {item["datasourceUid"] for rule in rules() for item in rule["data"]} - {"__expr__"}
    assert set(map(str, Source)) == known
    assert named <= known


def test_passwords_are_files() -> None:
    """No secret stands in a file of the repository."""
    for source in sources().values():
        for secret in source.get("secureJsonData", {}).values():
            assert re.fullmatch(r"\$__file\{/run/secrets/\w+\}", secret)


def test_dollars_of_queries_are_escaped() -> None:
    """Grafana would take `${…}` in a data source for an environment variable, and empty it."""
    text = (FOLDER / "datasources" / "goldseam.yaml").read_text()
    assert re.findall(r"(?<!\$)\$(?!\$|__file)\{?\w+", text) == []


def test_alerts_are_whole() -> None:
    """The condition exists, steps refer to earlier ones, uids are unique, panels exist."""
    assert len({rule["uid"] for rule in rules()}) == len(rules())
    panels = {(d.uid, p["id"]) for d in DASHBOARDS for p in dashboard(d)["panels"]}
    for rule in rules():
        seen: list[str] = []
        for item in rule["data"]:
            assert item["model"]["refId"] == item["refId"]
            assert item["model"].get("expression", "A") in [*seen, "A"]
            seen.append(item["refId"])
        assert rule["condition"] == seen[-1]
        assert (rule["dashboardUid"], rule["panelId"]) in panels
        assert rule["noDataState"] == "OK"


def test_alerts_reach_a_contact_point() -> None:
    """The policy's receiver is defined in the same file."""
    contact = load("alerting/contact.yaml")
    names = {point["name"] for point in contact["contactPoints"]}
    assert {policy["receiver"] for policy in contact["policies"]} <= names


class TestSqlAlerts:
    """The queries, as Grafana's role runs them."""

    @pytest.fixture
    def reader(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        """A connection as Grafana has it."""
        with engine.connect(database, Role.GRAFANA) as connection:
            connection.execute("SET search_path = reporting")
            yield connection

    @pytest.mark.parametrize("uid", [rule["uid"] for rule in rules()])
    def test_quiet_on_an_empty_database(self, reader: psycopg.Connection[Any], uid: str) -> None:
        """No row, and so no alert."""
        assert firing(reader, uid) == []

    def test_dear_hour(self, database: str, reader: psycopg.Connection[Any]) -> None:
        """Three times the week's mean is told, with the tenant; a steady tenant is not."""
        minutes, days = timedelta(minutes=2), timedelta(days=3)
        before = [call(n, NOW - days, tenant_id="steady", cost_usd=60.0) for n in range(20)]
        steady = [call(100 + n, NOW - minutes, tenant_id="steady") for n in range(20)]
        sudden = [call(200 + n, NOW - minutes) for n in range(20)]
        store(database, [*before, *steady, *sudden])
        ((tenant, dollars),) = firing(reader, "goldseam-spend-hour")
        assert (tenant, dollars) == ("acme", 20)

    def test_dear_day(self, database: str, reader: psycopg.Connection[Any]) -> None:
        """More than 100 dollars in a day is told; fewer calls than twenty never are."""
        store(database, [call(n, NOW - timedelta(minutes=2), cost_usd=90.0) for n in range(19)])
        assert firing(reader, "goldseam-spend-day") == []
        store(database, [call(19, NOW - timedelta(minutes=2))])
        assert firing(reader, "goldseam-spend-day") == [(19 * 90 + 1,)]

    def test_new_pattern(self, database: str, reader: psycopg.Connection[Any]) -> None:
        """Five lost calls of a kind that an hour ago was unknown are told, four are not."""
        minute = NOW - timedelta(minutes=1)
        store(database, [call(n, minute, lost=True) for n in range(4)])
        assert firing(reader, "goldseam-new-pattern") == []
        store(database, [call(4, minute, lost=True)])
        ((tenant, code, provider, _pattern, lost),) = firing(reader, "goldseam-new-pattern")
        assert (tenant, code, provider, lost) == ("acme", "TIMEOUT", "openai", 5)

    def test_regressed_pattern(self, database: str, reader: psycopg.Connection[Any]) -> None:
        """A kind that a week did not have is told; one that was there days ago is not."""
        minute, weeks = NOW - timedelta(minutes=1), timedelta(days=20)
        store(database, [call(1, NOW - weeks, lost=True)])
        assert firing(reader, "goldseam-regressed-pattern") == []
        store(database, [call(10 + n, minute, lost=True) for n in range(5)])
        ((*_, lost),) = firing(reader, "goldseam-regressed-pattern")
        assert lost == 5
        store(database, [call(20, NOW - timedelta(days=2), lost=True)])
        assert firing(reader, "goldseam-regressed-pattern") == []

    def test_resolved_pattern(self, database: str, reader: psycopg.Connection[Any]) -> None:
        """A kind that was resolved yesterday and fails again is told, although it is not old."""
        store(database, [call(n, NOW - timedelta(days=2), lost=True) for n in range(9)])
        with engine.connect(database, Role.API) as connection:
            connection.execute("SELECT set_config('goldseam.tenant', '*', true)")
            connection.execute(
                "UPDATE ai_error_analysis SET resolution_status = 'resolved', resolved_at = %s",
                [NOW - timedelta(days=1)],
            )
            connection.commit()
        assert firing(reader, "goldseam-regressed-pattern") == []
        store(database, [call(10 + n, NOW - timedelta(minutes=1), lost=True) for n in range(5)])
        ((*_, lost),) = firing(reader, "goldseam-regressed-pattern")
        assert lost == 5


def firing(connection: psycopg.Connection[Any], uid: str) -> list[tuple[Any, ...]]:
    """The rows beyond a rule's threshold, without their time."""
    (rule,) = (rule for rule in rules() if rule["uid"] == uid)
    query, _, threshold = (item["model"] for item in rule["data"])
    cursor = connection.execute(query["rawSql"].encode())
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    assert (names[0], names[-1]) == ("time", "value")
    evaluator = threshold["conditions"][0]["evaluator"]
    assert evaluator["type"] == "gt"
    rows = cursor.fetchall()
    connection.rollback()  # so that the next query sees a later now()
    return [row[1:] for row in rows if row[-1] > evaluator["params"][0]]


def call(
    number: int, at: datetime, *, tenant_id: str = "acme", cost_usd: float = 1.0, lost: bool = False
) -> RequestRecord:
    """Return a call of one dollar."""
    row_id = log_id(int(at.timestamp() * 1e9), number + 1, number + 1)
    return RequestRecord(
        tenant_id=tenant_id,
        created_at=at,
        id=row_id,
        request_id=str(row_id),
        trace_id=f"{number + 1:032x}",
        span_id=f"{number + 1:016x}",
        provider_used="openai",
        status="error" if lost else "success",
        first_error_code="TIMEOUT" if lost else None,
        error_code="TIMEOUT" if lost else None,
        error_pattern="TIMEOUT:openai:x" if lost else None,
        recovery_outcome="failed" if lost else "not_needed",
        cost_usd=cost_usd,
    )


def store(database: str, calls: list[RequestRecord]) -> None:
    """Store calls, and the one pattern that lost ones mention."""
    pattern = PatternRecord(
        tenant_id="acme",
        error_pattern="TIMEOUT:openai:x",
        error_code="TIMEOUT",
        error_message_pattern="no answer",
        provider="openai",
        normaliser_version=1,
        probable_cause="The provider is slow.",
        suggested_action="Wait.",
    )
    lost = any(each.error_pattern for each in calls)
    patterns = {("acme", pattern.error_pattern): pattern} if lost else {}
    with engine.connect(database, Role.WRITER) as connection:
        writes.write(connection, Batch(requests=calls, patterns=patterns), NOW)
