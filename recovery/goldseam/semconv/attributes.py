"""Attribute names of Goldseam's spans, each with its value type and the spans that carry it.

"request" is the span of one call that the application made; "attempt" one request sent to a
provider; "step" one recovery action; "pending" announces a request that has started;
"annotation" says what the application thought of an answer after the request had ended.
"""

from enum import StrEnum
from typing import Final


class SpanType(StrEnum):
    """Values of `goldseam.span.type`."""

    REQUEST = "request"
    ATTEMPT = "attempt"
    RECOVERY_STEP = "recovery_step"
    PENDING = "pending"
    ANNOTATION = "annotation"


class RecoveryOutcome(StrEnum):
    """Values of `goldseam.recovery.outcome`.

    `SKIPPED` means that recovery was off or the error could not be recovered from.
    """

    NOT_NEEDED = "not_needed"
    RECOVERED = "recovered"
    FAILED = "failed"
    SKIPPED = "skipped"


SPAN_TYPE: Final = "goldseam.span.type"
"""string, all spans: one of `SpanType`."""

LOG_ID: Final = "goldseam.log.id"
"""string, request, step, pending, annotation: the UUID of the request's row, see
`goldseam.semconv.log_id`."""

REQUEST_ID: Final = "goldseam.request.id"
"""string, request, pending: the caller's own correlation id."""

TENANT_ID: Final = "goldseam.tenant.id"
"""string, all spans."""

MODULE: Final = "goldseam.module"
"""string, all spans: the part of the application that made the call."""

USER_ID: Final = "goldseam.user.id"
"""string, request, pending."""

TASK: Final = "goldseam.task"
"""string, request, pending."""

PROVIDER_NAME: Final = "goldseam.provider.name"
"""string, request, attempt: overrides `gen_ai.provider.name`, for example `ollama`."""

PROMPT_SHA256: Final = "goldseam.prompt.sha256"
"""string, request: lower-case hex over the canonical input text."""

PROMPT_LENGTH: Final = "goldseam.prompt.length"
"""int, request: Unicode code points of the canonical input text."""

PROMPT_TRUNCATED: Final = "goldseam.prompt.truncated"
"""bool, request: the provider answered after reading fewer tokens than the prompt has words."""

RESPONSE_LENGTH: Final = "goldseam.response.length"
"""int, request: Unicode code points of the output text."""

SERVER_TOTAL_DURATION: Final = "goldseam.server.duration"
"""double, request: seconds that the provider says it worked, all of the following included."""

SERVER_LOAD_DURATION: Final = "goldseam.server.load_duration"
"""double, request: seconds that it took to load the model."""

SERVER_PROMPT_DURATION: Final = "goldseam.server.prompt_duration"
"""double, request: seconds that it took to read the prompt."""

SERVER_OUTPUT_DURATION: Final = "goldseam.server.output_duration"
"""double, request: seconds that it took to write the answer."""

ERROR_CODE: Final = "goldseam.error.code"
"""string, request, attempt, step: one of `goldseam.errors.ErrorCode`."""

RETRY_COUNT: Final = "goldseam.retry.count"
"""int, request: provider calls made beyond the first, by the SDK and by recovery."""

ATTEMPT_NUMBER: Final = "goldseam.attempt.number"
"""int, attempt: from 1, over the whole request."""

ATTEMPT_DURATION: Final = "goldseam.attempt.duration"
"""double, event `goldseam.attempt`: seconds until the answer or the failure."""

ATTEMPT_DELAY: Final = "goldseam.attempt.delay"
"""double, event `goldseam.attempt`: seconds that the client waited before it."""

CORRECTION_ID: Final = "goldseam.correction.id"
"""string, request, step: the enabled correction that was applied."""

RECOVERY_OUTCOME: Final = "goldseam.recovery.outcome"
"""string, request: one of `RecoveryOutcome`."""

RECOVERY_STRATEGY: Final = "goldseam.recovery.strategy"
"""string, step, and request (the one that worked): `retry`, `simplify`, `fallback`, `cache`."""

RECOVERY_STEP: Final = "goldseam.recovery.step"
"""int, step: from 1, over all strategies."""

RECOVERY_ATTEMPT: Final = "goldseam.recovery.attempt"
"""int, step: from 1, inside the strategy."""

RECOVERY_ACTION: Final = "goldseam.recovery.action"
"""string, step: short and without content, for example `wait 0.5s, resend`."""

RECOVERY_SUCCESS: Final = "goldseam.recovery.success"
"""bool, step."""

RECOVERY_DELAY: Final = "goldseam.recovery.delay"
"""double, step: seconds waited before the step's attempt."""

RECOVERY_STEPS: Final = "goldseam.recovery.steps"
"""int, request: steps that ran."""

RECOVERY_WAIT: Final = "goldseam.recovery.wait"
"""double, request: seconds waited in all."""

RECOVERY_DURATION: Final = "goldseam.recovery.duration"
"""double, request: seconds from the first failure to the outcome."""

RECOVERY_PROVIDER_NAME: Final = "goldseam.recovery.provider.name"
"""string, request, step: where the answer came from."""

RECOVERY_MODEL: Final = "goldseam.recovery.model"
"""string, request, step: the model that answered."""

RECOVERY_DEGRADED: Final = "goldseam.recovery.degraded"
"""bool, request, step: the answer comes from another model, a trimmed prompt or a stale cache."""

RECOVERY_PROMPT_LENGTH: Final = "goldseam.recovery.prompt.length"
"""int, step `simplify`: code points after trimming."""

RECOVERY_PROMPT_TOKENS: Final = "goldseam.recovery.prompt.tokens"
"""int, step `simplify`: tokens after trimming, estimated."""

RECOVERY_PROMPT_TOKENS_BEFORE: Final = "goldseam.recovery.prompt.tokens_before"
"""int, step `simplify`: tokens before it, as the provider counted them, else estimated."""

RECOVERY_PROMPT_CUT_SHARE: Final = "goldseam.recovery.prompt.cut_share"
"""double, step `simplify`: the share of the conversation's characters that was left out, 0 to 1."""

RECOVERY_PROMPT_SHA256: Final = "goldseam.recovery.prompt.sha256"
"""string, step `simplify`: of the prompt after trimming; the request's own says that before it."""

CACHE_HIT: Final = "goldseam.cache.hit"
"""bool, request, step."""

CONFIDENCE_SCORE: Final = "goldseam.confidence.score"
"""double, request, annotation: 0 to 1."""

USER_FEEDBACK: Final = "goldseam.user.feedback"
"""string, request, annotation."""

REQUEST_STATUS: Final = "goldseam.request.status"
"""string, annotation: how its request ended: `success`, `error` or `cancelled`."""

PENDING_PARENT_ID: Final = "goldseam.pending.parent_id"
"""string, pending: the real span's parent, 16 hex digits, all zero for a root."""

EVENT_ORIGINAL_ERROR: Final = "goldseam.original_error"
"""event, request: the first error of a call that recovery worked on.

Attributes: `error.type`, `goldseam.error.code`, `exception.message` (masked).
"""

EVENT_ATTEMPT: Final = "goldseam.attempt"
"""event, request: one request that went out, where the client sent more than one by itself.

Attributes: `goldseam.attempt.number`, `goldseam.attempt.duration`, `goldseam.attempt.delay`, HTTP
status or `error.type`, request id, rate limits.
"""

EVENT_RECOVERY_SKIPPED: Final = "goldseam.recovery.skipped"
"""event, request: a strategy that was not tried. Attributes: strategy, `goldseam.skip.reason`."""

EVENT_CORRECTION_SWITCHED_OFF: Final = "goldseam.correction.switched_off"
"""event, request: the correction did not keep what it promises. Attributes: its id."""

SKIP_REASON: Final = "goldseam.skip.reason"
"""string, event `goldseam.recovery.skipped`: why, in a few words."""
