"""A day of calls as an ordinary company makes them: busy hours, an outage, mends and losses.

Tests and the pictures in `docs/images` show it. The same seed makes the same day, ending at `now`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import pi, sin
from typing import Final, NamedTuple
from uuid import UUID

from goldseam.errors import ErrorCode, fingerprint, fix_for
from goldseam.semconv import log_id
from goldseam.storage.records import Batch, PatternRecord, RecoveryRecord, RequestRecord

TENANTS: Final = ("acme", "acme", "acme", "globex")
MODULES: Final = ("copilot", "copilot", "search", "support", "billing")
TASKS: Final = {"copilot": "answer", "search": "rank", "support": "classify", "billing": "extract"}
MODELS: Final = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku", "ollama": "llama3.1"}
PRICES: Final = {"openai": 4e-7, "anthropic": 1.1e-6, "ollama": 0.0}
BACKUP: Final = {"openai": "ollama", "anthropic": "openai", "ollama": "openai"}

OUTAGE: Final = (timedelta(hours=7), timedelta(hours=6, minutes=15))
"""When openai is down, before `now`."""


class Fault(NamedTuple):
    """What a provider answers, how often, and how well recovery does against it."""

    code: ErrorCode
    status: int | None
    message: str
    share: float
    mended: float


_OVERLOADED: Final = Fault(
    ErrorCode.OVERLOADED, 503, "The server is currently overloaded, please try again.", 0.01, 0.95
)
FAULTS: Final = (
    Fault(
        ErrorCode.RATE_LIMIT,
        429,
        "Rate limit reached for requests per min (RPM): Limit 500, Used 500. Try again in 120ms.",
        0.03,
        0.99,
    ),
    Fault(ErrorCode.TIMEOUT, None, "Request timed out after 30 s.", 0.015, 0.9),
    Fault(ErrorCode.SERVER_ERROR, 500, "The server had an error processing it.", 0.012, 0.96),
    Fault(
        ErrorCode.CONTEXT_LENGTH,
        400,
        "This model's maximum context length is 128000 tokens. Your messages have 131072.",
        0.006,
        0.2,
    ),
    _OVERLOADED,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call before it becomes rows."""

    number: int
    at: datetime
    tenant: str
    module: str
    provider: str
    fault: Fault | None
    duration_ms: float


def batch(now: datetime, calls: int = 2_400, seed: int = 11) -> Batch:
    """Return the rows of a day that ends at `now`."""
    made = Batch()
    dice = random.Random(seed)  # noqa: S311 - makes figures, no secrets
    for call in _calls(now, calls, dice):
        steps, mended = _steps(call, dice)
        made.requests.append(_request(call, now, steps, mended=mended, dice=dice))
        made.recoveries.extend(steps)
        if call.fault:
            pattern = _pattern(call, call.fault)
            made.patterns[pattern.tenant_id, pattern.error_pattern] = pattern
    return made


def _calls(now: datetime, calls: int, dice: random.Random) -> Iterator[Call]:
    for number in range(calls):
        back_s = 86_400 * (calls - number - dice.random()) / calls
        busy = 0.55 + 0.45 * sin(2 * pi * (back_s / 86_400 + 0.1))
        if dice.random() > busy:
            continue
        provider = dice.choices(list(MODELS), weights=(6, 3, 1))[0]
        is_out = OUTAGE[1].total_seconds() < back_s < OUTAGE[0].total_seconds()
        yield Call(
            number=number + 1,
            at=now - timedelta(seconds=back_s),
            tenant=dice.choice(TENANTS),
            module=dice.choice(MODULES),
            provider=provider,
            fault=_OVERLOADED if is_out and provider == "openai" else _fault(dice),
            duration_ms=dice.lognormvariate(6.4, 0.6),
        )


def _fault(dice: random.Random) -> Fault | None:
    point = dice.random()
    for fault in FAULTS:
        if point < fault.share:
            return fault
        point -= fault.share
    return None


def _steps(call: Call, dice: random.Random) -> tuple[list[RecoveryRecord], bool]:
    """Return what recovery did: elsewhere first, then once more, and whether it helped."""
    if call.fault is None or (call.fault.code is ErrorCode.CONTEXT_LENGTH and dice.random() < 0.5):
        return [], False
    is_mended = dice.random() < call.fault.mended
    helps_at = dice.choice((1, 1, 2)) if is_mended else 3
    steps = []
    offset_ms = call.duration_ms * 0.4
    for number in range(1, min(helps_at, 2) + 1):
        strategy = ("fallback", "retry")[(number + (call.fault.code is ErrorCode.RATE_LIMIT)) % 2]
        provider = BACKUP[call.provider] if strategy == "fallback" else call.provider
        took_ms = dice.lognormvariate(5.6, 0.5)
        started = call.at + timedelta(milliseconds=offset_ms)
        action = f"{call.provider} → {provider}" if strategy == "fallback" else "wait, resend"
        steps.append(
            RecoveryRecord(
                tenant_id=call.tenant,
                created_at=started,
                id=log_id(int(started.timestamp() * 1e9), call.number, 10_000 + number),
                request_log_id=_id(call),
                trace_id=f"{call.number:032x}",
                strategy_name=strategy,
                step_number=number,
                action_taken=action,
                was_successful=number == helps_at,
                recovery_time_ms=took_ms,
                error_code=None if number == helps_at else call.fault.code,
                provider=provider,
                model=MODELS[provider],
            )
        )
        offset_ms += took_ms
    return steps, is_mended


def _id(call: Call) -> UUID:
    return log_id(int(call.at.timestamp() * 1e9), call.number, call.number)


def _request(
    call: Call, now: datetime, steps: list[RecoveryRecord], *, mended: bool, dice: random.Random
) -> RequestRecord:
    fault = call.fault
    is_lost = fault is not None and not mended
    answered = steps[-1].provider or call.provider if mended else call.provider
    read, written = int(dice.lognormvariate(6.5, 0.7)), int(dice.lognormvariate(5, 0.6))
    added_ms = sum(step.recovery_time_ms for step in steps)
    version = "2.4.0" if now - call.at > timedelta(hours=11) else "2.4.1"
    return RequestRecord(
        tenant_id=call.tenant,
        created_at=call.at,
        id=_id(call),
        request_id=str(_id(call)),
        trace_id=f"{call.number:032x}",
        span_id=f"{call.number:016x}",
        module=call.module,
        task=TASKS[call.module],
        user_id=f"user-{dice.randrange(40)}",
        operation="chat",
        provider_requested=call.provider,
        provider_used=answered,
        model_requested=MODELS[call.provider],
        provider_model=None if is_lost else MODELS[answered],
        status="error" if is_lost else "success",
        input_tokens=read,
        output_tokens=0 if is_lost else written,
        tokens_used=read + (0 if is_lost else written),
        processing_time_ms=(call.duration_ms * 0.4 + added_ms) if steps else call.duration_ms,
        error_code=fault.code if fault and is_lost else None,
        error_message=fault.message if fault and is_lost else None,
        http_status=fault.status if fault and is_lost else 200,
        retry_count=len(steps),
        first_error_code=fault.code if fault else None,
        error_pattern=_pattern(call, fault).error_pattern if fault else None,
        recovery_outcome="not_needed" if fault is None else "failed" if is_lost else "recovered",
        recovery_strategy=steps[-1].strategy_name if mended else None,
        recovery_steps=len(steps),
        recovery_time_ms=added_ms if fault else None,
        recovery_wait_ms=added_ms * 0.3 if fault else None,
        cost_usd=PRICES[answered] * (read + 4 * written),
        service_name="shop",
        dialect="goldseam",
        request_metadata={"service.version": version, "temperature": 0.2},
    )


def _pattern(call: Call, fault: Fault) -> PatternRecord:
    found = fingerprint(fault.message)
    advice = fix_for(fault.code)
    return PatternRecord(
        tenant_id=call.tenant,
        error_pattern=f"{fault.code}:{call.provider}:{found.key}",
        error_code=fault.code,
        error_message_pattern=found.template,
        provider=call.provider,
        normaliser_version=found.version,
        probable_cause=advice.probable_cause,
        suggested_action=advice.suggested_actions[0],
    )
