"""Body of the health endpoints."""

from pydantic import BaseModel, Field


class Health(BaseModel):
    """Whether the service can answer."""

    status: str = Field(description="ok, or what is missing")
