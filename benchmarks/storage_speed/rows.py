"""Fills a database with a month of calls: skewed tenants, 3 % errors, repeatable.

Rows are made by the server itself, day by day, and the sums by `rollups.rebuild`, which a property
test holds equal to what the writer keeps. No figure is taken while this runs.
"""

from datetime import date, datetime, timedelta
from typing import Final

from goldseam.storage import Role, partitions, rollups
from goldseam.storage.engine import connect

DAYS: Final = 30
TENANTS: Final = 20
BIGGEST_TENANT: Final = "t0"

SHAPE: Final = (
    f"{TENANTS} tenants of which the biggest has more than a fifth, 6 modules, 4 providers, "
    "8 models, 3 % errors in 40 patterns, 1 % mended after one step"
)

# The square of an even number leans to 0, so tenant t0 gets 22 % of the calls.
_DAY: Final = """
    WITH dice AS MATERIALIZED (
        SELECT n, random() AS a, random() AS b, random() AS c, random() AS d, random() AS e
        FROM generate_series(1, %(rows)s) AS n
    ),
    calls AS (
        SELECT *, 't' || floor(a * a * 20)::int AS tenant_id,
            %(start)s::timestamptz + n * interval '1 day' / (%(rows)s + 1) AS at,
            (ARRAY['openai', 'ovhcloud', 'ollama', 'anthropic'])[1 + floor(b * b * 4)::int]
                AS made_by,
            md5(%(start)s::text || n) AS digest, e < 0.03 AS failed, e > 0.99 AS mended
        FROM dice
    )
    INSERT INTO ai_request_logs (
        tenant_id, created_at, id, request_id, trace_id, span_id, module, user_id, task, operation,
        prompt_sha256, prompt_length, model_requested, provider_requested, provider_used,
        provider_model, status, input_tokens, output_tokens, tokens_used, processing_time_ms,
        error_code, error_message, first_error_code, error_pattern, recovery_outcome,
        recovery_strategy, recovery_steps, recovery_time_ms, retry_count, cost_usd, updated_at
    )
    SELECT tenant_id, at, row_id, row_id::text, digest, left(digest, 16),
        'module-' || floor(c * 6)::int, 'user-' || floor(d * 500)::int, 'analysis', 'chat',
        digest || digest, 900, 'model-' || floor(c * 8)::int, made_by, made_by,
        'model-' || floor(c * 8)::int, CASE WHEN failed THEN 'error' ELSE 'success' END,
        200 + (d * 2000)::int, 50 + (b * 500)::int, 250 + (d * 2000)::int + (b * 500)::int,
        exp(5 + 3 * c + 2 * d), CASE WHEN failed THEN 'TIMEOUT' END,
        CASE WHEN failed THEN 'Request timed out after 30 s.' END,
        CASE WHEN failed OR mended THEN 'TIMEOUT' END,
        CASE WHEN failed OR mended THEN 'TIMEOUT:' || made_by || ':' || floor(d * 10)::int END,
        CASE WHEN mended THEN 'recovered' WHEN failed THEN 'failed' END,
        CASE WHEN mended THEN 'retry' END, CASE WHEN mended THEN 1 ELSE 0 END,
        CASE WHEN mended THEN 550 END, CASE WHEN mended THEN 1 ELSE 0 END, 0.0004, %(start)s
    FROM calls,
        -- As `semconv.log_id` makes it: the start in milliseconds, version 8, the rest from a hash.
        LATERAL (SELECT lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms),
        LATERAL (SELECT overlay(overlay(overlay(digest PLACING ms FROM 1) PLACING '8' FROM 13)
                                PLACING '8' FROM 17)::uuid AS row_id)
"""

_STEPS: Final = """
    INSERT INTO ai_error_recovery (
        tenant_id, created_at, id, request_log_id, trace_id, strategy_name, step_number,
        action_taken, was_successful, recovery_time_ms, error_code, provider, call_error
    )
    SELECT tenant_id, created_at, id, id, trace_id, 'retry', 1, 'wait 0.5s, resend',
        recovery_outcome = 'recovered', 550, 'TIMEOUT', provider_used, error_pattern
    FROM ai_request_logs
    WHERE created_at >= %(start)s AND created_at < %(end)s AND recovery_outcome IS NOT NULL
"""

_PATTERNS: Final = """
    INSERT INTO ai_error_analysis (
        tenant_id, pattern_id, error_pattern, error_code, error_message_pattern, provider,
        normaliser_version, probable_cause, suggested_action, first_seen, last_occurred,
        occurrence_count, created_at, updated_at
    )
    SELECT tenant_id, left(encode(sha256((tenant_id || '/' || error_pattern)::bytea), 'hex'), 16),
        error_pattern, 'TIMEOUT', 'Request timed out after <duration>.', min(provider_used), 1,
        'The provider was slow.', 'Retry.', min(created_at), max(created_at),
        count(*), min(created_at), max(created_at)
    FROM ai_request_logs WHERE error_pattern IS NOT NULL
    GROUP BY tenant_id, error_pattern
"""


def fill(url: str, *, rows: int, until: date) -> None:
    """Store `rows` calls of the `DAYS` days before `until`, with steps, patterns and sums."""
    days = [until - timedelta(days=ago) for ago in range(DAYS, 0, -1)]
    partitions.ensure(url, days[0], until)
    with connect(url, Role.OWNER) as owner, connect(url, Role.WRITER) as writer:
        writer.execute("SELECT setseed(0.5)")
        for day in days:
            start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
            bounds = {"start": start, "end": start + timedelta(days=1), "rows": rows // DAYS}
            writer.execute(_DAY, bounds)
            writer.execute(_STEPS, bounds)
            writer.commit()
            rollups.rebuild(owner, day)
        writer.execute(_PATTERNS)
        writer.commit()
        owner.autocommit = True
        for table in ("ai_request_logs", "ai_error_recovery", "ai_error_analysis"):
            owner.execute(f"VACUUM (ANALYZE) {table}")
        owner.execute("ANALYZE")
