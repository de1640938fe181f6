"""Write the dashboards as Grafana's classic JSON: `make dashboards`.

File providers of Grafana accept the classic model only. The output depends on the panels alone,
so a test can tell whether the committed files are up to date.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from goldseam.grafana.dashboards import DASHBOARDS
from goldseam.grafana.panels import GRID_COLUMNS, Dashboard, Panel, Variable

SCHEMA_VERSION: Final = 42
DATASOURCE: Final = {"type": "grafana-postgresql-datasource", "uid": "goldseam-postgres"}

Json = dict[str, Any]


def dashboard(source: Dashboard) -> Json:
    """Return the classic model of a dashboard."""
    return {
        "uid": source.uid,
        "title": source.title,
        "description": source.description,
        "tags": ["goldseam"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": source.time_from, "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "Goldseam",
                "tags": ["goldseam"],
                "asDropdown": True,
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "templating": {"list": [_variable(variable) for variable in source.variables]},
        "panels": list(_panels(source.panels)),
    }


def text(source: Dashboard) -> str:
    """Return the file's content."""
    return json.dumps(dashboard(source), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every dashboard into the folder given as the only argument."""
    folder = Path(sys.argv[1])
    for source in DASHBOARDS:
        path = folder / f"{source.uid.removeprefix('goldseam-')}.json"
        path.write_text(text(source))
        sys.stdout.write(f"{path}\n")


def _panels(panels: tuple[Panel, ...]) -> Iterator[Json]:
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > GRID_COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        yield _panel(number, panel, x, y)
        x, row_height = x + panel.width, max(row_height, panel.height)


def _panel(number: int, panel: Panel, x: int, y: int) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.question,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": [
            {
                "refId": "A",
                "datasource": DATASOURCE,
                "editorMode": "code",
                "rawQuery": True,
                "format": panel.format,
                "rawSql": panel.sql,
            }
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"value": step.value, "color": step.color} for step in panel.thresholds]
    base = [{"value": None, "color": "text"}]
    return {
        "unit": panel.unit,
        "noValue": panel.no_value,
        "thresholds": {"mode": "absolute", "steps": steps or base},
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
    }


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        return {"reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""}}
    return {}


def _variable(variable: Variable) -> Json:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": DATASOURCE,
        "query": variable.sql,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allowCustomValue": False,
        "current": {"text": "All", "value": "$__all"},
    }


if __name__ == "__main__":
    main()
