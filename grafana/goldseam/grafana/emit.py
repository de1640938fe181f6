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
from goldseam.grafana.panels import (
    GRID_COLUMNS,
    Annotation,
    Column,
    Dashboard,
    Link,
    Panel,
    Source,
    TextBox,
    Threshold,
    Variable,
)

SCHEMA_VERSION: Final = 42

_PLUGINS: Final = {
    Source.POSTGRES: "grafana-postgresql-datasource",
    Source.PROMETHEUS: "prometheus",
    Source.TEMPO: "tempo",
}

# Grafana's own list of alerts on graphs; without it, the annotations below would be all there is.
_BUILT_IN: Final = {
    "builtIn": 1,
    "name": "Annotations & Alerts",
    "type": "dashboard",
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
}

_CELL: Final = "custom.cellOptions"

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
        "annotations": {"list": [_BUILT_IN, *map(_annotation, source.annotations)]},
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
        "datasource": _datasource(panel.source),
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": _targets(panel),
        "fieldConfig": {
            "defaults": _defaults(panel),
            "overrides": [_override(column) for column in panel.columns],
        },
        "options": _options(panel),
    }


def _datasource(source: Source) -> Json:
    return {"type": _PLUGINS[source], "uid": source.value}


def _targets(panel: Panel) -> list[Json]:
    datasource = _datasource(panel.source)
    if panel.traceql:
        traces = {"queryType": "traceql", "query": panel.traceql, "limit": 20}
        return [{"refId": "A", "datasource": datasource, **traces, "tableType": "traces"}]
    if panel.series:
        moment = panel.kind != "timeseries"
        return [
            {
                "refId": chr(ord("A") + number),
                "datasource": datasource,
                "editorMode": "code",
                "expr": series.promql,
                "legendFormat": series.legend,
                "instant": moment,
                "range": not moment,
                "exemplar": not moment,
            }
            for number, series in enumerate(panel.series)
        ]
    return [{"refId": "A", "datasource": datasource, **_sql(panel.sql, panel.format)}]


def _sql(query: str, result: str) -> Json:
    return {"editorMode": "code", "rawQuery": True, "format": result, "rawSql": query}


def _defaults(panel: Panel) -> Json:
    coloured = panel.thresholds and panel.kind in {"stat", "bargauge", "state-timeline"}
    defaults: Json = {
        "unit": panel.unit,
        "noValue": panel.no_value,
        "thresholds": _thresholds(panel.thresholds),
        "color": {"mode": "thresholds" if coloured else "palette-classic"},
    }
    if panel.stacked:
        defaults["custom"] = {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
    return defaults


def _thresholds(thresholds: tuple[Threshold, ...]) -> Json:
    steps = [{"value": step.value, "color": step.color} for step in thresholds]
    # Without steps of its own a panel would get Grafana's: red from 80 on, whatever the unit.
    return {"mode": "absolute", "steps": steps or [{"value": None, "color": "text"}]}


def _override(column: Column) -> Json:
    properties: list[Json] = []
    if column.unit:
        properties.append({"id": "unit", "value": column.unit})
    if column.links:
        properties.append({"id": "links", "value": [_link(link) for link in column.links]})
    if column.thresholds:
        properties.append({"id": "thresholds", "value": _thresholds(column.thresholds)})
        properties.append({"id": _CELL, "value": {"type": "color-text"}})
    if column.width:
        properties.append({"id": "custom.width", "value": column.width})
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


def _link(link: Link) -> Json:
    return {"title": link.title, "url": link.url, "targetBlank": False}


def _options(panel: Panel) -> Json:
    match panel.kind:
        case "stat":
            return {"reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""}}
        case "bargauge":
            reduce = {"values": True, "calcs": ["lastNotNull"], "fields": ""}
            return {"orientation": "horizontal", "displayMode": "basic", "reduceOptions": reduce}
        case "state-timeline":
            return {"mergeValues": True, "showValue": "never"}
        case "timeseries":
            return {"legend": {"displayMode": "list", "placement": "bottom"}}
        case "table" | "traces":
            return {}


def _annotation(source: Annotation) -> Json:
    datasource = _datasource(Source.POSTGRES)
    return {
        "name": source.name,
        "datasource": datasource,
        "enable": True,
        "iconColor": source.color,
        "target": {"refId": "Anno", "datasource": datasource, **_sql(source.sql, "table")},
    }


def _variable(variable: Variable | TextBox) -> Json:
    if isinstance(variable, TextBox):
        empty = {"text": "", "value": ""}
        named = {"name": variable.name, "label": variable.label}
        return {"type": "textbox", **named, "query": "", "current": empty, "options": [empty]}
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": _datasource(Source.POSTGRES),
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
