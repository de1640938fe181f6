"""Create the three tables, their first partitions, row level security and the reporting views.

Runs as `goldseam_owner`. Tables of one day are attached by `goldseam.storage.partitions`; what no
day covers goes to the default partitions, so that a strange time never fails a whole batch.
Keys start with `tenant_id` and there are no triggers, sequences or foreign keys: a distributed
database asks for that.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("ai_request_logs", "ai_error_recovery", "ai_error_analysis")
PARTITIONED = ("ai_request_logs", "ai_error_recovery")

_Type = sa.types.TypeEngine

_TEXT = sa.Text()
_INTEGER = sa.Integer()
_BIGINT = sa.BigInteger()
_DOUBLE = sa.Double()
_BOOLEAN = sa.Boolean()
_UUID = sa.Uuid()
_TIME = sa.DateTime(timezone=True)
_JSON = JSONB()

_VIEWS = {
    "ai_request_logs": "SELECT * FROM ai_request_logs WHERE duplicate_of IS NULL",
    "ai_error_recovery": "SELECT * FROM ai_error_recovery",
    "ai_error_analysis": "SELECT * FROM ai_error_analysis",
}

# Unset is NULL at first and empty after a transaction that set it: both show nothing.
_TENANT_RULE = """
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '*'
"""


def _required(name: str, kind: _Type, comment: str, default: str | None = None) -> sa.Column:
    return _optional(name, kind, comment, default, nullable=False)


def _optional(
    name: str, kind: _Type, comment: str, default: str | None = None, *, nullable: bool = True
) -> sa.Column:
    server_default = None if default is None else sa.text(default)
    return sa.Column(name, kind, nullable=nullable, server_default=server_default, comment=comment)


def upgrade() -> None:
    """Create everything."""
    _create_requests()
    _create_recovery()
    _create_analysis()
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
        # Without a policy nobody reads a partition but through its table.
        _force_row_security(f"{table}_default")
    for table in TABLES:
        _force_row_security(table)
        _create_policies(table)
        _grant(table)
    _create_reporting()
    op.execute("GRANT SELECT ON alembic_version TO goldseam_writer, goldseam_api")


def downgrade() -> None:
    """Drop everything but the roles, which other databases of the cluster may use."""
    op.execute("DROP SCHEMA reporting CASCADE")
    for table in TABLES:
        op.drop_table(table)
    op.execute("REVOKE SELECT ON alembic_version FROM goldseam_writer, goldseam_api")


def _create_requests() -> None:
    op.create_table(
        "ai_request_logs",
        _required("tenant_id", _TEXT, "Owner of the row", default="'default'"),
        _required("created_at", _TIME, "Start of the call, not its arrival"),
        _required(
            "id",
            _UUID,
            "UUID version 8: 48 bits of start milliseconds, then a hash of trace and span id",
        ),
        _required(
            "request_id",
            _TEXT,
            "Correlation id given by the caller, else the id as text; not unique",
        ),
        _required("trace_id", _TEXT, "32 hex digits"),
        _required("span_id", _TEXT, "16 hex digits"),
        _optional("parent_span_id", _TEXT, "16 hex digits; NULL for a root"),
        _required("module", _TEXT, "Part of the application that made the call"),
        _optional("user_id", _TEXT, "User on whose behalf the call was made"),
        _optional("task", _TEXT, "What the call was for"),
        _required("operation", _TEXT, "chat, embeddings, ... as in GenAI conventions"),
        _optional(
            "prompt_sha256", _TEXT, "Hex SHA-256 of the input text; the text itself is never stored"
        ),
        _optional("prompt_length", _INTEGER, "Input text in code points"),
        _optional("model_requested", _TEXT, "Model that the caller asked for"),
        _required("provider_requested", _TEXT, "Provider that the caller asked"),
        _required("provider_used", _TEXT, "Provider that answered or failed last"),
        _optional("provider_model", _TEXT, "Model that answered"),
        _required(
            "status",
            _TEXT,
            "pending, success, error, cancelled or abandoned; a time-out is an error",
        ),
        _optional("response_length", _INTEGER, "Output text in code points"),
        _optional("input_tokens", _INTEGER, "Includes cached tokens"),
        _optional("output_tokens", _INTEGER, "Includes reasoning tokens"),
        _optional("cache_read_tokens", _INTEGER, "Part of input_tokens"),
        _optional("cache_write_tokens", _INTEGER, "Part of input_tokens"),
        _optional("reasoning_tokens", _INTEGER, "Part of output_tokens"),
        _optional("tokens_used", _INTEGER, "Input and output tokens together"),
        _required(
            "processing_time_ms",
            _DOUBLE,
            "Start to end of the call in milliseconds, recovery included",
        ),
        _optional("ttfc_ms", _DOUBLE, "Milliseconds to the first chunk"),
        _required("is_stream", _BOOLEAN, "Whether the answer was streamed", default="false"),
        _optional("error_code", _TEXT, "Final error; NULL on success"),
        _optional("error_message", _TEXT, "Final error's text, masked"),
        _optional("http_status", _INTEGER, "Last HTTP status of the provider"),
        _required(
            "retry_count",
            _INTEGER,
            "Requests sent beyond the first, by SDK and recovery",
            default="0",
        ),
        _optional("first_error_code", _TEXT, "First error, kept when the call was mended"),
        _optional("error_pattern", _TEXT, "Pattern of the first error, see ai_error_analysis"),
        _optional("recovery_outcome", _TEXT, "not_needed, recovered, failed or skipped"),
        _optional("recovery_strategy", _TEXT, "Strategy that worked"),
        _optional("recovery_steps", _INTEGER, "Recovery steps that ran"),
        _optional(
            "recovery_time_ms", _DOUBLE, "Milliseconds from the first failure to the outcome"
        ),
        _optional("recovery_wait_ms", _DOUBLE, "Milliseconds waited between attempts"),
        _required(
            "degraded",
            _BOOLEAN,
            "Another model, a trimmed prompt or a stale cache answered",
            default="false",
        ),
        _required("cache_hit", _BOOLEAN, "Goldseam's cache answered", default="false"),
        _optional("correction_id", _TEXT, "Enabled correction that was applied"),
        _optional("cost_usd", _DOUBLE, "US dollars"),
        _optional("confidence_score", _DOUBLE, "0 to 1"),
        _optional("user_feedback", _TEXT, "Feedback on the answer"),
        _optional("conversation_id", _TEXT, "Conversation of the call"),
        _optional("service_name", _TEXT, "Resource attribute service.name"),
        _optional("dialect", _TEXT, "Instrumentation that wrote the span"),
        _optional(
            "duplicate_of", _UUID, "Row that tells of the same call; such rows are in no statistic"
        ),
        _required(
            "request_metadata",
            _JSON,
            "Sampling parameters, server, resource; no content",
            default="'{}'::jsonb",
        ),
        _required(
            "response_metadata",
            _JSON,
            "Response id, finish reasons, flags; no content",
            default="'{}'::jsonb",
        ),
        _required("updated_at", _TIME, "Last write that changed the row"),
        sa.PrimaryKeyConstraint("tenant_id", "created_at", "id", name="pk_ai_request_logs"),
        sa.CheckConstraint(
            "status IN ('pending', 'success', 'error', 'cancelled', 'abandoned')",
            name="ck_ai_request_logs_status",
        ),
        comment="One row per AI call of the application; one partition per UTC day",
        postgresql_partition_by="RANGE (created_at)",
    )
    newest_first = sa.text("created_at DESC")
    op.create_index(
        "ix_ai_request_logs_tenant_module_status",
        "ai_request_logs",
        ["tenant_id", "module", "status", newest_first],
    )
    op.create_index("ix_ai_request_logs_created_at", "ai_request_logs", [newest_first])
    op.create_index("ix_ai_request_logs_trace_id", "ai_request_logs", ["trace_id"])
    op.create_index(
        "ix_ai_request_logs_request_id",
        "ai_request_logs",
        ["tenant_id", "request_id"],
        postgresql_where=sa.text("request_id <> id::text"),
    )
    op.create_index(
        "ix_ai_request_logs_pending",
        "ai_request_logs",
        ["created_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def _create_recovery() -> None:
    op.create_table(
        "ai_error_recovery",
        _required("tenant_id", _TEXT, "Owner of the row", default="'default'"),
        _required("created_at", _TIME, "Start of the step"),
        _required("id", _UUID, "Made from the step's own span as in ai_request_logs"),
        _optional(
            "request_log_id",
            _UUID,
            "id in ai_request_logs; no foreign key, steps arrive before their request",
        ),
        _required("trace_id", _TEXT, "32 hex digits"),
        _required("strategy_name", _TEXT, "retry, simplify, fallback or cache"),
        _required("step_number", _INTEGER, "From 1, over all strategies"),
        _required("action_taken", _TEXT, "What was done, without content"),
        _required("was_successful", _BOOLEAN, "Whether the step mended the call"),
        _required("recovery_time_ms", _DOUBLE, "Milliseconds, the wait included"),
        _optional("error_code", _TEXT, "Error of the step; NULL on success"),
        _optional("provider", _TEXT, "Provider that the step asked"),
        _optional("model", _TEXT, "Model that the step asked for"),
        _required(
            "recovery_result",
            _JSON,
            "Delay, attempt, tokens, cost and span of the step",
            default="'{}'::jsonb",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "created_at", "id", name="pk_ai_error_recovery"),
        comment="One row per recovery step; one partition per UTC day",
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "ix_ai_error_recovery_request", "ai_error_recovery", ["tenant_id", "request_log_id"]
    )
    op.create_index(
        "ix_ai_error_recovery_strategy",
        "ai_error_recovery",
        ["tenant_id", "strategy_name", "created_at"],
    )


def _create_analysis() -> None:
    op.create_table(
        "ai_error_analysis",
        _required("tenant_id", _TEXT, "Owner of the row", default="'default'"),
        _required("pattern_id", _TEXT, "First 16 hex digits of SHA-256(tenant_id/error_pattern)"),
        _required("error_pattern", _TEXT, "code:provider:fingerprint"),
        _required("error_code", _TEXT, "Code that the pattern belongs to"),
        _required("error_message_pattern", _TEXT, "Message with its variables masked"),
        _required("provider", _TEXT, "Provider that failed"),
        _required("normaliser_version", _INTEGER, "Version of the fingerprint rules"),
        _required(
            "occurrence_count",
            _BIGINT,
            "Requests with this pattern, mended or not, no duplicates",
            default="0",
        ),
        _required("recovered_count", _BIGINT, "Those of them that recovery mended", default="0"),
        _required("first_seen", _TIME, "Earliest start of such a request"),
        _required("last_occurred", _TIME, "Latest end of such a request"),
        _required("probable_cause", _TEXT, "From the table of fixes, by code"),
        _required("suggested_action", _TEXT, "From the table of fixes, by code"),
        _required(
            "resolution_status",
            _TEXT,
            "open, resolved or wontfix; a new occurrence reopens resolved",
            default="'open'",
        ),
        _required(
            "auto_correction_enabled",
            _BOOLEAN,
            "Whether applications apply correction_config",
            default="false",
        ),
        _optional("correction_config", _JSON, "Correction; never written from spans"),
        _required("created_at", _TIME, "When the pattern was first stored"),
        _required("updated_at", _TIME, "Last write that changed the row"),
        sa.PrimaryKeyConstraint("tenant_id", "pattern_id", name="pk_ai_error_analysis"),
        sa.UniqueConstraint(
            "tenant_id", "error_pattern", name="uq_ai_error_analysis_tenant_id_error_pattern"
        ),
        sa.CheckConstraint(
            "resolution_status IN ('open', 'resolved', 'wontfix')",
            name="ck_ai_error_analysis_resolution_status",
        ),
        comment="One row per tenant and error pattern",
    )
    op.create_index(
        "ix_ai_error_analysis_last_occurred",
        "ai_error_analysis",
        ["tenant_id", sa.text("last_occurred DESC")],
    )


def _force_row_security(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _create_policies(table: str) -> None:
    op.execute(f"CREATE POLICY owner_all ON {table} TO goldseam_owner USING (true)")
    op.execute(f"CREATE POLICY writer_all ON {table} TO goldseam_writer USING (true)")
    op.execute(f"CREATE POLICY grafana_read ON {table} FOR SELECT TO grafana_ro USING (true)")
    op.execute(f"CREATE POLICY api_tenant ON {table} TO goldseam_api USING ({_TENANT_RULE})")


def _grant(table: str) -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO goldseam_writer")
    op.execute(f"GRANT SELECT ON {table} TO goldseam_api, grafana_ro")


def _create_reporting() -> None:
    op.execute("CREATE SCHEMA reporting")
    op.execute("COMMENT ON SCHEMA reporting IS 'What dashboards read: the tables, no duplicates'")
    for table, query in _VIEWS.items():
        op.execute(f"CREATE VIEW reporting.{table} WITH (security_invoker = true) AS {query}")
    op.execute("GRANT USAGE ON SCHEMA reporting TO goldseam_api, grafana_ro")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO goldseam_api, grafana_ro")
