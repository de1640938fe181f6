-- Goldseam's tables, roles, policies and reporting views, for PostgreSQL 15 or later.
-- Written by `goldseam db sql`; run it with psql on an empty database, as an owner with CREATEROLE.

BEGIN;

DO $goldseam$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'goldseam_owner') THEN
    CREATE ROLE goldseam_owner NOLOGIN;
    
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$goldseam$;

DO $goldseam$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'goldseam_writer') THEN
    CREATE ROLE goldseam_writer NOLOGIN;
    
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$goldseam$;

DO $goldseam$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'goldseam_api') THEN
    CREATE ROLE goldseam_api NOLOGIN;
    
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$goldseam$;

DO $goldseam$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_ro') THEN
    CREATE ROLE grafana_ro LOGIN NOINHERIT CONNECTION LIMIT 10;
    ALTER ROLE grafana_ro SET statement_timeout = '15s';
    ALTER ROLE grafana_ro SET default_transaction_read_only = on;
    ALTER ROLE grafana_ro SET search_path = reporting;
    ALTER ROLE grafana_ro SET jit = off;
    ALTER ROLE grafana_ro SET timezone = 'UTC';
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$goldseam$;

DO $goldseam$
DECLARE
  modern boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
  IF NOT pg_has_role(current_user, 'goldseam_owner', CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT goldseam_owner TO %I', current_user)
      || CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$goldseam$;

DO $goldseam$
DECLARE
  modern boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
  IF NOT pg_has_role(current_user, 'goldseam_writer', CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT goldseam_writer TO %I', current_user)
      || CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$goldseam$;

DO $goldseam$
DECLARE
  modern boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
  IF NOT pg_has_role(current_user, 'goldseam_api', CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT goldseam_api TO %I', current_user)
      || CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$goldseam$;

DO $goldseam$
DECLARE
  modern boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
  IF NOT pg_has_role(current_user, 'grafana_ro', CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT grafana_ro TO %I', current_user)
      || CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$goldseam$;

DO $goldseam$
BEGIN
  IF NOT has_database_privilege('goldseam_owner', current_database(), 'CREATE') THEN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO goldseam_owner', current_database());
  END IF;
  IF NOT has_schema_privilege('goldseam_owner', 'public', 'CREATE') THEN
    GRANT USAGE, CREATE ON SCHEMA public TO goldseam_owner;
  END IF;
  IF NOT has_database_privilege('goldseam_writer', current_database(), 'TEMPORARY') THEN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO goldseam_writer', current_database());
  END IF;
  IF NOT has_database_privilege('grafana_ro', current_database(), 'CONNECT') THEN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO grafana_ro', current_database());
  END IF;
END
$goldseam$;

SET LOCAL ROLE goldseam_owner;

CREATE TABLE ai_request_logs (
    tenant_id TEXT DEFAULT 'default' NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    id UUID NOT NULL, 
    request_id TEXT NOT NULL, 
    trace_id TEXT NOT NULL, 
    span_id TEXT NOT NULL, 
    parent_span_id TEXT, 
    module TEXT NOT NULL, 
    user_id TEXT, 
    task TEXT, 
    operation TEXT NOT NULL, 
    prompt_sha256 TEXT, 
    prompt_length INTEGER, 
    model_requested TEXT, 
    provider_requested TEXT NOT NULL, 
    provider_used TEXT NOT NULL, 
    provider_model TEXT, 
    status TEXT NOT NULL, 
    response_length INTEGER, 
    input_tokens INTEGER, 
    output_tokens INTEGER, 
    cache_read_tokens INTEGER, 
    cache_write_tokens INTEGER, 
    reasoning_tokens INTEGER, 
    tokens_used INTEGER, 
    processing_time_ms DOUBLE PRECISION NOT NULL, 
    ttfc_ms DOUBLE PRECISION, 
    is_stream BOOLEAN DEFAULT false NOT NULL, 
    error_code TEXT, 
    error_message TEXT, 
    http_status INTEGER, 
    retry_count INTEGER DEFAULT 0 NOT NULL, 
    first_error_code TEXT, 
    error_pattern TEXT, 
    recovery_outcome TEXT, 
    recovery_strategy TEXT, 
    recovery_steps INTEGER, 
    recovery_time_ms DOUBLE PRECISION, 
    recovery_wait_ms DOUBLE PRECISION, 
    degraded BOOLEAN DEFAULT false NOT NULL, 
    cache_hit BOOLEAN DEFAULT false NOT NULL, 
    correction_id TEXT, 
    cost_usd DOUBLE PRECISION, 
    confidence_score DOUBLE PRECISION, 
    user_feedback TEXT, 
    conversation_id TEXT, 
    service_name TEXT, 
    dialect TEXT, 
    duplicate_of UUID, 
    request_metadata JSONB DEFAULT '{}'::jsonb NOT NULL, 
    response_metadata JSONB DEFAULT '{}'::jsonb NOT NULL, 
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_ai_request_logs PRIMARY KEY (tenant_id, created_at, id), 
    CONSTRAINT ck_ai_request_logs_tenant_id CHECK (tenant_id <> '*'), 
    CONSTRAINT ck_ai_request_logs_status CHECK (status IN ('pending', 'success', 'error', 'cancelled', 'abandoned'))
)
 PARTITION BY RANGE (created_at);

CREATE INDEX ix_ai_request_logs_created_at ON ai_request_logs (created_at DESC);

CREATE INDEX ix_ai_request_logs_first_error ON ai_request_logs (tenant_id, first_error_code, created_at DESC) WHERE first_error_code IS NOT NULL;

CREATE INDEX ix_ai_request_logs_pending ON ai_request_logs (created_at) WHERE status = 'pending';

CREATE INDEX ix_ai_request_logs_request_id ON ai_request_logs (request_id, tenant_id) WHERE request_id <> id::text;

CREATE INDEX ix_ai_request_logs_tenant_module_status ON ai_request_logs (tenant_id, module, status, created_at DESC);

CREATE INDEX ix_ai_request_logs_trace_id ON ai_request_logs (trace_id);

COMMENT ON TABLE ai_request_logs IS 'One row per AI call of the application; one partition per UTC day';

COMMENT ON COLUMN ai_request_logs.tenant_id IS 'Owner of the row';

COMMENT ON COLUMN ai_request_logs.created_at IS 'Start of the call, not its arrival';

COMMENT ON COLUMN ai_request_logs.id IS 'UUID version 8: 48 bits of start milliseconds, then a hash of trace and span id';

COMMENT ON COLUMN ai_request_logs.request_id IS 'Correlation id given by the caller, else the id as text; not unique';

COMMENT ON COLUMN ai_request_logs.trace_id IS '32 hex digits';

COMMENT ON COLUMN ai_request_logs.span_id IS '16 hex digits';

COMMENT ON COLUMN ai_request_logs.parent_span_id IS '16 hex digits; NULL for a root';

COMMENT ON COLUMN ai_request_logs.module IS 'Part of the application that made the call';

COMMENT ON COLUMN ai_request_logs.user_id IS 'User on whose behalf the call was made';

COMMENT ON COLUMN ai_request_logs.task IS 'What the call was for';

COMMENT ON COLUMN ai_request_logs.operation IS 'chat, embeddings, ... as in GenAI conventions';

COMMENT ON COLUMN ai_request_logs.prompt_sha256 IS 'Hex SHA-256 of the input text; the text itself is never stored';

COMMENT ON COLUMN ai_request_logs.prompt_length IS 'Input text in code points';

COMMENT ON COLUMN ai_request_logs.model_requested IS 'Model that the caller asked for';

COMMENT ON COLUMN ai_request_logs.provider_requested IS 'Provider that the caller asked';

COMMENT ON COLUMN ai_request_logs.provider_used IS 'Provider that answered or failed last';

COMMENT ON COLUMN ai_request_logs.provider_model IS 'Model that answered';

COMMENT ON COLUMN ai_request_logs.status IS 'pending, success, error, cancelled or abandoned; a time-out is an error';

COMMENT ON COLUMN ai_request_logs.response_length IS 'Output text in code points';

COMMENT ON COLUMN ai_request_logs.input_tokens IS 'Includes cached tokens';

COMMENT ON COLUMN ai_request_logs.output_tokens IS 'Includes reasoning tokens';

COMMENT ON COLUMN ai_request_logs.cache_read_tokens IS 'Part of input_tokens';

COMMENT ON COLUMN ai_request_logs.cache_write_tokens IS 'Part of input_tokens';

COMMENT ON COLUMN ai_request_logs.reasoning_tokens IS 'Part of output_tokens';

COMMENT ON COLUMN ai_request_logs.tokens_used IS 'Input and output tokens together';

COMMENT ON COLUMN ai_request_logs.processing_time_ms IS 'Start to end of the call in milliseconds, recovery included';

COMMENT ON COLUMN ai_request_logs.ttfc_ms IS 'Milliseconds to the first chunk';

COMMENT ON COLUMN ai_request_logs.is_stream IS 'Whether the answer was streamed';

COMMENT ON COLUMN ai_request_logs.error_code IS 'Final error; NULL on success';

COMMENT ON COLUMN ai_request_logs.error_message IS 'Final error''s text, masked';

COMMENT ON COLUMN ai_request_logs.http_status IS 'Last HTTP status of the provider';

COMMENT ON COLUMN ai_request_logs.retry_count IS 'Requests sent beyond the first, by SDK and recovery';

COMMENT ON COLUMN ai_request_logs.first_error_code IS 'First error, kept when the call was mended';

COMMENT ON COLUMN ai_request_logs.error_pattern IS 'Pattern of the first error, see ai_error_analysis';

COMMENT ON COLUMN ai_request_logs.recovery_outcome IS 'not_needed, recovered, failed or skipped';

COMMENT ON COLUMN ai_request_logs.recovery_strategy IS 'Strategy that worked';

COMMENT ON COLUMN ai_request_logs.recovery_steps IS 'Recovery steps that ran';

COMMENT ON COLUMN ai_request_logs.recovery_time_ms IS 'Milliseconds from the first failure to the outcome';

COMMENT ON COLUMN ai_request_logs.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_request_logs.degraded IS 'Another model, a trimmed prompt or a stale cache answered';

COMMENT ON COLUMN ai_request_logs.cache_hit IS 'Goldseam''s cache answered';

COMMENT ON COLUMN ai_request_logs.correction_id IS 'Enabled correction that was applied';

COMMENT ON COLUMN ai_request_logs.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_request_logs.confidence_score IS '0 to 1';

COMMENT ON COLUMN ai_request_logs.user_feedback IS 'Feedback on the answer';

COMMENT ON COLUMN ai_request_logs.conversation_id IS 'Conversation of the call';

COMMENT ON COLUMN ai_request_logs.service_name IS 'Resource attribute service.name';

COMMENT ON COLUMN ai_request_logs.dialect IS 'Instrumentation that wrote the span';

COMMENT ON COLUMN ai_request_logs.duplicate_of IS 'Row that tells of the same call; such rows are in no statistic';

COMMENT ON COLUMN ai_request_logs.request_metadata IS 'Sampling parameters, server, resource; no content';

COMMENT ON COLUMN ai_request_logs.response_metadata IS 'Response id, finish reasons, flags; no content';

COMMENT ON COLUMN ai_request_logs.updated_at IS 'Last write that changed the row';

CREATE TABLE ai_request_logs_default PARTITION OF ai_request_logs DEFAULT;

CREATE TABLE ai_error_recovery (
    tenant_id TEXT DEFAULT 'default' NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    id UUID NOT NULL, 
    request_log_id UUID, 
    trace_id TEXT NOT NULL, 
    strategy_name TEXT NOT NULL, 
    step_number INTEGER NOT NULL, 
    action_taken TEXT NOT NULL, 
    was_successful BOOLEAN NOT NULL, 
    recovery_time_ms DOUBLE PRECISION NOT NULL, 
    error_code TEXT, 
    provider TEXT, 
    model TEXT, 
    recovery_result JSONB DEFAULT '{}'::jsonb NOT NULL, 
    after TEXT DEFAULT '' NOT NULL, 
    call_error TEXT DEFAULT '' NOT NULL, 
    CONSTRAINT pk_ai_error_recovery PRIMARY KEY (tenant_id, created_at, id)
)
 PARTITION BY RANGE (created_at);

CREATE INDEX ix_ai_error_recovery_request ON ai_error_recovery (tenant_id, request_log_id);

CREATE INDEX ix_ai_error_recovery_strategy ON ai_error_recovery (tenant_id, strategy_name, created_at);

CREATE INDEX ix_ai_error_recovery_unlinked ON ai_error_recovery (trace_id) WHERE request_log_id IS NULL;

COMMENT ON TABLE ai_error_recovery IS 'One row per recovery step; one partition per UTC day';

COMMENT ON COLUMN ai_error_recovery.tenant_id IS 'Owner of the row';

COMMENT ON COLUMN ai_error_recovery.created_at IS 'Start of the step';

COMMENT ON COLUMN ai_error_recovery.id IS 'Made from the step''s own span as in ai_request_logs';

COMMENT ON COLUMN ai_error_recovery.request_log_id IS 'id in ai_request_logs; no foreign key, steps arrive before their request';

COMMENT ON COLUMN ai_error_recovery.trace_id IS '32 hex digits';

COMMENT ON COLUMN ai_error_recovery.strategy_name IS 'retry, simplify, fallback or cache';

COMMENT ON COLUMN ai_error_recovery.step_number IS 'From 1, over all strategies';

COMMENT ON COLUMN ai_error_recovery.action_taken IS 'What was done, without content';

COMMENT ON COLUMN ai_error_recovery.was_successful IS 'Whether the step mended the call';

COMMENT ON COLUMN ai_error_recovery.recovery_time_ms IS 'Milliseconds, the wait included';

COMMENT ON COLUMN ai_error_recovery.error_code IS 'Error of the step; NULL on success';

COMMENT ON COLUMN ai_error_recovery.provider IS 'Provider that the step asked';

COMMENT ON COLUMN ai_error_recovery.model IS 'Model that the step asked for';

COMMENT ON COLUMN ai_error_recovery.recovery_result IS 'Delay, attempt, tokens, cost and span of the step';

COMMENT ON COLUMN ai_error_recovery.after IS 'Strategies of the steps that ran before it in the same call, the last ten';

COMMENT ON COLUMN ai_error_recovery.call_error IS 'First error of its call: the pattern, else the code; empty while none is known';

CREATE TABLE ai_error_recovery_default PARTITION OF ai_error_recovery DEFAULT;

CREATE TABLE ai_error_analysis (
    tenant_id TEXT DEFAULT 'default' NOT NULL, 
    pattern_id TEXT NOT NULL, 
    error_pattern TEXT NOT NULL, 
    error_code TEXT NOT NULL, 
    error_message_pattern TEXT NOT NULL, 
    provider TEXT NOT NULL, 
    normaliser_version INTEGER NOT NULL, 
    occurrence_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    first_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
    last_occurred TIMESTAMP WITH TIME ZONE NOT NULL, 
    probable_cause TEXT NOT NULL, 
    suggested_action TEXT NOT NULL, 
    resolution_status TEXT DEFAULT 'open' NOT NULL, 
    resolved_at TIMESTAMP WITH TIME ZONE, 
    auto_correction_enabled BOOLEAN DEFAULT false NOT NULL, 
    correction_config JSONB, 
    correction_changed_at TIMESTAMP WITH TIME ZONE, 
    correction_changed_by TEXT, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_ai_error_analysis PRIMARY KEY (tenant_id, pattern_id), 
    CONSTRAINT uq_ai_error_analysis_tenant_id_error_pattern UNIQUE (tenant_id, error_pattern), 
    CONSTRAINT ck_ai_error_analysis_resolution_status CHECK (resolution_status IN ('open', 'resolved', 'wontfix'))
);

CREATE INDEX ix_ai_error_analysis_last_occurred ON ai_error_analysis (tenant_id, last_occurred DESC);

COMMENT ON TABLE ai_error_analysis IS 'One row per tenant and error pattern';

COMMENT ON COLUMN ai_error_analysis.tenant_id IS 'Owner of the row';

COMMENT ON COLUMN ai_error_analysis.pattern_id IS 'First 16 hex digits of SHA-256(tenant_id/error_pattern)';

COMMENT ON COLUMN ai_error_analysis.error_pattern IS 'code:provider:fingerprint';

COMMENT ON COLUMN ai_error_analysis.error_code IS 'Code that the pattern belongs to';

COMMENT ON COLUMN ai_error_analysis.error_message_pattern IS 'Message with its variables masked';

COMMENT ON COLUMN ai_error_analysis.provider IS 'Provider that failed';

COMMENT ON COLUMN ai_error_analysis.normaliser_version IS 'Version of the fingerprint rules';

COMMENT ON COLUMN ai_error_analysis.occurrence_count IS 'Requests with this pattern, mended or not, no duplicates';

COMMENT ON COLUMN ai_error_analysis.recovered_count IS 'Those of them that recovery mended';

COMMENT ON COLUMN ai_error_analysis.first_seen IS 'Earliest start of such a request';

COMMENT ON COLUMN ai_error_analysis.last_occurred IS 'Latest end of such a request';

COMMENT ON COLUMN ai_error_analysis.probable_cause IS 'From the table of fixes, by code';

COMMENT ON COLUMN ai_error_analysis.suggested_action IS 'From the table of fixes, by code';

COMMENT ON COLUMN ai_error_analysis.resolution_status IS 'open, resolved or wontfix; an occurrence after resolved_at reopens resolved';

COMMENT ON COLUMN ai_error_analysis.resolved_at IS 'When it was last marked resolved, also if it came back since';

COMMENT ON COLUMN ai_error_analysis.auto_correction_enabled IS 'Whether applications apply correction_config';

COMMENT ON COLUMN ai_error_analysis.correction_config IS 'Correction; never written from spans';

COMMENT ON COLUMN ai_error_analysis.correction_changed_at IS 'When the correction was last switched or edited';

COMMENT ON COLUMN ai_error_analysis.correction_changed_by IS 'Key id that did so, or guard where it stopped working';

COMMENT ON COLUMN ai_error_analysis.created_at IS 'When the pattern was first stored';

COMMENT ON COLUMN ai_error_analysis.updated_at IS 'Last write that changed the row';

CREATE TABLE ai_stats_names (
    tenant_id TEXT NOT NULL, 
    day DATE NOT NULL, 
    providers TEXT[] NOT NULL, 
    models TEXT[] NOT NULL, 
    modules TEXT[] NOT NULL, 
    CONSTRAINT pk_ai_stats_names PRIMARY KEY (tenant_id, day)
);

CREATE INDEX ix_ai_stats_names_full ON ai_stats_names (day) WHERE greatest(cardinality(providers), cardinality(models), cardinality(modules)) >= 200;

COMMENT ON TABLE ai_stats_names IS 'Which names the roll-ups of a day tell apart, so that senders cannot blow them up';

COMMENT ON COLUMN ai_stats_names.tenant_id IS 'Owner of the requests; * for the tables that end in _all';

COMMENT ON COLUMN ai_stats_names.day IS 'Day in UTC';

COMMENT ON COLUMN ai_stats_names.providers IS 'Every provider of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN ai_stats_names.models IS 'Every model of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN ai_stats_names.modules IS 'Every module of the day that is told apart; the rest counts as other';

ALTER TABLE ai_stats_names SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_step_names (
    tenant_id TEXT NOT NULL, 
    day DATE NOT NULL, 
    strategies TEXT[] NOT NULL, 
    providers TEXT[] NOT NULL, 
    afters TEXT[] NOT NULL, 
    CONSTRAINT pk_ai_stats_step_names PRIMARY KEY (tenant_id, day)
);

CREATE INDEX ix_ai_stats_step_names_full ON ai_stats_step_names (day) WHERE greatest(cardinality(strategies), cardinality(providers), cardinality(afters)) >= 200;

COMMENT ON TABLE ai_stats_step_names IS 'Which names the roll-ups of recovery steps tell apart on a day';

COMMENT ON COLUMN ai_stats_step_names.tenant_id IS 'Owner of the requests; * for the tables that end in _all';

COMMENT ON COLUMN ai_stats_step_names.day IS 'Day in UTC';

COMMENT ON COLUMN ai_stats_step_names.strategies IS 'Every strategy of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN ai_stats_step_names.providers IS 'Every provider of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN ai_stats_step_names.afters IS 'Every after of the day that is told apart; the rest counts as other';

ALTER TABLE ai_stats_step_names SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_hour (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    provider TEXT NOT NULL, 
    model TEXT NOT NULL, 
    module TEXT NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    error_count BIGINT DEFAULT 0 NOT NULL, 
    timeout_count BIGINT DEFAULT 0 NOT NULL, 
    pending_count BIGINT DEFAULT 0 NOT NULL, 
    cancelled_count BIGINT DEFAULT 0 NOT NULL, 
    abandoned_count BIGINT DEFAULT 0 NOT NULL, 
    first_try_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    spared_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_retry BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_simplify BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_fallback BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_cache BIGINT DEFAULT 0 NOT NULL, 
    degraded_count BIGINT DEFAULT 0 NOT NULL, 
    cache_hit_count BIGINT DEFAULT 0 NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    input_tokens BIGINT DEFAULT 0 NOT NULL, 
    output_tokens BIGINT DEFAULT 0 NOT NULL, 
    tokens_used BIGINT DEFAULT 0 NOT NULL, 
    tokens_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    cost_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    duration_ms NUMERIC DEFAULT 0 NOT NULL, 
    first_try_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovered_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_wait_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_hour PRIMARY KEY (tenant_id, bucket, provider, model, module)
);

COMMENT ON TABLE ai_stats_hour IS 'Sums over the requests of each hour, without duplicates';

COMMENT ON COLUMN ai_stats_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_hour.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN ai_stats_hour.model IS 'model_requested of the requests, unknown, or other';

COMMENT ON COLUMN ai_stats_hour.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_hour.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN ai_stats_hour.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN ai_stats_hour.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN ai_stats_hour.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN ai_stats_hour.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN ai_stats_hour.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN ai_stats_hour.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN ai_stats_hour.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN ai_stats_hour.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN ai_stats_hour.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN ai_stats_hour.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN ai_stats_hour.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN ai_stats_hour.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN ai_stats_hour.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN ai_stats_hour.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN ai_stats_hour.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN ai_stats_hour.input_tokens IS 'Tokens read';

COMMENT ON COLUMN ai_stats_hour.output_tokens IS 'Tokens written';

COMMENT ON COLUMN ai_stats_hour.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN ai_stats_hour.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN ai_stats_hour.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN ai_stats_hour.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_stats_hour.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN ai_stats_hour.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN ai_stats_hour.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN ai_stats_hour.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN ai_stats_hour.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_hour.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_hour.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_stats_hour.wasted_ms IS 'Milliseconds of calls that failed for good';

ALTER TABLE ai_stats_hour SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_hour_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    provider TEXT NOT NULL, 
    model TEXT NOT NULL, 
    module TEXT NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    error_count BIGINT DEFAULT 0 NOT NULL, 
    timeout_count BIGINT DEFAULT 0 NOT NULL, 
    pending_count BIGINT DEFAULT 0 NOT NULL, 
    cancelled_count BIGINT DEFAULT 0 NOT NULL, 
    abandoned_count BIGINT DEFAULT 0 NOT NULL, 
    first_try_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    spared_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_retry BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_simplify BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_fallback BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_cache BIGINT DEFAULT 0 NOT NULL, 
    degraded_count BIGINT DEFAULT 0 NOT NULL, 
    cache_hit_count BIGINT DEFAULT 0 NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    input_tokens BIGINT DEFAULT 0 NOT NULL, 
    output_tokens BIGINT DEFAULT 0 NOT NULL, 
    tokens_used BIGINT DEFAULT 0 NOT NULL, 
    tokens_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    cost_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    duration_ms NUMERIC DEFAULT 0 NOT NULL, 
    first_try_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovered_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_wait_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_hour_all PRIMARY KEY (tenant_id, bucket, provider, model, module)
);

COMMENT ON TABLE ai_stats_hour_all IS 'Sums over the requests of each hour, without duplicates';

COMMENT ON COLUMN ai_stats_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_hour_all.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN ai_stats_hour_all.model IS 'model_requested of the requests, unknown, or other';

COMMENT ON COLUMN ai_stats_hour_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_hour_all.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN ai_stats_hour_all.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN ai_stats_hour_all.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN ai_stats_hour_all.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN ai_stats_hour_all.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN ai_stats_hour_all.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN ai_stats_hour_all.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN ai_stats_hour_all.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN ai_stats_hour_all.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN ai_stats_hour_all.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN ai_stats_hour_all.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN ai_stats_hour_all.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN ai_stats_hour_all.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN ai_stats_hour_all.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN ai_stats_hour_all.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN ai_stats_hour_all.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN ai_stats_hour_all.input_tokens IS 'Tokens read';

COMMENT ON COLUMN ai_stats_hour_all.output_tokens IS 'Tokens written';

COMMENT ON COLUMN ai_stats_hour_all.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN ai_stats_hour_all.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN ai_stats_hour_all.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN ai_stats_hour_all.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_stats_hour_all.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN ai_stats_hour_all.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN ai_stats_hour_all.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN ai_stats_hour_all.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN ai_stats_hour_all.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_hour_all.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_hour_all.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_stats_hour_all.wasted_ms IS 'Milliseconds of calls that failed for good';

ALTER TABLE ai_stats_hour_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_total_hour (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    provider TEXT NOT NULL, 
    module TEXT NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    error_count BIGINT DEFAULT 0 NOT NULL, 
    timeout_count BIGINT DEFAULT 0 NOT NULL, 
    pending_count BIGINT DEFAULT 0 NOT NULL, 
    cancelled_count BIGINT DEFAULT 0 NOT NULL, 
    abandoned_count BIGINT DEFAULT 0 NOT NULL, 
    first_try_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    spared_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_retry BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_simplify BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_fallback BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_cache BIGINT DEFAULT 0 NOT NULL, 
    degraded_count BIGINT DEFAULT 0 NOT NULL, 
    cache_hit_count BIGINT DEFAULT 0 NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    input_tokens BIGINT DEFAULT 0 NOT NULL, 
    output_tokens BIGINT DEFAULT 0 NOT NULL, 
    tokens_used BIGINT DEFAULT 0 NOT NULL, 
    tokens_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    cost_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    duration_ms NUMERIC DEFAULT 0 NOT NULL, 
    first_try_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovered_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_wait_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    durations NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_total_hour PRIMARY KEY (tenant_id, bucket, provider, module)
);

COMMENT ON TABLE ai_stats_total_hour IS 'Sums over the requests of each hour, all models together, no duplicates';

COMMENT ON COLUMN ai_stats_total_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_total_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_total_hour.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN ai_stats_total_hour.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_total_hour.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN ai_stats_total_hour.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN ai_stats_total_hour.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN ai_stats_total_hour.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN ai_stats_total_hour.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN ai_stats_total_hour.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN ai_stats_total_hour.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN ai_stats_total_hour.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN ai_stats_total_hour.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN ai_stats_total_hour.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN ai_stats_total_hour.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN ai_stats_total_hour.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN ai_stats_total_hour.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN ai_stats_total_hour.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN ai_stats_total_hour.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN ai_stats_total_hour.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN ai_stats_total_hour.input_tokens IS 'Tokens read';

COMMENT ON COLUMN ai_stats_total_hour.output_tokens IS 'Tokens written';

COMMENT ON COLUMN ai_stats_total_hour.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN ai_stats_total_hour.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN ai_stats_total_hour.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_hour.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_stats_total_hour.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN ai_stats_total_hour.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN ai_stats_total_hour.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN ai_stats_total_hour.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN ai_stats_total_hour.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_hour.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_hour.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_stats_total_hour.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_hour.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

ALTER TABLE ai_stats_total_hour SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_total_hour_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    provider TEXT NOT NULL, 
    module TEXT NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    error_count BIGINT DEFAULT 0 NOT NULL, 
    timeout_count BIGINT DEFAULT 0 NOT NULL, 
    pending_count BIGINT DEFAULT 0 NOT NULL, 
    cancelled_count BIGINT DEFAULT 0 NOT NULL, 
    abandoned_count BIGINT DEFAULT 0 NOT NULL, 
    first_try_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    spared_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_retry BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_simplify BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_fallback BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_cache BIGINT DEFAULT 0 NOT NULL, 
    degraded_count BIGINT DEFAULT 0 NOT NULL, 
    cache_hit_count BIGINT DEFAULT 0 NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    input_tokens BIGINT DEFAULT 0 NOT NULL, 
    output_tokens BIGINT DEFAULT 0 NOT NULL, 
    tokens_used BIGINT DEFAULT 0 NOT NULL, 
    tokens_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    cost_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    duration_ms NUMERIC DEFAULT 0 NOT NULL, 
    first_try_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovered_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_wait_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    durations NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_total_hour_all PRIMARY KEY (tenant_id, bucket, provider, module)
);

COMMENT ON TABLE ai_stats_total_hour_all IS 'Sums over the requests of each hour, all models together, no duplicates';

COMMENT ON COLUMN ai_stats_total_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_total_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_total_hour_all.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN ai_stats_total_hour_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_total_hour_all.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN ai_stats_total_hour_all.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN ai_stats_total_hour_all.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN ai_stats_total_hour_all.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN ai_stats_total_hour_all.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN ai_stats_total_hour_all.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN ai_stats_total_hour_all.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN ai_stats_total_hour_all.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN ai_stats_total_hour_all.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN ai_stats_total_hour_all.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN ai_stats_total_hour_all.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN ai_stats_total_hour_all.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN ai_stats_total_hour_all.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN ai_stats_total_hour_all.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN ai_stats_total_hour_all.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN ai_stats_total_hour_all.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN ai_stats_total_hour_all.input_tokens IS 'Tokens read';

COMMENT ON COLUMN ai_stats_total_hour_all.output_tokens IS 'Tokens written';

COMMENT ON COLUMN ai_stats_total_hour_all.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN ai_stats_total_hour_all.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN ai_stats_total_hour_all.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_hour_all.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_stats_total_hour_all.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN ai_stats_total_hour_all.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN ai_stats_total_hour_all.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN ai_stats_total_hour_all.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN ai_stats_total_hour_all.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_hour_all.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_hour_all.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_stats_total_hour_all.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_hour_all.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

ALTER TABLE ai_stats_total_hour_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_total_day (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    provider TEXT NOT NULL, 
    module TEXT NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    error_count BIGINT DEFAULT 0 NOT NULL, 
    timeout_count BIGINT DEFAULT 0 NOT NULL, 
    pending_count BIGINT DEFAULT 0 NOT NULL, 
    cancelled_count BIGINT DEFAULT 0 NOT NULL, 
    abandoned_count BIGINT DEFAULT 0 NOT NULL, 
    first_try_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    spared_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_retry BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_simplify BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_fallback BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_cache BIGINT DEFAULT 0 NOT NULL, 
    degraded_count BIGINT DEFAULT 0 NOT NULL, 
    cache_hit_count BIGINT DEFAULT 0 NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    input_tokens BIGINT DEFAULT 0 NOT NULL, 
    output_tokens BIGINT DEFAULT 0 NOT NULL, 
    tokens_used BIGINT DEFAULT 0 NOT NULL, 
    tokens_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    cost_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    duration_ms NUMERIC DEFAULT 0 NOT NULL, 
    first_try_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovered_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_wait_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    durations NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_total_day PRIMARY KEY (tenant_id, bucket, provider, module)
);

COMMENT ON TABLE ai_stats_total_day IS 'Sums over the requests of each day, all models together, no duplicates';

COMMENT ON COLUMN ai_stats_total_day.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_total_day.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_total_day.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN ai_stats_total_day.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_total_day.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN ai_stats_total_day.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN ai_stats_total_day.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN ai_stats_total_day.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN ai_stats_total_day.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN ai_stats_total_day.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN ai_stats_total_day.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN ai_stats_total_day.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN ai_stats_total_day.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN ai_stats_total_day.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN ai_stats_total_day.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN ai_stats_total_day.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN ai_stats_total_day.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN ai_stats_total_day.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN ai_stats_total_day.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN ai_stats_total_day.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN ai_stats_total_day.input_tokens IS 'Tokens read';

COMMENT ON COLUMN ai_stats_total_day.output_tokens IS 'Tokens written';

COMMENT ON COLUMN ai_stats_total_day.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN ai_stats_total_day.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN ai_stats_total_day.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_day.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_stats_total_day.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN ai_stats_total_day.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN ai_stats_total_day.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN ai_stats_total_day.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN ai_stats_total_day.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_day.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_day.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_stats_total_day.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_day.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

ALTER TABLE ai_stats_total_day SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_total_day_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    provider TEXT NOT NULL, 
    module TEXT NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    error_count BIGINT DEFAULT 0 NOT NULL, 
    timeout_count BIGINT DEFAULT 0 NOT NULL, 
    pending_count BIGINT DEFAULT 0 NOT NULL, 
    cancelled_count BIGINT DEFAULT 0 NOT NULL, 
    abandoned_count BIGINT DEFAULT 0 NOT NULL, 
    first_try_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    spared_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_retry BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_simplify BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_fallback BIGINT DEFAULT 0 NOT NULL, 
    recovered_by_cache BIGINT DEFAULT 0 NOT NULL, 
    degraded_count BIGINT DEFAULT 0 NOT NULL, 
    cache_hit_count BIGINT DEFAULT 0 NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    input_tokens BIGINT DEFAULT 0 NOT NULL, 
    output_tokens BIGINT DEFAULT 0 NOT NULL, 
    tokens_used BIGINT DEFAULT 0 NOT NULL, 
    tokens_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    cost_known_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    duration_ms NUMERIC DEFAULT 0 NOT NULL, 
    first_try_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovered_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    recovery_wait_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    durations NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_total_day_all PRIMARY KEY (tenant_id, bucket, provider, module)
);

COMMENT ON TABLE ai_stats_total_day_all IS 'Sums over the requests of each day, all models together, no duplicates';

COMMENT ON COLUMN ai_stats_total_day_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_total_day_all.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_total_day_all.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN ai_stats_total_day_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_total_day_all.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN ai_stats_total_day_all.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN ai_stats_total_day_all.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN ai_stats_total_day_all.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN ai_stats_total_day_all.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN ai_stats_total_day_all.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN ai_stats_total_day_all.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN ai_stats_total_day_all.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN ai_stats_total_day_all.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN ai_stats_total_day_all.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN ai_stats_total_day_all.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN ai_stats_total_day_all.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN ai_stats_total_day_all.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN ai_stats_total_day_all.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN ai_stats_total_day_all.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN ai_stats_total_day_all.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN ai_stats_total_day_all.input_tokens IS 'Tokens read';

COMMENT ON COLUMN ai_stats_total_day_all.output_tokens IS 'Tokens written';

COMMENT ON COLUMN ai_stats_total_day_all.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN ai_stats_total_day_all.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN ai_stats_total_day_all.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_day_all.cost_usd IS 'US dollars';

COMMENT ON COLUMN ai_stats_total_day_all.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN ai_stats_total_day_all.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN ai_stats_total_day_all.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN ai_stats_total_day_all.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN ai_stats_total_day_all.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_day_all.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN ai_stats_total_day_all.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN ai_stats_total_day_all.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN ai_stats_total_day_all.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

ALTER TABLE ai_stats_total_day_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_error_hour (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    error_pattern TEXT NOT NULL, 
    module TEXT NOT NULL, 
    error_code TEXT NOT NULL, 
    occurrence_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    failed_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_error_hour PRIMARY KEY (tenant_id, bucket, error_pattern, module, error_code)
);

COMMENT ON TABLE ai_stats_error_hour IS 'Requests of each hour that met an error, without duplicates';

COMMENT ON COLUMN ai_stats_error_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_error_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_error_hour.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN ai_stats_error_hour.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_error_hour.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN ai_stats_error_hour.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN ai_stats_error_hour.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN ai_stats_error_hour.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN ai_stats_error_hour.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN ai_stats_error_hour.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN ai_stats_error_hour.wasted_cost_usd IS 'US dollars for failed_count';

ALTER TABLE ai_stats_error_hour SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_error_hour_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    error_pattern TEXT NOT NULL, 
    module TEXT NOT NULL, 
    error_code TEXT NOT NULL, 
    occurrence_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    failed_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_error_hour_all PRIMARY KEY (tenant_id, bucket, error_pattern, module, error_code)
);

COMMENT ON TABLE ai_stats_error_hour_all IS 'Requests of each hour that met an error, without duplicates';

COMMENT ON COLUMN ai_stats_error_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_error_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_error_hour_all.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN ai_stats_error_hour_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_error_hour_all.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN ai_stats_error_hour_all.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN ai_stats_error_hour_all.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN ai_stats_error_hour_all.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN ai_stats_error_hour_all.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN ai_stats_error_hour_all.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN ai_stats_error_hour_all.wasted_cost_usd IS 'US dollars for failed_count';

ALTER TABLE ai_stats_error_hour_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_error_day (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    error_pattern TEXT NOT NULL, 
    module TEXT NOT NULL, 
    error_code TEXT NOT NULL, 
    occurrence_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    failed_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_error_day PRIMARY KEY (tenant_id, bucket, error_pattern, module, error_code)
);

COMMENT ON TABLE ai_stats_error_day IS 'Requests of each day that met an error, without duplicates';

COMMENT ON COLUMN ai_stats_error_day.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_error_day.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_error_day.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN ai_stats_error_day.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_error_day.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN ai_stats_error_day.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN ai_stats_error_day.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN ai_stats_error_day.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN ai_stats_error_day.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN ai_stats_error_day.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN ai_stats_error_day.wasted_cost_usd IS 'US dollars for failed_count';

ALTER TABLE ai_stats_error_day SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_error_day_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    error_pattern TEXT NOT NULL, 
    module TEXT NOT NULL, 
    error_code TEXT NOT NULL, 
    occurrence_count BIGINT DEFAULT 0 NOT NULL, 
    recovered_count BIGINT DEFAULT 0 NOT NULL, 
    failed_count BIGINT DEFAULT 0 NOT NULL, 
    wasted_ms NUMERIC DEFAULT 0 NOT NULL, 
    wasted_tokens BIGINT DEFAULT 0 NOT NULL, 
    wasted_cost_usd NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_error_day_all PRIMARY KEY (tenant_id, bucket, error_pattern, module, error_code)
);

COMMENT ON TABLE ai_stats_error_day_all IS 'Requests of each day that met an error, without duplicates';

COMMENT ON COLUMN ai_stats_error_day_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_error_day_all.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_error_day_all.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN ai_stats_error_day_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN ai_stats_error_day_all.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN ai_stats_error_day_all.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN ai_stats_error_day_all.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN ai_stats_error_day_all.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN ai_stats_error_day_all.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN ai_stats_error_day_all.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN ai_stats_error_day_all.wasted_cost_usd IS 'US dollars for failed_count';

ALTER TABLE ai_stats_error_day_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_step_hour (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    strategy TEXT NOT NULL, 
    provider TEXT NOT NULL, 
    after TEXT NOT NULL, 
    call_error TEXT NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_step_hour PRIMARY KEY (tenant_id, bucket, strategy, provider, after, call_error)
);

COMMENT ON TABLE ai_stats_step_hour IS 'Sums over the recovery steps of each hour';

COMMENT ON COLUMN ai_stats_step_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_step_hour.bucket IS 'Start of the hour in UTC in which the steps started';

COMMENT ON COLUMN ai_stats_step_hour.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN ai_stats_step_hour.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN ai_stats_step_hour.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN ai_stats_step_hour.call_error IS 'call_error of the steps';

COMMENT ON COLUMN ai_stats_step_hour.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN ai_stats_step_hour.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN ai_stats_step_hour.recovery_time_ms IS 'Milliseconds of steps, waits included';

ALTER TABLE ai_stats_step_hour SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_step_hour_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    strategy TEXT NOT NULL, 
    provider TEXT NOT NULL, 
    after TEXT NOT NULL, 
    call_error TEXT NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_step_hour_all PRIMARY KEY (tenant_id, bucket, strategy, provider, after, call_error)
);

COMMENT ON TABLE ai_stats_step_hour_all IS 'Sums over the recovery steps of each hour';

COMMENT ON COLUMN ai_stats_step_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_step_hour_all.bucket IS 'Start of the hour in UTC in which the steps started';

COMMENT ON COLUMN ai_stats_step_hour_all.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN ai_stats_step_hour_all.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN ai_stats_step_hour_all.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN ai_stats_step_hour_all.call_error IS 'call_error of the steps';

COMMENT ON COLUMN ai_stats_step_hour_all.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN ai_stats_step_hour_all.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN ai_stats_step_hour_all.recovery_time_ms IS 'Milliseconds of steps, waits included';

ALTER TABLE ai_stats_step_hour_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_step_day (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    strategy TEXT NOT NULL, 
    provider TEXT NOT NULL, 
    after TEXT NOT NULL, 
    call_error TEXT NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_step_day PRIMARY KEY (tenant_id, bucket, strategy, provider, after, call_error)
);

COMMENT ON TABLE ai_stats_step_day IS 'Sums over the recovery steps of each day';

COMMENT ON COLUMN ai_stats_step_day.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN ai_stats_step_day.bucket IS 'Start of the day in UTC in which the steps started';

COMMENT ON COLUMN ai_stats_step_day.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN ai_stats_step_day.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN ai_stats_step_day.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN ai_stats_step_day.call_error IS 'call_error of the steps';

COMMENT ON COLUMN ai_stats_step_day.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN ai_stats_step_day.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN ai_stats_step_day.recovery_time_ms IS 'Milliseconds of steps, waits included';

ALTER TABLE ai_stats_step_day SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_step_day_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    strategy TEXT NOT NULL, 
    provider TEXT NOT NULL, 
    after TEXT NOT NULL, 
    call_error TEXT NOT NULL, 
    attempt_count BIGINT DEFAULT 0 NOT NULL, 
    success_count BIGINT DEFAULT 0 NOT NULL, 
    recovery_time_ms NUMERIC DEFAULT 0 NOT NULL, 
    CONSTRAINT pk_ai_stats_step_day_all PRIMARY KEY (tenant_id, bucket, strategy, provider, after, call_error)
);

COMMENT ON TABLE ai_stats_step_day_all IS 'Sums over the recovery steps of each day';

COMMENT ON COLUMN ai_stats_step_day_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN ai_stats_step_day_all.bucket IS 'Start of the day in UTC in which the steps started';

COMMENT ON COLUMN ai_stats_step_day_all.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN ai_stats_step_day_all.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN ai_stats_step_day_all.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN ai_stats_step_day_all.call_error IS 'call_error of the steps';

COMMENT ON COLUMN ai_stats_step_day_all.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN ai_stats_step_day_all.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN ai_stats_step_day_all.recovery_time_ms IS 'Milliseconds of steps, waits included';

ALTER TABLE ai_stats_step_day_all SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE ai_stats_slow_hour (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    id UUID NOT NULL, 
    processing_time_ms DOUBLE PRECISION NOT NULL, 
    CONSTRAINT pk_ai_stats_slow_hour PRIMARY KEY (tenant_id, bucket, created_at, id)
)
 PARTITION BY RANGE (bucket);

CREATE INDEX ix_ai_stats_slow_hour_slowest ON ai_stats_slow_hour (tenant_id, processing_time_ms DESC, created_at);

COMMENT ON TABLE ai_stats_slow_hour IS 'The 50 slowest requests of each tenant in each hour, and some more';

COMMENT ON COLUMN ai_stats_slow_hour.tenant_id IS 'Owner of the request';

COMMENT ON COLUMN ai_stats_slow_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_slow_hour.created_at IS 'Start of the request, as in ai_request_logs';

COMMENT ON COLUMN ai_stats_slow_hour.id IS 'Request, as in ai_request_logs';

COMMENT ON COLUMN ai_stats_slow_hour.processing_time_ms IS 'Its duration, milliseconds';

CREATE TABLE ai_stats_slow_hour_default PARTITION OF ai_stats_slow_hour DEFAULT;

CREATE TABLE ai_stats_slow_hour_all (
    tenant_id TEXT NOT NULL, 
    bucket TIMESTAMP WITH TIME ZONE NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    id UUID NOT NULL, 
    processing_time_ms DOUBLE PRECISION NOT NULL, 
    CONSTRAINT pk_ai_stats_slow_hour_all PRIMARY KEY (bucket, tenant_id, created_at, id)
)
 PARTITION BY RANGE (bucket);

CREATE INDEX ix_ai_stats_slow_hour_all_slowest ON ai_stats_slow_hour_all (processing_time_ms DESC, created_at);

COMMENT ON TABLE ai_stats_slow_hour_all IS 'The 50 slowest requests of all tenants together in each hour, and some more';

COMMENT ON COLUMN ai_stats_slow_hour_all.tenant_id IS 'Owner of the request';

COMMENT ON COLUMN ai_stats_slow_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN ai_stats_slow_hour_all.created_at IS 'Start of the request, as in ai_request_logs';

COMMENT ON COLUMN ai_stats_slow_hour_all.id IS 'Request, as in ai_request_logs';

COMMENT ON COLUMN ai_stats_slow_hour_all.processing_time_ms IS 'Its duration, milliseconds';

CREATE TABLE ai_stats_slow_hour_all_default PARTITION OF ai_stats_slow_hour_all DEFAULT;

CREATE TABLE goldseam_keys (
    tenant_id TEXT NOT NULL, 
    key_id TEXT NOT NULL, 
    environment TEXT NOT NULL, 
    secret_sha256 TEXT NOT NULL, 
    scopes TEXT[] NOT NULL, 
    label TEXT, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    created_by TEXT NOT NULL, 
    expires_at TIMESTAMP WITH TIME ZONE, 
    last_used_at TIMESTAMP WITH TIME ZONE, 
    revoked_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT pk_goldseam_keys PRIMARY KEY (tenant_id, key_id)
);

CREATE INDEX ix_goldseam_keys_key_id ON goldseam_keys (key_id);

COMMENT ON TABLE goldseam_keys IS 'API and ingest keys; hashes only';

COMMENT ON COLUMN goldseam_keys.tenant_id IS 'Tenant that the key speaks for; * for all';

COMMENT ON COLUMN goldseam_keys.key_id IS 'The id inside gs_<env>_<id>_<secret>; not secret';

COMMENT ON COLUMN goldseam_keys.environment IS 'The env inside the key';

COMMENT ON COLUMN goldseam_keys.secret_sha256 IS 'Hex SHA-256 of the secret, which is random and never stored';

COMMENT ON COLUMN goldseam_keys.scopes IS 'logs:read stats:read errors:read errors:write logs:delete playbook:read ingest:write admin';

COMMENT ON COLUMN goldseam_keys.label IS 'What the key is for, in its owner''s words';

COMMENT ON COLUMN goldseam_keys.created_at IS 'When the key was made';

COMMENT ON COLUMN goldseam_keys.created_by IS 'Key id, or command line, that made it';

COMMENT ON COLUMN goldseam_keys.expires_at IS 'From then on it is refused; NULL: never';

COMMENT ON COLUMN goldseam_keys.last_used_at IS 'Last use, to the hour';

COMMENT ON COLUMN goldseam_keys.revoked_at IS 'From then on it is refused; NULL: it is not revoked';

CREATE TABLE goldseam_audit (
    tenant_id TEXT NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    id UUID NOT NULL, 
    actor TEXT NOT NULL, 
    action TEXT NOT NULL, 
    target TEXT, 
    details JSONB DEFAULT '{}'::jsonb NOT NULL, 
    CONSTRAINT pk_goldseam_audit PRIMARY KEY (tenant_id, created_at, id)
);

COMMENT ON TABLE goldseam_audit IS 'What people and keys changed; rows are never updated';

COMMENT ON COLUMN goldseam_audit.tenant_id IS 'Tenant whose data was touched; * for all';

COMMENT ON COLUMN goldseam_audit.created_at IS 'When it was done';

COMMENT ON COLUMN goldseam_audit.id IS 'Random';

COMMENT ON COLUMN goldseam_audit.actor IS 'Key id, or command line, that did it';

COMMENT ON COLUMN goldseam_audit.action IS 'What was done, as in logs.delete or errors.correction.enable';

COMMENT ON COLUMN goldseam_audit.target IS 'What it was done to, as in an error pattern''s id';

COMMENT ON COLUMN goldseam_audit.details IS 'Counts and values before and after; no content';

CREATE TABLE goldseam_horizon (
    tenant_id TEXT NOT NULL, 
    before TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_goldseam_horizon PRIMARY KEY (tenant_id)
);

COMMENT ON TABLE goldseam_horizon IS 'Where the past ends: what comes again from before is not stored again';

COMMENT ON COLUMN goldseam_horizon.tenant_id IS 'Tenant whose rows were deleted; * for all';

COMMENT ON COLUMN goldseam_horizon.before IS 'Rows that started before it are gone, and refused';

ALTER TABLE ai_request_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_request_logs_default ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_request_logs FORCE ROW LEVEL SECURITY;

ALTER TABLE ai_request_logs_default FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_request_logs TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_request_logs TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_request_logs FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_request_logs TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_error_recovery ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_error_recovery_default ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_error_recovery FORCE ROW LEVEL SECURITY;

ALTER TABLE ai_error_recovery_default FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_error_recovery TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_error_recovery TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_error_recovery FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_error_recovery TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_error_analysis ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_error_analysis FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_error_analysis TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_error_analysis TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_error_analysis FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_error_analysis TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_names ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_names FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_names TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_names TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_names FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_names TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_step_names ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_step_names FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_step_names TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_step_names TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_step_names FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_step_names TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_hour FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_hour TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_hour TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_hour FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_hour TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_hour_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_hour_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_hour_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_hour_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_hour_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_hour_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_total_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_total_hour FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_total_hour TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_total_hour TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_total_hour FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_total_hour TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_total_hour_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_total_hour_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_total_hour_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_total_hour_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_total_hour_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_total_hour_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_total_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_total_day FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_total_day TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_total_day TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_total_day FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_total_day TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_total_day_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_total_day_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_total_day_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_total_day_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_total_day_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_total_day_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_error_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_error_hour FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_error_hour TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_error_hour TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_error_hour FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_error_hour TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_error_hour_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_error_hour_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_error_hour_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_error_hour_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_error_hour_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_error_hour_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_error_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_error_day FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_error_day TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_error_day TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_error_day FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_error_day TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_error_day_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_error_day_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_error_day_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_error_day_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_error_day_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_error_day_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_step_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_step_hour FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_step_hour TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_step_hour TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_step_hour FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_step_hour TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_step_hour_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_step_hour_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_step_hour_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_step_hour_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_step_hour_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_step_hour_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_step_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_step_day FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_step_day TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_step_day TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_step_day FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_step_day TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_step_day_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_step_day_all FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_step_day_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_step_day_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_step_day_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_step_day_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE ai_stats_slow_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_slow_hour_default ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_slow_hour FORCE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_slow_hour_default FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_slow_hour TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_slow_hour TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_slow_hour FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_slow_hour TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE ai_stats_slow_hour_all ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_slow_hour_all_default ENABLE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_slow_hour_all FORCE ROW LEVEL SECURITY;

ALTER TABLE ai_stats_slow_hour_all_default FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON ai_stats_slow_hour_all TO goldseam_owner USING (true);

CREATE POLICY writer_all ON ai_stats_slow_hour_all TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON ai_stats_slow_hour_all FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON ai_stats_slow_hour_all TO goldseam_api USING (current_setting('goldseam.tenant', true) = '*');

ALTER TABLE goldseam_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE goldseam_keys FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON goldseam_keys TO goldseam_owner USING (true);

CREATE POLICY writer_all ON goldseam_keys TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON goldseam_keys FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON goldseam_keys TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE goldseam_audit ENABLE ROW LEVEL SECURITY;

ALTER TABLE goldseam_audit FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON goldseam_audit TO goldseam_owner USING (true);

CREATE POLICY writer_all ON goldseam_audit TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON goldseam_audit FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON goldseam_audit TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

ALTER TABLE goldseam_horizon ENABLE ROW LEVEL SECURITY;

ALTER TABLE goldseam_horizon FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON goldseam_horizon TO goldseam_owner USING (true);

CREATE POLICY writer_all ON goldseam_horizon TO goldseam_writer USING (true);

CREATE POLICY grafana_read ON goldseam_horizon FOR SELECT TO grafana_ro USING (true);

CREATE POLICY api_tenant ON goldseam_horizon TO goldseam_api USING (
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
);

GRANT SELECT, INSERT, UPDATE ON ai_request_logs TO goldseam_writer;

GRANT SELECT ON ai_request_logs TO goldseam_api, grafana_ro;

GRANT UPDATE (user_feedback, confidence_score, updated_at) ON ai_request_logs TO goldseam_api;

GRANT SELECT, INSERT, UPDATE ON ai_error_recovery TO goldseam_writer;

GRANT SELECT ON ai_error_recovery TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_error_analysis TO goldseam_writer;

GRANT SELECT ON ai_error_analysis TO goldseam_api, grafana_ro;

GRANT UPDATE (resolution_status, resolved_at, auto_correction_enabled, correction_config, correction_changed_at, correction_changed_by, updated_at) ON ai_error_analysis TO goldseam_api;

GRANT SELECT, INSERT, UPDATE ON ai_stats_names TO goldseam_writer;

GRANT SELECT ON ai_stats_names TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_step_names TO goldseam_writer;

GRANT SELECT ON ai_stats_step_names TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_hour TO goldseam_writer;

GRANT SELECT ON ai_stats_hour TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_hour_all TO goldseam_writer;

GRANT SELECT ON ai_stats_hour_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_total_hour TO goldseam_writer;

GRANT SELECT ON ai_stats_total_hour TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_total_hour_all TO goldseam_writer;

GRANT SELECT ON ai_stats_total_hour_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_total_day TO goldseam_writer;

GRANT SELECT ON ai_stats_total_day TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_total_day_all TO goldseam_writer;

GRANT SELECT ON ai_stats_total_day_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_error_hour TO goldseam_writer;

GRANT SELECT ON ai_stats_error_hour TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_error_hour_all TO goldseam_writer;

GRANT SELECT ON ai_stats_error_hour_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_error_day TO goldseam_writer;

GRANT SELECT ON ai_stats_error_day TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_error_day_all TO goldseam_writer;

GRANT SELECT ON ai_stats_error_day_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_step_hour TO goldseam_writer;

GRANT SELECT ON ai_stats_step_hour TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_step_hour_all TO goldseam_writer;

GRANT SELECT ON ai_stats_step_hour_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_step_day TO goldseam_writer;

GRANT SELECT ON ai_stats_step_day TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON ai_stats_step_day_all TO goldseam_writer;

GRANT SELECT ON ai_stats_step_day_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE, DELETE ON ai_stats_slow_hour TO goldseam_writer;

GRANT SELECT ON ai_stats_slow_hour TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE, DELETE ON ai_stats_slow_hour_all TO goldseam_writer;

GRANT SELECT ON ai_stats_slow_hour_all TO goldseam_api, grafana_ro;

GRANT SELECT, INSERT, UPDATE ON goldseam_keys TO goldseam_api;

GRANT SELECT, UPDATE (last_used_at) ON goldseam_keys TO goldseam_writer;

GRANT SELECT, INSERT ON goldseam_audit TO goldseam_api;

GRANT SELECT ON goldseam_horizon TO goldseam_writer;

CREATE SCHEMA reporting;

COMMENT ON SCHEMA reporting IS 'What dashboards read: the tables, no duplicates';

CREATE VIEW reporting.ai_request_logs WITH (security_invoker = true) AS SELECT * FROM public.ai_request_logs WHERE duplicate_of IS NULL;

COMMENT ON VIEW reporting.ai_request_logs IS 'One row per AI call of the application; one partition per UTC day';

COMMENT ON COLUMN reporting.ai_request_logs.tenant_id IS 'Owner of the row';

COMMENT ON COLUMN reporting.ai_request_logs.created_at IS 'Start of the call, not its arrival';

COMMENT ON COLUMN reporting.ai_request_logs.id IS 'UUID version 8: 48 bits of start milliseconds, then a hash of trace and span id';

COMMENT ON COLUMN reporting.ai_request_logs.request_id IS 'Correlation id given by the caller, else the id as text; not unique';

COMMENT ON COLUMN reporting.ai_request_logs.trace_id IS '32 hex digits';

COMMENT ON COLUMN reporting.ai_request_logs.span_id IS '16 hex digits';

COMMENT ON COLUMN reporting.ai_request_logs.parent_span_id IS '16 hex digits; NULL for a root';

COMMENT ON COLUMN reporting.ai_request_logs.module IS 'Part of the application that made the call';

COMMENT ON COLUMN reporting.ai_request_logs.user_id IS 'User on whose behalf the call was made';

COMMENT ON COLUMN reporting.ai_request_logs.task IS 'What the call was for';

COMMENT ON COLUMN reporting.ai_request_logs.operation IS 'chat, embeddings, ... as in GenAI conventions';

COMMENT ON COLUMN reporting.ai_request_logs.prompt_sha256 IS 'Hex SHA-256 of the input text; the text itself is never stored';

COMMENT ON COLUMN reporting.ai_request_logs.prompt_length IS 'Input text in code points';

COMMENT ON COLUMN reporting.ai_request_logs.model_requested IS 'Model that the caller asked for';

COMMENT ON COLUMN reporting.ai_request_logs.provider_requested IS 'Provider that the caller asked';

COMMENT ON COLUMN reporting.ai_request_logs.provider_used IS 'Provider that answered or failed last';

COMMENT ON COLUMN reporting.ai_request_logs.provider_model IS 'Model that answered';

COMMENT ON COLUMN reporting.ai_request_logs.status IS 'pending, success, error, cancelled or abandoned; a time-out is an error';

COMMENT ON COLUMN reporting.ai_request_logs.response_length IS 'Output text in code points';

COMMENT ON COLUMN reporting.ai_request_logs.input_tokens IS 'Includes cached tokens';

COMMENT ON COLUMN reporting.ai_request_logs.output_tokens IS 'Includes reasoning tokens';

COMMENT ON COLUMN reporting.ai_request_logs.cache_read_tokens IS 'Part of input_tokens';

COMMENT ON COLUMN reporting.ai_request_logs.cache_write_tokens IS 'Part of input_tokens';

COMMENT ON COLUMN reporting.ai_request_logs.reasoning_tokens IS 'Part of output_tokens';

COMMENT ON COLUMN reporting.ai_request_logs.tokens_used IS 'Input and output tokens together';

COMMENT ON COLUMN reporting.ai_request_logs.processing_time_ms IS 'Start to end of the call in milliseconds, recovery included';

COMMENT ON COLUMN reporting.ai_request_logs.ttfc_ms IS 'Milliseconds to the first chunk';

COMMENT ON COLUMN reporting.ai_request_logs.is_stream IS 'Whether the answer was streamed';

COMMENT ON COLUMN reporting.ai_request_logs.error_code IS 'Final error; NULL on success';

COMMENT ON COLUMN reporting.ai_request_logs.error_message IS 'Final error''s text, masked';

COMMENT ON COLUMN reporting.ai_request_logs.http_status IS 'Last HTTP status of the provider';

COMMENT ON COLUMN reporting.ai_request_logs.retry_count IS 'Requests sent beyond the first, by SDK and recovery';

COMMENT ON COLUMN reporting.ai_request_logs.first_error_code IS 'First error, kept when the call was mended';

COMMENT ON COLUMN reporting.ai_request_logs.error_pattern IS 'Pattern of the first error, see ai_error_analysis';

COMMENT ON COLUMN reporting.ai_request_logs.recovery_outcome IS 'not_needed, recovered, failed or skipped';

COMMENT ON COLUMN reporting.ai_request_logs.recovery_strategy IS 'Strategy that worked';

COMMENT ON COLUMN reporting.ai_request_logs.recovery_steps IS 'Recovery steps that ran';

COMMENT ON COLUMN reporting.ai_request_logs.recovery_time_ms IS 'Milliseconds from the first failure to the outcome';

COMMENT ON COLUMN reporting.ai_request_logs.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_request_logs.degraded IS 'Another model, a trimmed prompt or a stale cache answered';

COMMENT ON COLUMN reporting.ai_request_logs.cache_hit IS 'Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_request_logs.correction_id IS 'Enabled correction that was applied';

COMMENT ON COLUMN reporting.ai_request_logs.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_request_logs.confidence_score IS '0 to 1';

COMMENT ON COLUMN reporting.ai_request_logs.user_feedback IS 'Feedback on the answer';

COMMENT ON COLUMN reporting.ai_request_logs.conversation_id IS 'Conversation of the call';

COMMENT ON COLUMN reporting.ai_request_logs.service_name IS 'Resource attribute service.name';

COMMENT ON COLUMN reporting.ai_request_logs.dialect IS 'Instrumentation that wrote the span';

COMMENT ON COLUMN reporting.ai_request_logs.duplicate_of IS 'Row that tells of the same call; such rows are in no statistic';

COMMENT ON COLUMN reporting.ai_request_logs.request_metadata IS 'Sampling parameters, server, resource; no content';

COMMENT ON COLUMN reporting.ai_request_logs.response_metadata IS 'Response id, finish reasons, flags; no content';

COMMENT ON COLUMN reporting.ai_request_logs.updated_at IS 'Last write that changed the row';

CREATE VIEW reporting.ai_error_recovery WITH (security_invoker = true) AS SELECT * FROM public.ai_error_recovery;

COMMENT ON VIEW reporting.ai_error_recovery IS 'One row per recovery step; one partition per UTC day';

COMMENT ON COLUMN reporting.ai_error_recovery.tenant_id IS 'Owner of the row';

COMMENT ON COLUMN reporting.ai_error_recovery.created_at IS 'Start of the step';

COMMENT ON COLUMN reporting.ai_error_recovery.id IS 'Made from the step''s own span as in ai_request_logs';

COMMENT ON COLUMN reporting.ai_error_recovery.request_log_id IS 'id in ai_request_logs; no foreign key, steps arrive before their request';

COMMENT ON COLUMN reporting.ai_error_recovery.trace_id IS '32 hex digits';

COMMENT ON COLUMN reporting.ai_error_recovery.strategy_name IS 'retry, simplify, fallback or cache';

COMMENT ON COLUMN reporting.ai_error_recovery.step_number IS 'From 1, over all strategies';

COMMENT ON COLUMN reporting.ai_error_recovery.action_taken IS 'What was done, without content';

COMMENT ON COLUMN reporting.ai_error_recovery.was_successful IS 'Whether the step mended the call';

COMMENT ON COLUMN reporting.ai_error_recovery.recovery_time_ms IS 'Milliseconds, the wait included';

COMMENT ON COLUMN reporting.ai_error_recovery.error_code IS 'Error of the step; NULL on success';

COMMENT ON COLUMN reporting.ai_error_recovery.provider IS 'Provider that the step asked';

COMMENT ON COLUMN reporting.ai_error_recovery.model IS 'Model that the step asked for';

COMMENT ON COLUMN reporting.ai_error_recovery.recovery_result IS 'Delay, attempt, tokens, cost and span of the step';

COMMENT ON COLUMN reporting.ai_error_recovery.after IS 'Strategies of the steps that ran before it in the same call, the last ten';

COMMENT ON COLUMN reporting.ai_error_recovery.call_error IS 'First error of its call: the pattern, else the code; empty while none is known';

CREATE VIEW reporting.ai_error_analysis WITH (security_invoker = true) AS SELECT * FROM public.ai_error_analysis;

COMMENT ON VIEW reporting.ai_error_analysis IS 'One row per tenant and error pattern';

COMMENT ON COLUMN reporting.ai_error_analysis.tenant_id IS 'Owner of the row';

COMMENT ON COLUMN reporting.ai_error_analysis.pattern_id IS 'First 16 hex digits of SHA-256(tenant_id/error_pattern)';

COMMENT ON COLUMN reporting.ai_error_analysis.error_pattern IS 'code:provider:fingerprint';

COMMENT ON COLUMN reporting.ai_error_analysis.error_code IS 'Code that the pattern belongs to';

COMMENT ON COLUMN reporting.ai_error_analysis.error_message_pattern IS 'Message with its variables masked';

COMMENT ON COLUMN reporting.ai_error_analysis.provider IS 'Provider that failed';

COMMENT ON COLUMN reporting.ai_error_analysis.normaliser_version IS 'Version of the fingerprint rules';

COMMENT ON COLUMN reporting.ai_error_analysis.occurrence_count IS 'Requests with this pattern, mended or not, no duplicates';

COMMENT ON COLUMN reporting.ai_error_analysis.recovered_count IS 'Those of them that recovery mended';

COMMENT ON COLUMN reporting.ai_error_analysis.first_seen IS 'Earliest start of such a request';

COMMENT ON COLUMN reporting.ai_error_analysis.last_occurred IS 'Latest end of such a request';

COMMENT ON COLUMN reporting.ai_error_analysis.probable_cause IS 'From the table of fixes, by code';

COMMENT ON COLUMN reporting.ai_error_analysis.suggested_action IS 'From the table of fixes, by code';

COMMENT ON COLUMN reporting.ai_error_analysis.resolution_status IS 'open, resolved or wontfix; an occurrence after resolved_at reopens resolved';

COMMENT ON COLUMN reporting.ai_error_analysis.resolved_at IS 'When it was last marked resolved, also if it came back since';

COMMENT ON COLUMN reporting.ai_error_analysis.auto_correction_enabled IS 'Whether applications apply correction_config';

COMMENT ON COLUMN reporting.ai_error_analysis.correction_config IS 'Correction; never written from spans';

COMMENT ON COLUMN reporting.ai_error_analysis.correction_changed_at IS 'When the correction was last switched or edited';

COMMENT ON COLUMN reporting.ai_error_analysis.correction_changed_by IS 'Key id that did so, or guard where it stopped working';

COMMENT ON COLUMN reporting.ai_error_analysis.created_at IS 'When the pattern was first stored';

COMMENT ON COLUMN reporting.ai_error_analysis.updated_at IS 'Last write that changed the row';

CREATE VIEW reporting.ai_stats_names WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_names;

COMMENT ON VIEW reporting.ai_stats_names IS 'Which names the roll-ups of a day tell apart, so that senders cannot blow them up';

COMMENT ON COLUMN reporting.ai_stats_names.tenant_id IS 'Owner of the requests; * for the tables that end in _all';

COMMENT ON COLUMN reporting.ai_stats_names.day IS 'Day in UTC';

COMMENT ON COLUMN reporting.ai_stats_names.providers IS 'Every provider of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN reporting.ai_stats_names.models IS 'Every model of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN reporting.ai_stats_names.modules IS 'Every module of the day that is told apart; the rest counts as other';

CREATE VIEW reporting.ai_stats_step_names WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_step_names;

COMMENT ON VIEW reporting.ai_stats_step_names IS 'Which names the roll-ups of recovery steps tell apart on a day';

COMMENT ON COLUMN reporting.ai_stats_step_names.tenant_id IS 'Owner of the requests; * for the tables that end in _all';

COMMENT ON COLUMN reporting.ai_stats_step_names.day IS 'Day in UTC';

COMMENT ON COLUMN reporting.ai_stats_step_names.strategies IS 'Every strategy of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN reporting.ai_stats_step_names.providers IS 'Every provider of the day that is told apart; the rest counts as other';

COMMENT ON COLUMN reporting.ai_stats_step_names.afters IS 'Every after of the day that is told apart; the rest counts as other';

CREATE VIEW reporting.ai_stats_hour WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_hour;

COMMENT ON VIEW reporting.ai_stats_hour IS 'Sums over the requests of each hour, without duplicates';

COMMENT ON COLUMN reporting.ai_stats_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_hour.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_hour.model IS 'model_requested of the requests, unknown, or other';

COMMENT ON COLUMN reporting.ai_stats_hour.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_hour.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN reporting.ai_stats_hour.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN reporting.ai_stats_hour.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN reporting.ai_stats_hour.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN reporting.ai_stats_hour.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN reporting.ai_stats_hour.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN reporting.ai_stats_hour.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN reporting.ai_stats_hour.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN reporting.ai_stats_hour.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN reporting.ai_stats_hour.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN reporting.ai_stats_hour.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN reporting.ai_stats_hour.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN reporting.ai_stats_hour.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN reporting.ai_stats_hour.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN reporting.ai_stats_hour.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_stats_hour.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN reporting.ai_stats_hour.input_tokens IS 'Tokens read';

COMMENT ON COLUMN reporting.ai_stats_hour.output_tokens IS 'Tokens written';

COMMENT ON COLUMN reporting.ai_stats_hour.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN reporting.ai_stats_hour.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN reporting.ai_stats_hour.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_hour.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_stats_hour.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN reporting.ai_stats_hour.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_hour.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN reporting.ai_stats_hour.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN reporting.ai_stats_hour.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_hour.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_hour.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_stats_hour.wasted_ms IS 'Milliseconds of calls that failed for good';

CREATE VIEW reporting.ai_stats_hour_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_hour_all;

COMMENT ON VIEW reporting.ai_stats_hour_all IS 'Sums over the requests of each hour, without duplicates';

COMMENT ON COLUMN reporting.ai_stats_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_hour_all.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_hour_all.model IS 'model_requested of the requests, unknown, or other';

COMMENT ON COLUMN reporting.ai_stats_hour_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_hour_all.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN reporting.ai_stats_hour_all.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN reporting.ai_stats_hour_all.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN reporting.ai_stats_hour_all.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN reporting.ai_stats_hour_all.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN reporting.ai_stats_hour_all.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN reporting.ai_stats_hour_all.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN reporting.ai_stats_hour_all.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN reporting.ai_stats_hour_all.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN reporting.ai_stats_hour_all.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_stats_hour_all.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN reporting.ai_stats_hour_all.input_tokens IS 'Tokens read';

COMMENT ON COLUMN reporting.ai_stats_hour_all.output_tokens IS 'Tokens written';

COMMENT ON COLUMN reporting.ai_stats_hour_all.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN reporting.ai_stats_hour_all.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN reporting.ai_stats_hour_all.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_hour_all.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_stats_hour_all.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN reporting.ai_stats_hour_all.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_hour_all.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN reporting.ai_stats_hour_all.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_hour_all.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_stats_hour_all.wasted_ms IS 'Milliseconds of calls that failed for good';

CREATE VIEW reporting.ai_stats_total_hour WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_total_hour;

COMMENT ON VIEW reporting.ai_stats_total_hour IS 'Sums over the requests of each hour, all models together, no duplicates';

COMMENT ON COLUMN reporting.ai_stats_total_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_total_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_total_hour.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_hour.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_hour.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN reporting.ai_stats_total_hour.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN reporting.ai_stats_total_hour.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN reporting.ai_stats_total_hour.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN reporting.ai_stats_total_hour.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN reporting.ai_stats_total_hour.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN reporting.ai_stats_total_hour.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN reporting.ai_stats_total_hour.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN reporting.ai_stats_total_hour.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_stats_total_hour.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN reporting.ai_stats_total_hour.input_tokens IS 'Tokens read';

COMMENT ON COLUMN reporting.ai_stats_total_hour.output_tokens IS 'Tokens written';

COMMENT ON COLUMN reporting.ai_stats_total_hour.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN reporting.ai_stats_total_hour.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN reporting.ai_stats_total_hour.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_hour.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_stats_total_hour.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN reporting.ai_stats_total_hour.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_hour.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN reporting.ai_stats_total_hour.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_hour.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_stats_total_hour.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_hour.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

CREATE VIEW reporting.ai_stats_total_hour_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_total_hour_all;

COMMENT ON VIEW reporting.ai_stats_total_hour_all IS 'Sums over the requests of each hour, all models together, no duplicates';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.input_tokens IS 'Tokens read';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.output_tokens IS 'Tokens written';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_hour_all.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

CREATE VIEW reporting.ai_stats_total_day WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_total_day;

COMMENT ON VIEW reporting.ai_stats_total_day IS 'Sums over the requests of each day, all models together, no duplicates';

COMMENT ON COLUMN reporting.ai_stats_total_day.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_total_day.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_total_day.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_day.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_day.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN reporting.ai_stats_total_day.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN reporting.ai_stats_total_day.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN reporting.ai_stats_total_day.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN reporting.ai_stats_total_day.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN reporting.ai_stats_total_day.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN reporting.ai_stats_total_day.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN reporting.ai_stats_total_day.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN reporting.ai_stats_total_day.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN reporting.ai_stats_total_day.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_stats_total_day.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN reporting.ai_stats_total_day.input_tokens IS 'Tokens read';

COMMENT ON COLUMN reporting.ai_stats_total_day.output_tokens IS 'Tokens written';

COMMENT ON COLUMN reporting.ai_stats_total_day.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN reporting.ai_stats_total_day.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN reporting.ai_stats_total_day.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_day.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_stats_total_day.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN reporting.ai_stats_total_day.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_day.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN reporting.ai_stats_total_day.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_day.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_stats_total_day.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_day.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

CREATE VIEW reporting.ai_stats_total_day_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_total_day_all;

COMMENT ON VIEW reporting.ai_stats_total_day_all IS 'Sums over the requests of each day, all models together, no duplicates';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.provider IS 'provider_used of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.success_count IS 'Calls that were answered, mended ones too';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.error_count IS 'Calls that failed for good, time-outs included';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.timeout_count IS 'Calls that failed for good with a time-out';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.pending_count IS 'Calls that have started and not ended';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.cancelled_count IS 'Calls that the application gave up';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.abandoned_count IS 'Calls of which no end was ever heard';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.first_try_count IS 'Calls that were answered by the first request that was sent';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovered_count IS 'Calls that the asked provider did not answer, and another attempt did';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.spared_count IS 'Those of recovered_count that never failed: the asked provider was failing and left alone';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovered_by_retry IS 'Calls that retry mended';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovered_by_simplify IS 'Calls that simplify mended';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovered_by_fallback IS 'Calls that fallback mended';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovered_by_cache IS 'Calls that cache mended';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.degraded_count IS 'Calls answered at lower quality';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.cache_hit_count IS 'Calls that Goldseam''s cache answered';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.attempt_count IS 'Requests sent to providers, first tries too';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.input_tokens IS 'Tokens read';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.output_tokens IS 'Tokens written';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.tokens_used IS 'Tokens read and written';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.tokens_known_count IS 'Calls whose tokens are known';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.wasted_tokens IS 'Tokens of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.cost_usd IS 'US dollars';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.cost_known_count IS 'Calls whose cost is known';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.wasted_cost_usd IS 'US dollars for calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.duration_ms IS 'Milliseconds of calls that ended in success or error';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.first_try_ms IS 'Milliseconds of first_try_count';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovered_ms IS 'Milliseconds of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovery_time_ms IS 'Milliseconds from first failure to answer of recovered_count without spared_count';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.recovery_wait_ms IS 'Milliseconds waited between attempts';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.wasted_ms IS 'Milliseconds of calls that failed for good';

COMMENT ON COLUMN reporting.ai_stats_total_day_all.durations IS 'Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal digits 12n to 12n+11. Bin 0: under 1 ms; n: from 1.105^(n-1) to 1.105^n ms; 132: all above';

CREATE VIEW reporting.ai_stats_error_hour WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_error_hour;

COMMENT ON VIEW reporting.ai_stats_error_hour IS 'Requests of each hour that met an error, without duplicates';

COMMENT ON COLUMN reporting.ai_stats_error_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_error_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_error_hour.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN reporting.ai_stats_error_hour.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_error_hour.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN reporting.ai_stats_error_hour.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN reporting.ai_stats_error_hour.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN reporting.ai_stats_error_hour.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN reporting.ai_stats_error_hour.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_hour.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_hour.wasted_cost_usd IS 'US dollars for failed_count';

CREATE VIEW reporting.ai_stats_error_hour_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_error_hour_all;

COMMENT ON VIEW reporting.ai_stats_error_hour_all IS 'Requests of each hour that met an error, without duplicates';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_hour_all.wasted_cost_usd IS 'US dollars for failed_count';

CREATE VIEW reporting.ai_stats_error_day WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_error_day;

COMMENT ON VIEW reporting.ai_stats_error_day IS 'Requests of each day that met an error, without duplicates';

COMMENT ON COLUMN reporting.ai_stats_error_day.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_error_day.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_error_day.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN reporting.ai_stats_error_day.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_error_day.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN reporting.ai_stats_error_day.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN reporting.ai_stats_error_day.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN reporting.ai_stats_error_day.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN reporting.ai_stats_error_day.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_day.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_day.wasted_cost_usd IS 'US dollars for failed_count';

CREATE VIEW reporting.ai_stats_error_day_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_error_day_all;

COMMENT ON VIEW reporting.ai_stats_error_day_all IS 'Requests of each day that met an error, without duplicates';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.bucket IS 'Start of the day in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.error_pattern IS 'As in ai_error_analysis; empty where a request has none';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.module IS 'Module of the requests, or other';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.error_code IS 'Final error of the requests; empty where they were mended';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.occurrence_count IS 'Calls that met the pattern, mended or not';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.recovered_count IS 'Those of them that were mended';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.failed_count IS 'Those of them that failed for good';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.wasted_ms IS 'Milliseconds of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.wasted_tokens IS 'Tokens of failed_count';

COMMENT ON COLUMN reporting.ai_stats_error_day_all.wasted_cost_usd IS 'US dollars for failed_count';

CREATE VIEW reporting.ai_stats_step_hour WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_step_hour;

COMMENT ON VIEW reporting.ai_stats_step_hour IS 'Sums over the recovery steps of each hour';

COMMENT ON COLUMN reporting.ai_stats_step_hour.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_step_hour.bucket IS 'Start of the hour in UTC in which the steps started';

COMMENT ON COLUMN reporting.ai_stats_step_hour.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN reporting.ai_stats_step_hour.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN reporting.ai_stats_step_hour.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN reporting.ai_stats_step_hour.call_error IS 'call_error of the steps';

COMMENT ON COLUMN reporting.ai_stats_step_hour.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN reporting.ai_stats_step_hour.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN reporting.ai_stats_step_hour.recovery_time_ms IS 'Milliseconds of steps, waits included';

CREATE VIEW reporting.ai_stats_step_hour_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_step_hour_all;

COMMENT ON VIEW reporting.ai_stats_step_hour_all IS 'Sums over the recovery steps of each hour';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.bucket IS 'Start of the hour in UTC in which the steps started';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.call_error IS 'call_error of the steps';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN reporting.ai_stats_step_hour_all.recovery_time_ms IS 'Milliseconds of steps, waits included';

CREATE VIEW reporting.ai_stats_step_day WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_step_day;

COMMENT ON VIEW reporting.ai_stats_step_day IS 'Sums over the recovery steps of each day';

COMMENT ON COLUMN reporting.ai_stats_step_day.tenant_id IS 'Owner of the requests';

COMMENT ON COLUMN reporting.ai_stats_step_day.bucket IS 'Start of the day in UTC in which the steps started';

COMMENT ON COLUMN reporting.ai_stats_step_day.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN reporting.ai_stats_step_day.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN reporting.ai_stats_step_day.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN reporting.ai_stats_step_day.call_error IS 'call_error of the steps';

COMMENT ON COLUMN reporting.ai_stats_step_day.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN reporting.ai_stats_step_day.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN reporting.ai_stats_step_day.recovery_time_ms IS 'Milliseconds of steps, waits included';

CREATE VIEW reporting.ai_stats_step_day_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_step_day_all;

COMMENT ON VIEW reporting.ai_stats_step_day_all IS 'Sums over the recovery steps of each day';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.tenant_id IS 'Always * (all tenants together)';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.bucket IS 'Start of the day in UTC in which the steps started';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.strategy IS 'strategy_name of the steps, or other';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.provider IS 'Provider that the steps asked, unknown, or other';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.after IS 'Strategies that had run before in the same call, or other';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.call_error IS 'call_error of the steps';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.attempt_count IS 'Recovery steps that ran';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.success_count IS 'Those of them that mended their call';

COMMENT ON COLUMN reporting.ai_stats_step_day_all.recovery_time_ms IS 'Milliseconds of steps, waits included';

CREATE VIEW reporting.ai_stats_slow_hour WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_slow_hour;

COMMENT ON VIEW reporting.ai_stats_slow_hour IS 'The 50 slowest requests of each tenant in each hour, and some more';

COMMENT ON COLUMN reporting.ai_stats_slow_hour.tenant_id IS 'Owner of the request';

COMMENT ON COLUMN reporting.ai_stats_slow_hour.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_slow_hour.created_at IS 'Start of the request, as in ai_request_logs';

COMMENT ON COLUMN reporting.ai_stats_slow_hour.id IS 'Request, as in ai_request_logs';

COMMENT ON COLUMN reporting.ai_stats_slow_hour.processing_time_ms IS 'Its duration, milliseconds';

CREATE VIEW reporting.ai_stats_slow_hour_all WITH (security_invoker = true) AS SELECT * FROM public.ai_stats_slow_hour_all;

COMMENT ON VIEW reporting.ai_stats_slow_hour_all IS 'The 50 slowest requests of all tenants together in each hour, and some more';

COMMENT ON COLUMN reporting.ai_stats_slow_hour_all.tenant_id IS 'Owner of the request';

COMMENT ON COLUMN reporting.ai_stats_slow_hour_all.bucket IS 'Start of the hour in UTC in which the calls started';

COMMENT ON COLUMN reporting.ai_stats_slow_hour_all.created_at IS 'Start of the request, as in ai_request_logs';

COMMENT ON COLUMN reporting.ai_stats_slow_hour_all.id IS 'Request, as in ai_request_logs';

COMMENT ON COLUMN reporting.ai_stats_slow_hour_all.processing_time_ms IS 'Its duration, milliseconds';

GRANT USAGE ON SCHEMA reporting TO goldseam_api, grafana_ro;

GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO goldseam_api, grafana_ro;

CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO alembic_version (version_num) VALUES ('0001');

GRANT SELECT ON alembic_version TO goldseam_writer, goldseam_api;

COMMIT;
