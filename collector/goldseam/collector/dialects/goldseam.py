"""Goldseam's own spans: the names of `goldseam.semconv` where the conventions have none."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect
from goldseam.semconv import attributes as names

GOLDSEAM: Final = Dialect(
    id="GS",
    name="Goldseam",
    scopes=("goldseam.",),
    sources={
        "request_id": (names.REQUEST_ID,),
        "log_id": (names.LOG_ID,),
        "tenant_id": (names.TENANT_ID, f"res:{names.TENANT_ID}"),
        "module": (names.MODULE, f"res:{names.MODULE}"),
        "user_id": (names.USER_ID,),
        "task": (names.TASK,),
        "prompt_sha256": (names.PROMPT_SHA256,),
        "prompt_length": (names.PROMPT_LENGTH,),
        "response_length": (names.RESPONSE_LENGTH,),
        "provider_requested": (names.PROVIDER_NAME,),
        "provider_used": (names.RECOVERY_PROVIDER_NAME, names.PROVIDER_NAME),
        "error_code": (names.ERROR_CODE,),
        "retry_count": (names.RETRY_COUNT,),
        "recovery_outcome": (names.RECOVERY_OUTCOME,),
        "recovery_strategy": (names.RECOVERY_STRATEGY,),
        "recovery_steps": (names.RECOVERY_STEPS,),
        "recovery_time_s": (names.RECOVERY_DURATION,),
        "recovery_wait_s": (names.RECOVERY_WAIT,),
        "degraded": (names.RECOVERY_DEGRADED,),
        "cache_hit": (names.CACHE_HIT,),
        "correction_id": (names.CORRECTION_ID,),
        "confidence_score": (names.CONFIDENCE_SCORE,),
        "user_feedback": (names.USER_FEEDBACK,),
        "pending_parent_id": (names.PENDING_PARENT_ID,),
        "step_number": (names.RECOVERY_STEP,),
        "step_attempt": (names.RECOVERY_ATTEMPT,),
        "step_action": (names.RECOVERY_ACTION,),
        "step_success": (names.RECOVERY_SUCCESS,),
        "step_delay_s": (names.RECOVERY_DELAY,),
        "step_prompt_length": (names.RECOVERY_PROMPT_LENGTH,),
        "step_provider": (names.RECOVERY_PROVIDER_NAME, names.PROVIDER_NAME),
        "step_model": (names.RECOVERY_MODEL,),
    },
)
