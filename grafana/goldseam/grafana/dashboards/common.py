"""What the dashboards share: variables and their filters, links, annotations, colours.

Rows are read where a panel needs a minute, a percentile or a single call; where hours do, the
roll-ups, which cost the same for a month as for a day. A bucket belongs to a range if it starts in
it, so their figures are by the hour.
"""

import json
import re
from typing import Final
from urllib.parse import quote

from goldseam.grafana.panels import Annotation, Link, Source, Threshold, Variable
from goldseam.storage.measures import MODEL

OPTIONS_MAX: Final = 200
"""A longer list is no help to the person who has to choose."""

ANY: Final = "*"
"""An option that lets everything through. "All" contains it, so what the list has no room for is
counted too."""


def _options(column: str, table: str, bucket: str) -> str:
    return (
        f"SELECT '{ANY}' UNION ALL (SELECT DISTINCT {column} FROM {table} "
        f"WHERE {bucket} ORDER BY 1 LIMIT {OPTIONS_MAX})"
    )


# The hour in which the range starts counts, or a range of minutes would have no options.
_HOURS: Final = "bucket BETWEEN $__timeFrom()::timestamptz - interval '1 hour' AND $__timeTo()"


def is_chosen(column: str, variable: str) -> str:
    """Return the condition that a column has one of a variable's chosen values."""
    chosen = f"ARRAY[${{{variable}:sqlstring}}]::text[]"
    return f"('{ANY}' = ANY({chosen}) OR {column} = ANY({chosen}))"


VARIABLES: Final = (
    Variable("provider", "Provider", _options("provider", "ai_stats_hour_all", _HOURS)),
    Variable("model", "Model", _options("model", "ai_stats_hour_all", _HOURS)),
    Variable("module", "Module", _options("module", "ai_stats_hour_all", _HOURS)),
    Variable("tenant", "Tenant", _options("tenant_id", "ai_stats_hour", _HOURS)),
)

STATUS: Final = Variable(
    "status",
    "Status",
    _options("status", "ai_request_logs", "$__timeFilter(created_at)"),
)

CHOSEN: Final = f"""$__timeFilter(created_at)
  AND {is_chosen("provider_used", "provider")}
  AND {is_chosen(MODEL, "model")}
  AND {is_chosen("module", "module")}
  AND {is_chosen("tenant_id", "tenant")}"""
"""The WHERE of a panel on `ai_request_logs`: time range and variables."""

CHOSEN_HOURS: Final = f"""$__timeFilter(bucket)
  AND {is_chosen("provider", "provider")}
  AND {is_chosen("model", "model")}
  AND {is_chosen("module", "module")}
  AND {is_chosen("tenant_id", "tenant")}"""
"""The same for `ai_stats_hour`."""

CHOSEN_PATTERNS: Final = f"""$__timeFilter(bucket)
  AND {is_chosen("provider", "provider")}
  AND {is_chosen("module", "module")}
  AND {is_chosen("tenant_id", "tenant")}"""
"""The same for `ai_stats_error_hour` joined with `ai_error_analysis`; neither knows a model."""

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

PATTERNS: Final = f"""SELECT a.error_code AS error, a.provider,
       sum(s.occurrence_count)::float8 AS calls,
       sum(s.recovered_count)::float8 AS mended, sum(s.failed_count)::float8 AS lost,
       a.probable_cause AS "probable cause", a.suggested_action AS "suggested action",
       a.resolution_status AS state, a.first_seen AS "first seen", a.last_occurred AS "last seen",
       a.error_message_pattern AS message, a.tenant_id AS tenant, a.pattern_id AS pattern
FROM ai_stats_error_hour AS s JOIN ai_error_analysis AS a USING (tenant_id, error_pattern)
WHERE {CHOSEN_PATTERNS}
GROUP BY a.tenant_id, a.pattern_id, a.error_code, a.provider, a.probable_cause, a.suggested_action,
         a.resolution_status, a.first_seen, a.last_occurred, a.error_message_pattern
ORDER BY lost DESC, calls DESC LIMIT 100"""
"""Error patterns of the range, the worst first, with what to do about them."""

_VERSIONS: Final = """WITH versions AS (
  SELECT coalesce(service_name, 'unknown') AS service,
         request_metadata ->> 'service.version' AS version, min(created_at) AS first
  FROM ai_request_logs
  WHERE created_at BETWEEN $__timeFrom()::timestamptz - interval '1 day' AND $__timeTo()
    AND request_metadata ->> 'service.version' IS NOT NULL
  GROUP BY 1, 2)
SELECT first AS time, NULL::timestamptz AS timeend, service || ' ' || version AS text,
       'version' AS tags
FROM versions WHERE $__timeFilter(first) ORDER BY 1 LIMIT 100"""

_OUTAGES: Final = """WITH calls AS (
  SELECT date_bin('5 minutes', created_at, 'epoch') AS slice,
         coalesce(nullif(split_part(error_pattern, ':', 2), ''), provider_used) AS provider,
         first_error_code IN ('CONNECTION', 'OVERLOADED', 'SERVER_ERROR', 'TIMEOUT') AS down
  FROM ai_request_logs WHERE status IN ('success', 'error') AND $__timeFilter(created_at)),
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
at least ten calls met a provider and half of them found it down."""
