"""Every key that Grafana knows in its provisioning files.

Grafana leaves out unknown keys without a word, so a misspelt one would do nothing for ever.
`problems` compares a document with the shapes below: a mapping lists its keys (`!` marks those that
must be there), a list holds the shape of its items, a type is a leaf, None is anything.
"""

from typing import Any, Final

Shape = Any

_NAME_VALUE: Final = [{"key!": str, "value": str}]

_TRANSFORMATION: Final = {
    "type!": str,
    "expression": str,
    "field": str,
    "mapValue": str,
}

_CORRELATIONS: Final = [
    {
        "targetUID!": str,
        "label!": str,
        "description": str,
        "config!": {
            "type!": str,
            "field!": str,
            "target!": None,
            "transformations": [_TRANSFORMATION],
        },
    }
]

_POSTGRES_JSON: Final = {
    "database!": str,
    "sslmode!": str,
    "postgresVersion": int,
    "maxOpenConns": int,
    "maxIdleConns": int,
    "connMaxLifetime": int,
    "timescaledb": bool,
    "timeInterval": str,
}

_PROMETHEUS_JSON: Final = {
    "httpMethod!": str,
    "timeInterval!": str,
    "prometheusType": str,
    "exemplarTraceIdDestinations": [{"name!": str, "datasourceUid!": str, "urlDisplayLabel": str}],
}

_TEMPO_JSON: Final = {
    "tracesToLogsV2": {
        "datasourceUid!": str,
        "spanStartTimeShift": str,
        "spanEndTimeShift": str,
        "tags": _NAME_VALUE,
        "filterByTraceID": bool,
        "filterBySpanID": bool,
        "customQuery": bool,
        "query": str,
    },
    "tracesToMetrics": {
        "datasourceUid!": str,
        "spanStartTimeShift": str,
        "spanEndTimeShift": str,
        "tags": _NAME_VALUE,
        "queries": [{"name!": str, "query!": str}],
    },
    "serviceMap": {"datasourceUid!": str},
    "nodeGraph": {"enabled": bool},
    "search": {"hide": bool},
    "traceQuery": {"timeShiftEnabled": bool, "spanStartTimeShift": str, "spanEndTimeShift": str},
    "spanBar": {"type": str, "tag": str},
}


def _datasource(kind: str, settings: Shape) -> Shape:
    return {
        "name!": str,
        "uid!": str,
        "type!": kind,
        "access!": str,
        "url!": str,
        "orgId": int,
        "version": int,
        "user": str,
        "database": str,
        "basicAuth": bool,
        "basicAuthUser": str,
        "withCredentials": bool,
        "isDefault": bool,
        "editable": bool,
        "correlations": _CORRELATIONS,
        "jsonData!": settings,
        "secureJsonData": {"password": str},
    }


DATASOURCES: Final = {
    "grafana-postgresql-datasource": _datasource("grafana-postgresql-datasource", _POSTGRES_JSON),
    "prometheus": _datasource("prometheus", _PROMETHEUS_JSON),
    "tempo": _datasource("tempo", _TEMPO_JSON),
}

DATASOURCE_FILE: Final = {
    "apiVersion!": 1,
    "datasources!": [None],
    "deleteDatasources": [{"name!": str, "orgId": int}],
    "prune": bool,
}

DASHBOARD_FILE: Final = {
    "apiVersion!": 1,
    "providers!": [
        {
            "name!": str,
            "orgId": int,
            "type!": "file",
            "folder": str,
            "folderUid": str,
            "disableDeletion": bool,
            "updateIntervalSeconds": int,
            "allowUiUpdates": bool,
            "editable": bool,
            "options!": {"path!": str, "foldersFromFilesStructure": bool},
        }
    ],
}

_SQL_MODEL: Final = {
    "refId!": str,
    "editorMode": "code",
    "rawQuery!": True,
    "format!": "time_series",  # a table is no condition
    "rawSql!": str,
}

_REDUCE_MODEL: Final = {
    "refId!": str,
    "type!": "reduce",
    "reducer!": str,
    "expression!": str,
    "settings": {"mode": str, "replaceWithValue": int},
}

_THRESHOLD_MODEL: Final = {
    "refId!": str,
    "type!": "threshold",
    "expression!": str,
    "conditions!": [{"evaluator!": {"type!": str, "params!": [int]}}],
}

MODELS: Final = {None: _SQL_MODEL, "reduce": _REDUCE_MODEL, "threshold": _THRESHOLD_MODEL}
"""By the model's `type`; a query has none."""

_RULE: Final = {
    "uid!": str,
    "title!": str,
    "condition!": str,
    "data!": [
        {
            "refId!": str,
            "queryType": str,
            "relativeTimeRange": {"from!": int, "to!": int},
            "datasourceUid!": str,
            "model!": None,
        }
    ],
    "dashboardUid": str,
    "panelId": int,
    "noDataState!": str,
    "execErrState!": str,
    "for!": str,
    "keepFiringFor": str,
    "missing_series_evals_to_resolve": int,
    "annotations!": {
        "summary!": str,
        "description!": str,
        "runbook!": str,
    },
    "labels!": {"severity!": str, "component!": str},
    "isPaused": bool,
    "notification_settings": None,
}

_ROUTE: Final = {
    "orgId": int,
    "receiver!": str,
    "group_by": [str],
    "matchers": [str],
    "object_matchers": None,
    "mute_time_intervals": [str],
    "group_wait": str,
    "group_interval": str,
    "repeat_interval": str,
    "continue": bool,
    "routes": None,
}

_WEBHOOK: Final = {
    "url!": str,
    "httpMethod": str,
    "username": str,
    "password": str,
    "authorization_scheme": str,
    "authorization_credentials": str,
    "maxAlerts": int,
}

ALERTING_FILE: Final = {
    "apiVersion!": 1,
    "groups": [{"orgId": int, "name!": str, "folder!": str, "interval!": str, "rules!": [_RULE]}],
    "contactPoints": [
        {
            "orgId": int,
            "name!": str,
            "receivers!": [
                {
                    "uid!": str,
                    "type!": "webhook",
                    "settings!": _WEBHOOK,
                    "disableResolveMessage": bool,
                }
            ],
        }
    ],
    "policies": [_ROUTE],
    "templates": [{"orgId": int, "name!": str, "template!": str}],
    "muteTimes": None,
    "deleteRules": None,
    "deleteContactPoints": None,
    "resetPolicies": None,
    "deleteTemplates": None,
    "deleteMuteTimes": None,
}


def problems(document: Any, shape: Shape, path: str = "") -> list[str]:
    """Return what Grafana would leave out or miss, as sentences that start with the place."""
    if shape is None:
        return []
    if isinstance(shape, dict):
        return _in_mapping(document, shape, path)
    if isinstance(shape, list):
        if not isinstance(document, list):
            return [f"{path}: should be a list"]
        return [
            p for n, item in enumerate(document) for p in problems(item, shape[0], f"{path}[{n}]")
        ]
    if isinstance(shape, type):
        # True is an int to Python, and no number to Grafana.
        fits = type(document) is shape
        return [] if fits else [f"{path}: should be of type {shape.__name__}"]
    return [] if document == shape else [f"{path}: should be {shape!r}"]


def _in_mapping(document: Any, shape: dict[str, Shape], path: str) -> list[str]:
    if not isinstance(document, dict):
        return [f"{path}: should be a mapping"]
    known = {key.removesuffix("!"): value for key, value in shape.items()}
    missing = {key[:-1] for key in shape if key.endswith("!")} - set(document)
    found = [f"{path}: lacks {key}" for key in sorted(missing)]
    for key, value in document.items():
        if key in known:
            found += problems(value, known[key], f"{path}.{key}")
        else:
            found.append(f"{path}: Grafana knows no {key}")
    return found
