"""Bodies about error patterns, recovery strategies, and corrections."""

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from goldseam.api.parameters import NO_NUL
from goldseam.api.schemas.rows import Row

_NUL: Final = r"\u0000"
"""As JSON writes it."""

Verdict = Literal["helps", "mixed", "does_not_help", "insufficient_evidence"]


class Evidence(BaseModel):
    """How a recovery strategy did at a provider, where it was reached."""

    strategy: str = Field(description="retry, simplify, fallback or cache")
    provider: str = Field(description="Provider that the step asked")
    after: list[str] = Field(description="Strategies that had failed before in the same call")
    condition: str = Field(
        description="When the strategy was reached; rates under other conditions do not compare"
    )
    attempts: int = Field(description="Steps that ran")
    successes: int = Field(description="Steps that mended the call")
    success_rate: float = Field(description="successes / attempts, 0 to 1")
    low: float = Field(description="Lower bound of the rate, 0 to 1 (Wilson, 95 %)")
    high: float = Field(description="Upper bound of the rate, 0 to 1 (Wilson, 95 %)")
    avg_time_ms: float = Field(description="Mean duration of a step with its wait, ms")
    verdict: Verdict = Field(
        description="insufficient_evidence under 20 attempts; helps from a lower bound of 0.6; "
        "does_not_help below an upper bound of 0.3"
    )


class CorrectionEffect(BaseModel):
    """What the latest applications of a correction brought."""

    correction_id: str = Field(description="Its name in telemetry; new with each change")
    applied: int = Field(description="Calls it was applied to, the latest 50 at most")
    successes: int = Field(description="Those of them that it mended")
    low: float = Field(description="Lower bound of the rate, 0 to 1 (Wilson, 95 %)")
    high: float = Field(description="Upper bound of the rate, 0 to 1 (Wilson, 95 %)")


class ErrorPattern(Row):
    """A group of failures with the same cause and the same fix."""

    pattern_id: str = Field(description="16 hex digits")
    tenant_id: str = Field(description="Whose calls met it")
    error_pattern: str = Field(description="code:provider:fingerprint")
    error_code: str = Field(description="What kind of failure it is")
    error_message_pattern: str = Field(description="The provider's words, what varies masked")
    provider: str = Field(description="Provider that failed")
    normaliser_version: int = Field(description="Version of the rules that made the fingerprint")
    occurrence_count: int = Field(description="Calls that met it, mended or not, ever")
    recovered_count: int = Field(description="Those of them that were mended")
    first_seen: datetime = Field(description="When it was first met, UTC")
    last_occurred: datetime = Field(description="When it was last met, UTC")
    probable_cause: str = Field(description="The usual cause")
    suggested_action: str = Field(description="What usually helps")
    resolution_status: Literal["open", "resolved", "wontfix"] = Field(
        description="A new occurrence opens a resolved pattern again"
    )
    resolved_at: datetime | None = Field(
        description="When it was marked resolved, also if it came back since, UTC"
    )
    auto_correction_enabled: bool = Field(description="Whether applications correct it")
    correction_config: dict[str, Any] | None = Field(
        description="The correction; override tells that evidence did not speak for it"
    )
    correction_changed_at: datetime | None = Field(description="Last change of it, UTC")
    correction_changed_by: str | None = Field(
        description="Key id, loopback, or guard where it stopped working"
    )


class ErrorPatternDetail(ErrorPattern):
    """An error pattern with what has helped, and what its correction does."""

    evidence: list[Evidence] = Field(description="Of the last 30 days, this pattern only")
    effect: CorrectionEffect | None = Field(
        description="What the correction did since its last change; null: not applied yet"
    )


def _storable(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config that PostgreSQL takes as JSON.

    Raises:
        ValueError: It holds NaN, an infinity, or the character NUL.
    """
    if _NUL in json.dumps(config, allow_nan=False):
        raise ValueError("no text may hold the character NUL")
    return config


class ErrorPatternPatch(BaseModel):
    """What to change; fields left out stay."""

    model_config = ConfigDict(extra="forbid")

    resolution_status: Literal["open", "resolved", "wontfix"] | None = Field(
        default=None, description="Where work on it stands"
    )
    auto_correction_enabled: bool | None = Field(
        default=None, strict=True, description="Whether applications apply the correction"
    )
    correction_config: Annotated[dict[str, Any], AfterValidator(_storable)] | None = Field(
        default=None,
        description="The correction, as docs/playbook.schema.json describes `config`",
        examples=[{"strategy": "fallback", "provider": "ollama"}],
    )
    override: bool = Field(
        default=False,
        strict=True,
        description="Enable without evidence; it ends itself after 20 bad outcomes",
    )
    reason: str | None = Field(
        default=None,
        max_length=1000,
        pattern=NO_NUL,
        description="Why; needed with override, kept in the audit",
    )


class PlaybookCorrection(BaseModel):
    """A correction that applications apply."""

    id: str = Field(description="Its name in telemetry")
    error_pattern: str = Field(description="The failures it is for")
    normaliser_version: int = Field(description="Version of the rules that made the fingerprint")
    config: dict[str, Any] = Field(description="What to do")
    expires_at: datetime | None = Field(description="When it ends by itself; null: never")


class Playbook(BaseModel):
    """The corrections that somebody enabled."""

    version: Literal[1] = Field(description="Of this document's form")
    generated_at: datetime = Field(description="When it was written, UTC")
    corrections: list[PlaybookCorrection] = Field(description="At most 1,000")
