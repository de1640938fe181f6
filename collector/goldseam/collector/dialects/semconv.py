"""The GenAI semantic conventions, and the official instrumentations that speak nothing else.

Names that the conventions have dropped but that senders still use stand behind their successors.
"""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

_PROVIDER: Final = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "server.address",
)

SEMCONV: Final = Dialect(
    id="SC",
    scopes=(),
    sources={
        "tenant_id": ("tenant.id", "tenant_id", "res:tenant.id"),
        "module": ("gen_ai.agent.name", "code.namespace", "res:service.name"),
        "user_id": ("user.id", "enduser.id", "enduser.pseudo.id"),
        "task": ("gen_ai.prompt.name",),
        "operation": ("gen_ai.operation.name",),
        "model_requested": ("gen_ai.request.model",),
        "provider_requested": _PROVIDER,
        "provider_used": _PROVIDER,
        "provider_model": ("gen_ai.response.model",),
        "input_text": ("gen_ai.input.messages",),
        "output_text": ("gen_ai.output.messages",),
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
        "tokens_used": ("gen_ai.usage.total_tokens",),
        "duration_s": ("gen_ai.client.operation.duration",),
        "ttfc_s": (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
        ),
        "is_stream": ("gen_ai.request.stream",),
        "http_status": ("http.response.status_code", "http.status_code"),
        "retry_count": ("http.request.resend_count",),
        "error_type": ("error.type",),
        "error_message": ("error.message",),
        "finish_reasons": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
        "response_id": ("gen_ai.response.id",),
        "cost_usd": ("gen_ai.usage.cost.amount", "gen_ai.usage.cost"),
        "cost_currency": ("gen_ai.usage.cost.currency",),
        "confidence_score": ("gen_ai.evaluation.score.value",),
        "conversation_id": ("gen_ai.conversation.id", "session.id"),
        "service_name": ("res:service.name",),
        "tool_definitions": ("gen_ai.tool.definitions",),
        "step_provider": ("gen_ai.provider.name",),
        "step_model": ("gen_ai.request.model",),
    },
)

OFFICIAL: Final = Dialect(
    id="OF",
    scopes=("opentelemetry.instrumentation.genai.", "opentelemetry.instrumentation.google_genai"),
)
OFFICIAL_V2: Final = Dialect(id="O2", scopes=("opentelemetry.instrumentation.openai_v2",))
OFFICIAL_V2_LATEST: Final = Dialect(id="O2L", scopes=("opentelemetry.util.genai.handler",))
