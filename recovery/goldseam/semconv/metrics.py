"""Metric names, units and bucket boundaries.

The GenAI conventions are moving to `gen_ai.client.inference.*`; dashboards read recording rules,
so a rename changes this file and those rules only.
"""

from typing import Final

OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
"""histogram, s: one record per request, not per attempt."""

TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - a metric's name
"""histogram, {token}: attribute `gen_ai.token.type` is `input` or `output`."""

TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
"""histogram, s."""

TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"
"""histogram, s: one record per stream, the mean over its chunks after the first. The conventions'
record per chunk would cost ten times what a chunk costs otherwise."""

RECOVERY_STEPS: Final = "goldseam.recovery.steps"
"""counter, {step}: strategy, success, error code, provider."""

RECOVERY_STEP_DURATION: Final = "goldseam.recovery.step.duration"
"""histogram, s: strategy, success."""

RECOVERY_REQUESTS: Final = "goldseam.recovery.requests"
"""counter, {request}: outcome, error code, provider, request model."""

RECOVERY_BUDGET: Final = "goldseam.recovery.budget"
"""gauge, {attempt}: extra attempts that a provider's retry budget still allows, by provider."""

ERROR_UNCLASSIFIED: Final = "goldseam.error.unclassified"
"""counter, {error}: provider."""

CORRECTIONS_SWITCHED_OFF: Final = "goldseam.correction.switched_off"
"""counter, {correction}: `goldseam.correction.id`; one per process that noticed."""

CLIENT_ATTEMPTS: Final = "goldseam.client.attempts"
"""counter, {attempt}: provider, request model, `error.type`, HTTP status."""

CLIENT_ACTIVE_REQUESTS: Final = "goldseam.client.active_requests"
"""up-down counter, {request}: provider, operation."""

DURATION_BUCKETS_S: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
"""Advised by the GenAI conventions for operation durations."""

TOKEN_BUCKETS: Final = (
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
)  # fmt: skip
"""Advised by the GenAI conventions for token usage."""

RECOVERY_STEP_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""From a fallback that answers at once to a wait of two minutes."""
