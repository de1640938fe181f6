"""Body that rates an answer."""

from pydantic import BaseModel, ConfigDict, Field


class Feedback(BaseModel):
    """What an answer was worth; fields left out stay, null takes a rating back."""

    model_config = ConfigDict(extra="forbid")

    user_feedback: str | None = Field(
        default=None,
        max_length=1000,
        pattern=r"^[^\x00]*$",
        description="The user's word, for example up, down, or a sentence",
    )
    confidence_score: float | None = Field(
        default=None, ge=0, le=1, strict=True, description="0 to 1"
    )
