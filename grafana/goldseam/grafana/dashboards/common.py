"""What the dashboards share: variables and their filters, links, annotations, colours.

What panels count comes from `sources`; what they list, and what only rows know, from the rows.
"""

import json
import re
from datetime import timedelta
from typing import Final, get_args
from urllib.parse import quote

from goldseam.grafana.dashboards.sources import ANY, errors, is_chosen
from goldseam.grafana.panels import Annotation, Link, Source, Threshold, Variable
from goldseam.storage.measures import EVERYBODY, MODEL
from goldseam.storage.records import Status

OPTIONS_MAX: Final = 200
"""A longer list is no help to the person who has to choose."""


def _options(names: str, source: str) -> str:
    return (
        f"SELECT '{ANY}' UNION ALL (SELECT DISTINCT {names} FROM {source} "
        f"ORDER BY 1 LIMIT {OPTIONS_MAX})"
    )


# The day in which the range starts counts, so a list may hold a name that the range does not.
_DAYS: Final = (
    "ai_stats_names WHERE day BETWEEN ($__timeFrom()::timestamptz AT TIME ZONE 'UTC')::date"
    " AND ($__timeTo()::timestamptz AT TIME ZONE 'UTC')::date"
)

VARIABLES: Final = (
    Variable("provider", "Provider", _options("unnest(providers)", _DAYS)),
    Variable("model", "Model", _options("unnest(models)", _DAYS)),
    Variable("module", "Module", _options("unnest(modules)", _DAYS)),
    Variable("tenant", "Tenant", _options("tenant_id", f"{_DAYS} AND tenant_id <> '{EVERYBODY}'")),
)

STATUS: Final = Variable(
    "status",
    "Status",
    _options("status", f"unnest(ARRAY{list(get_args(Status))}) AS status"),
)

CHOSEN: Final = f"""$__timeFilter(created_at)
  AND {is_chosen("provider_used", "provider")}
  AND {is_chosen(MODEL, "model")}
  AND {is_chosen("module", "module")}
  AND {is_chosen("tenant_id", "tenant")}"""
"""The WHERE of a panel on `ai_request_logs`: time range and variables."""

ENDED: Final = "status IN ('success', 'error')"

LOST_RATE: Final = (Threshold(None, "green"), Threshold(1, "yellow"), Threshold(5, "red"))
"""Colours of a percentage that should be near 0."""

ANY_IS_BAD: Final = (Threshold(None, "green"), Threshold(1, "red"))

TO_REQUEST: Final = Link(
    "Open the request",
    "/d/goldseam-request?var-id=${__data.fields.id}"
    "&var-trace_id=${__data.fields.trace_id}&${__url_time_range}",
)


def _explore(query: dict[str, object]) -> str:
    panes = {
        "t": {
            "datasource": Source.TEMPO.value,
            "queries": [query],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    text = json.dumps(panes, separators=(",", ":"))
    # Grafana fills in its variables before the URL is decoded, so they must stay readable.
    readable = re.sub("%24%7B(.*?)%7D", r"${\1}", quote(text, safe=""))
    return f"/explore?schemaVersion=1&orgId=1&panes={readable}"


TO_TRACE: Final = Link(
    "Open the trace",
    _explore(
        {
            "refId": "A",
            "datasource": {"type": "tempo", "uid": Source.TEMPO.value},
            "queryType": "traceql",
            "query": "${__data.fields.trace_id}",
        }
    ),
)

TO_ERRORS: Final = Link(
    "Open its calls", "/d/goldseam-errors?${__url_time_range}&${__all_variables}"
)

PATTERNS: Final = f"""SELECT a.error_code AS error, a.provider, calls, mended, lost,
       a.probable_cause AS "probable cause", a.suggested_action AS "suggested action",
       a.resolution_status AS state, a.first_seen AS "first seen", a.last_occurred AS "last seen",
       a.error_message_pattern AS message, a.tenant_id AS tenant, a.pattern_id AS pattern
FROM (SELECT tenant_id, error_pattern, sum(occurrence_count)::float8 AS calls,
             sum(recovered_count)::float8 AS mended, sum(failed_count)::float8 AS lost
      FROM {errors("occurrence_count, recovered_count, failed_count", by_tenant=True)}
      GROUP BY 1, 2) AS met
JOIN ai_error_analysis AS a USING (tenant_id, error_pattern)
WHERE calls > 0 ORDER BY lost DESC, calls DESC LIMIT 100"""
"""Error patterns of the range, the worst first, with what to do about them."""

MARKS_UP_TO: Final = timedelta(days=8)
"""The longest range that has marks, a week and a bit: they are looked for in the rows."""

_MARKED: Final = (
    f"$__timeTo()::timestamptz - $__timeFrom()::timestamptz"
    f" <= interval '{MARKS_UP_TO.total_seconds():.0f} s'"
)

_VERSIONS: Final = f"""WITH versions AS (
  SELECT coalesce(service_name, 'unknown') AS service,
         request_metadata ->> 'service.version' AS version, min(created_at) AS first
  FROM ai_request_logs
  WHERE created_at BETWEEN $__timeFrom()::timestamptz - interval '1 day' AND $__timeTo()
    AND request_metadata ->> 'service.version' IS NOT NULL AND {_MARKED}
  GROUP BY 1, 2)
SELECT first AS time, NULL::timestamptz AS timeend, service || ' ' || version AS text,
       'version' AS tags
FROM versions WHERE $__timeFilter(first) ORDER BY 1 LIMIT 100"""

_OUTAGES: Final = f"""WITH calls AS (
  SELECT date_bin('5 minutes', created_at, 'epoch') AS slice,
         coalesce(nullif(split_part(error_pattern, ':', 2), ''), provider_used) AS provider,
         first_error_code IN ('CONNECTION', 'OVERLOADED', 'SERVER_ERROR', 'TIMEOUT') AS down
  FROM ai_request_logs WHERE {ENDED} AND $__timeFilter(created_at) AND {_MARKED}),
slices AS (
  SELECT provider, slice, row_number() OVER (PARTITION BY provider ORDER BY slice) AS number
  FROM calls GROUP BY provider, slice
  HAVING count(*) >= 10 AND count(*) FILTER (WHERE down) >= count(*) / 2.0)
SELECT min(slice) AS time, max(slice) + interval '5 minutes' AS timeend,
       provider || ' fails most calls' AS text, 'outage,' || provider AS tags
FROM slices GROUP BY provider, slice - number * interval '5 minutes' ORDER BY 1 LIMIT 100"""

ANNOTATIONS: Final = (
    Annotation(name="New versions", color="blue", sql=_VERSIONS),
    Annotation(name="Provider outages", color="red", sql=_OUTAGES),
)
"""A service's version that the day before the range did not have; five minutes or more in which
at least ten calls met a provider and half of them found it down. In ranges up to `MARKS_UP_TO`."""
