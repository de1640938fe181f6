"""Body of the suggestions for an error."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from goldseam.api.schemas.errors import Evidence


class FixAction(BaseModel):
    """Something that can be switched on for an error pattern."""

    title: str = Field(description="What it does")
    pattern_id: str = Field(description="Where to send the patch: PATCH /errors/{pattern_id}")
    config_patch: dict[str, Any] = Field(description="Body of that PATCH, accepted as it is")
    attempts: int = Field(description="Steps that speak for it")
    low: float = Field(description="Lower bound of its success rate, 0 to 1 (Wilson, 95 %)")
    high: float = Field(description="Upper bound of its success rate, 0 to 1 (Wilson, 95 %)")


class AutoCorrection(BaseModel):
    """Whether applications can be made to correct this error by themselves."""

    eligible: bool = Field(description="Whether evidence speaks for one of the actions")
    reason: str = Field(description="Why, or why not")
    enabled: list[str] = Field(description="Ids of the patterns whose correction is on")


class Wasted(BaseModel):
    """What calls that failed for good with this error cost in the window."""

    calls: int = Field(description="Calls that failed for good")
    seconds: float = Field(description="Their durations together, seconds")
    tokens: int = Field(description="Tokens that were spent for nothing")
    cost_usd: float = Field(description="US dollars that were spent for nothing")


class FixSuggestions(BaseModel):
    """What causes an error, what has helped here, and what usually helps."""

    type: str = Field(description="Error code; that of the message where the code is UNKNOWN")
    suggestions: list[str] = Field(description="What to do, what has worked here first")
    probable_cause: str = Field(description="The usual cause")
    documentation: list[str] = Field(description="Pages of providers about this error")
    status: Literal["evidence", "insufficient_evidence"] = Field(
        description="Whether any strategy was attempted 20 times in the window"
    )
    evidence: list[Evidence] = Field(
        description="What strategies did against this error, those that do not help too"
    )
    actions: list[FixAction] = Field(description="What can be switched on, the surest first")
    auto_correction: AutoCorrection = Field(description="Whether one may be switched on")
    wasted: Wasted = Field(description="What the error cost")
