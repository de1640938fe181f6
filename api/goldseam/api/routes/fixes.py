"""`POST /api/v1/ai/logs/errors/{code}/fix`: what to do about an error, by what has worked here."""

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from goldseam.api import evidence, suggestions
from goldseam.api.deps import Connection, needs
from goldseam.api.parameters import HOURS_MAX, NO_NUL, Id, window
from goldseam.api.problems import NotFound, ProblemRoute
from goldseam.api.schemas.errors import Evidence
from goldseam.api.schemas.fixes import FixSuggestions, Wasted
from goldseam.errors import ErrorCode, classify, fingerprint, fix_for
from goldseam.errors import Evidence as ErrorEvidence
from goldseam.storage import patterns, queries
from goldseam.storage.breakdowns import StrategyFigures, together
from goldseam.storage.keys import Scope

router = APIRouter(prefix="/logs", tags=["errors"], route_class=ProblemRoute)

_MESSAGE_MAX: Final = 8_000
_WEEK_HOURS: Final = 168

Message = Annotated[
    str, Query(max_length=_MESSAGE_MAX, pattern=NO_NUL, description="The provider's words")
]
Hours = Annotated[int, Query(ge=1, le=HOURS_MAX, description="Evidence of the last hours")]


@router.post(
    "/errors/{code}/fix",
    summary="What to do about an error",
    dependencies=[needs(Scope.ERRORS_READ)],
)
async def fix(
    connection: Connection,
    code: Annotated[Id, Path(description="Error code, for example TIMEOUT")],
    *,
    error_message: Message = "",
    hours: Hours = _WEEK_HOURS,
) -> FixSuggestions:
    """Suggest what to do; a message narrows it to its pattern, and names the code of `UNKNOWN`."""
    known = code_of(code, error_message)
    lately = await window(hours=hours)
    key = fingerprint(error_message).key if error_message else None
    those = await patterns.patterns_of(connection, known, key=key)
    did = await queries.strategies_by_pattern(
        connection, since=lately.since, until=lately.until, error_code=known
    )
    found = {
        each.pattern_id: _weighed(did.get((each.tenant_id, each.error_pattern), []))
        for each in those
    }
    weighed = [each for one in found.values() for each in one] if key else []
    weighed = weighed or _weighed(together(chain.from_iterable(did.values())))
    advice = fix_for(known)
    proposed = suggestions.actions(found, those)
    told = suggestions.sentences(weighed)
    cost = await patterns.waste(connection, known, since=lately.since, until=lately.until)
    return FixSuggestions(
        type=known,
        suggestions=[*told, *advice.suggested_actions],
        probable_cause=advice.probable_cause,
        documentation=list(advice.documentation),
        status="evidence" if told else "insufficient_evidence",
        evidence=weighed,
        actions=proposed,
        auto_correction=suggestions.auto_correction(proposed, those, known),
        wasted=Wasted(
            calls=cost.calls, seconds=cost.seconds, tokens=cost.tokens, cost_usd=cost.cost_usd
        ),
    )


def code_of(code: str, message: str) -> ErrorCode:
    """Return the code that `code` names in any case, or that the message tells.

    Raises:
        NotFound: There is no such code.
    """
    known = ErrorCode.__members__.get(code.upper())
    if known is None:
        raise NotFound(f"such error code; there are {', '.join(ErrorCode)}, and none but these")
    if known is ErrorCode.UNKNOWN and message:
        return classify(ErrorEvidence(message=message)).code
    return known


def _weighed(found: Iterable[StrategyFigures]) -> list[Evidence]:
    return [evidence.weigh(each) for each in found]
