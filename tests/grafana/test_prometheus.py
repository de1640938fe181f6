"""Prometheus's and Alertmanager's files: valid, and every alert fires when it should."""

import re
import shutil
import subprocess
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldseam.collector.metrics import create_metrics
from goldseam.grafana import DASHBOARDS

from .alert_cases import CASES, Case, Rates

GRAFANA = Path(__file__).parents[2] / "grafana"
RULES = sorted((GRAFANA / "prometheus" / "rules").glob("*.yml"))
ALERTS = yaml.safe_load((GRAFANA / "prometheus" / "rules" / "alerts.yml").read_text())

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)


def run(tool: str, *arguments: str | Path) -> None:
    """Run a checker of the Debian packages `prometheus` and `prometheus-alertmanager`."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: apt-get install prometheus prometheus-alertmanager")
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule."""
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def test_rules_are_valid() -> None:
    """The oldest Prometheus that is supported reads the rules, without a remark."""
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES)


def test_configuration_is_valid() -> None:
    """Prometheus reads its configuration, and finds the rules beside it."""
    run("promtool", "check", "config", GRAFANA / "prometheus" / "prometheus.yml")


def test_alertmanager_is_valid() -> None:
    """Alertmanager reads its configuration and templates."""
    run("amtool", "check-config", GRAFANA / "alertmanager" / "alertmanager.yml")


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "team")])
def test_alerts_reach_their_receiver(severity: str, receiver: str) -> None:
    """What is critical reaches who is on call, the rest the team."""
    config = GRAFANA / "alertmanager" / "alertmanager.yml"
    route = ["config", "routes", "test", f"--config.file={config}"]
    run("amtool", *route, f"--verify.receivers={receiver}", f"severity={severity}")


def test_inhibition_names_alerts_that_exist() -> None:
    """A rule that silences an alert under another name would silence nothing."""
    config = (GRAFANA / "alertmanager" / "alertmanager.yml").read_text()
    names = {rule["alert"] for rule in alerts()}
    assert set(re.findall(r"Goldseam\w+", config)) <= names


def test_each_alert_says_what_to_do() -> None:
    """Summary, description, runbook and a dashboard that exists: no alert leaves one alone."""
    pages = {page.uid for page in DASHBOARDS}
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        texts = rule["annotations"]
        assert set(texts) == {"summary", "description", "runbook", "dashboard_uid"}
        assert len(texts["runbook"]) > 40, rule["alert"]
        assert texts["dashboard_uid"] in pages


def test_each_alert_has_a_case() -> None:
    """No alert goes untested."""
    assert {case.alert for case in CASES} == {rule["alert"] for rule in alerts()}


def test_rules_read_metrics_that_the_collector_has() -> None:
    """A misspelt name would keep an alert quiet for ever."""
    known = {
        sample.name for family in create_metrics().registry.collect() for sample in family.samples
    }
    families = {family.name for family in create_metrics().registry.collect()}
    named = {
        name for path in RULES for name in re.findall(r"goldseam_collector_\w+", path.read_text())
    }
    assert named
    assert all(name in known or name.removesuffix("_total") in families for name in named)


@each_case
def test_alert_fires_stays_quiet_and_resolves(case: Case, tmp_path: Path) -> None:
    """It fires beyond its limit and resolves; within it, and with few calls, it stays quiet."""
    tests = [promtool_test(case, case.fires, fires=True), promtool_test(case, case.quiet)]
    if case.little is not None:
        tests.append(promtool_test(case, case.little))
    verify(tests, tmp_path, every=case.every)


def test_without_series_only_absence_is_told(tmp_path: Path) -> None:
    """On a new installation no alert fires but those that say that nothing is there."""
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    absent = ["GoldseamApplicationsAbsent", "GoldseamCollectorAbsent"]
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in absent]
    expected = {"expr": firing, "eval_time": "30m", "exp_samples": samples}
    verify([{"interval": "1m", "input_series": [], "promql_expr_test": [expected]}], tmp_path)


def verify(tests: list[dict[str, Any]], folder: Path, *, every: int = 1) -> None:
    """Let promtool run tests on the rules, evaluated every so many minutes."""
    written = folder / "alerts_test.yml"
    rules = [str(path) for path in RULES]
    # Alerts read what was recorded at the same moment: a sample of half an hour ago is stale.
    files = (yaml.safe_load(path.read_text()) for path in reversed(RULES))
    order = [group["name"] for file in files for group in file["groups"]]
    settings = {"rule_files": rules, "evaluation_interval": f"{every}m", "group_eval_order": order}
    written.write_text(yaml.safe_dump(settings | {"tests": tests}))
    run("promtool", "test", "rules", written)


def promtool_test(case: Case, series: dict[str, Rates], *, fires: bool = False) -> dict[str, Any]:
    """Return a test that an alert fires at the end of the last but one phase, or never does."""
    ends = list(accumulate(case.minutes))
    expression = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) > 0'
    moments = [(ends[-2], fires), (ends[-1], False)]
    return {
        "interval": f"{case.every}m",
        "input_series": [
            {"series": name, "values": _values(case, rates)} for name, rates in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": f"count({expression})",
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if expected else [],
            }
            for minute, expected in moments
        ],
    }


def _values(case: Case, rates: Rates) -> str:
    """Return samples in promtool's notation, one stretch per phase."""
    stretches = []
    value = 0.0
    for minutes, rate in zip(case.minutes, rates, strict=True):
        steps = minutes // case.every
        if case.kind == "gauge":
            stretches.append(f"{rate}x{steps}")
            continue
        stretches.append(f"{value:.6f}+{rate * case.every:.6f}x{steps - 1}")
        value += rate * case.every * steps
    return " ".join(stretches)
