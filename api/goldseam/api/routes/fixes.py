"""`POST /api/v1/ai/logs/errors/{code}/fix`: what to do about an error."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from goldseam.api.deps import needs
from goldseam.api.parameters import NO_NUL, Id
from goldseam.api.problems import NotFound
from goldseam.api.schemas.fixes import FixSuggestions
from goldseam.errors import ErrorCode, Evidence, classify, fix_for
from goldseam.storage.keys import Scope

router = APIRouter(prefix="/logs", tags=["errors"])

_MESSAGE_MAX: Final = 8_000

Message = Annotated[
    str, Query(max_length=_MESSAGE_MAX, pattern=NO_NUL, description="The provider's words")
]


@router.post(
    "/errors/{code}/fix",
    dependencies=[needs(Scope.ERRORS_READ)],
    summary="What to do about an error",
)
async def fix(
    code: Annotated[Id, Path(description="Error code, for example TIMEOUT")],
    *,
    error_message: Message = "",
) -> FixSuggestions:
    """Suggest what to do; the message decides where the code is `UNKNOWN`."""
    known = code_of(code, error_message)
    advice = fix_for(known)
    return FixSuggestions(
        type=known,
        suggestions=list(advice.suggested_actions),
        probable_cause=advice.probable_cause,
        documentation=list(advice.documentation),
    )


def code_of(code: str, message: str) -> ErrorCode:
    """Return the code that `code` names in any case, or that the message tells.

    Raises:
        NotFound: There is no such code.
    """
    known = ErrorCode.__members__.get(code.upper())
    if known is None:
        raise NotFound(f"error code {code!r}; there are {', '.join(ErrorCode)}, and none but these")
    if known is ErrorCode.UNKNOWN and message:
        return classify(Evidence(message=message)).code
    return known
