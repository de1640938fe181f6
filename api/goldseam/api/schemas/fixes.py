"""Body of the suggestions for an error."""

from pydantic import BaseModel, Field


class FixSuggestions(BaseModel):
    """What usually causes an error and what helps."""

    type: str = Field(description="Error code; that of the message where the code is UNKNOWN")
    suggestions: list[str] = Field(description="What to do, most useful first")
    probable_cause: str = Field(description="The usual cause")
    documentation: list[str] = Field(description="Pages of providers about this error")
