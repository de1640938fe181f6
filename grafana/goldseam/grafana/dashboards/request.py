"""Request detail: one call from its first failure to its answer."""

from typing import Final

from goldseam.grafana.dashboards.common import TO_REQUEST, TO_TRACE
from goldseam.grafana.panels import Column, Dashboard, Panel, TextBox
from goldseam.storage.measures import MODEL

# The trace leads to the rows by an index; a page opened from a trace shows all of its calls.
_THIS: Final = """trace_id = ${trace_id:sqlstring}
  AND (${id:sqlstring} = '' OR id::text = ${id:sqlstring})"""

_STEPS: Final = """trace_id = ${trace_id:sqlstring}
  AND (${id:sqlstring} = '' OR request_log_id::text = ${id:sqlstring})"""

REQUEST: Final = Dashboard(
    uid="goldseam-request",
    title="Goldseam / Request detail",
    description="One call: what failed, what was done about it, and its trace.",
    variables=(TextBox("id", "Request"), TextBox("trace_id", "Trace")),
    panels=(
        Panel(
            title="Duration",
            question="How long did it take, its recovery included?",
            kind="stat",
            unit="ms",
            sql=f"SELECT max(processing_time_ms) AS duration FROM ai_request_logs WHERE {_THIS}",
        ),
        Panel(
            title="Of that, mending",
            question="How much of the time went from the first failure to the outcome?",
            kind="stat",
            unit="ms",
            sql=f"SELECT sum(recovery_time_ms) AS mending FROM ai_request_logs WHERE {_THIS}",
        ),
        Panel(
            title="Requests sent",
            question="How many requests went to providers?",
            kind="stat",
            sql=f"SELECT sum(1 + retry_count) AS sent FROM ai_request_logs WHERE {_THIS}",
        ),
        Panel(
            title="Cost",
            question="What did it cost?",
            kind="stat",
            unit="currencyUSD",
            no_value="unknown",
            sql=f"SELECT sum(cost_usd) AS cost FROM ai_request_logs WHERE {_THIS}",
        ),
        Panel(
            title="The call",
            question="Who asked for what, who answered, and how did it end?",
            kind="table",
            width=24,
            height=5,
            columns=(
                Column(name="first token", unit="ms"),
                Column(name="id", links=(TO_REQUEST,)),
                Column(name="trace_id", links=(TO_TRACE,)),
            ),
            sql=f"""SELECT created_at AS time, status, operation, module, task, tenant_id AS tenant,
       user_id AS "user", provider_requested AS "asked", {MODEL} AS model,
       provider_used AS "answered", provider_model AS "answering model", input_tokens,
       output_tokens, ttfc_ms AS "first token", http_status, first_error_code AS "first error",
       error_code AS error, error_message AS message, recovery_outcome AS outcome,
       recovery_strategy AS "mended by", degraded, cache_hit, id::text AS id, trace_id
FROM ai_request_logs WHERE {_THIS}
ORDER BY created_at LIMIT 100""",
        ),
        Panel(
            title="What was done",
            question="Which recovery steps ran, in which order, and which one helped?",
            kind="table",
            width=24,
            height=7,
            no_value="no recovery step ran",
            columns=(Column(name="took", unit="ms"),),
            sql=f"""SELECT created_at AS time, step_number AS step, strategy_name AS strategy,
       action_taken AS action, was_successful AS worked, recovery_time_ms AS took,
       error_code AS error, provider, model, recovery_result AS result
FROM ai_error_recovery WHERE {_STEPS}
ORDER BY created_at, step_number LIMIT 200""",
        ),
        Panel(
            title="Why, and what to do",
            question="What is the probable cause of its error, and what should I do about it?",
            kind="table",
            width=24,
            height=5,
            no_value="no error",
            sql=f"""SELECT a.error_code AS error, a.provider, a.probable_cause AS "probable cause",
       a.suggested_action AS "suggested action", a.occurrence_count AS calls,
       a.recovered_count AS mended, a.first_seen AS "first seen",
       a.pattern_id AS pattern
FROM ai_error_analysis AS a
WHERE (a.tenant_id, a.error_pattern) IN (
  SELECT tenant_id, error_pattern FROM ai_request_logs WHERE {_THIS})
ORDER BY a.last_occurred DESC LIMIT 20""",
        ),
        Panel(
            title="Trace",
            question="What did the application do around the call?",
            kind="traces",
            width=24,
            height=16,
            no_value="no trace",
            traceql="${trace_id}",
        ),
    ),
)
