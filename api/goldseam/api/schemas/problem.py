"""Body of every refusal and fault: problem details as in RFC 9457."""

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field


class WrongParameter(BaseModel):
    """A parameter or field that is not as described."""

    name: str = Field(description="Its name, with dots inside a body")
    location: str = Field(alias="in", description="path, query, header or body")
    reason: str = Field(description="What is wrong with it")


class ProblemDetails(BaseModel):
    """What went wrong and what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="about:blank: the status says what kind it is")
    title: str = Field(description="The status in words")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="What went wrong and what to do, for a person")
    invalid_parameters: list[WrongParameter] | None = Field(
        default=None, description="Which parameters to correct, with status 422"
    )


_SCHEMA: Final = ProblemDetails.model_json_schema()
_SCHEMA["properties"]["invalid_parameters"] = {
    "type": "array",
    "items": _SCHEMA.pop("$defs")["WrongParameter"],
    "description": "Which parameters to correct, with status 422",
}

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status.value: {
        "description": status.phrase,
        "content": {"application/problem+json": {"schema": _SCHEMA}},
    }
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
}
"""What any operation may answer besides its own."""
