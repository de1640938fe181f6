"""What the dashboards share: the variables, and the filter that applies them."""

from typing import Final

from goldseam.grafana.panels import Variable

OPTIONS_MAX: Final = 200
"""A longer list is no help to the person who has to choose."""


def _variable(name: str, label: str, column: str) -> Variable:
    sql = (
        f"SELECT DISTINCT {column} FROM ai_request_logs "  # noqa: S608 - names are ours
        f"WHERE $__timeFilter(created_at) ORDER BY 1 LIMIT {OPTIONS_MAX}"
    )
    return Variable(name, label, sql)


_MODEL: Final = "coalesce(model_requested, 'unknown')"

VARIABLES: Final = (
    _variable("provider", "Provider", "provider_used"),
    _variable("model", "Model", _MODEL),
    _variable("module", "Module", "module"),
    _variable("tenant", "Tenant", "tenant_id"),
)

CHOSEN: Final = f"""$__timeFilter(created_at)
  AND provider_used = ANY(ARRAY[${{provider:sqlstring}}]::text[])
  AND {_MODEL} = ANY(ARRAY[${{model:sqlstring}}]::text[])
  AND module = ANY(ARRAY[${{module:sqlstring}}]::text[])
  AND tenant_id = ANY(ARRAY[${{tenant:sqlstring}}]::text[])"""
"""The WHERE of a panel on `ai_request_logs`: time range and variables."""
