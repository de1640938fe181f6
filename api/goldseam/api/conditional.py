"""Answers that a client may keep: an ETag, 304 while nothing has changed, 412 where it has.

An ETag may begin with a revision, which is made of what people change. `If-Match` compares no more
than that: counters go on moving under a reader's eyes and are no reason to refuse a change.
"""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Header, Request, Response
from pydantic import TypeAdapter

from goldseam.api.problems import Problem

_HEADER_MAX: Final = 1_000

_ANYTHING: Final = TypeAdapter[Any](Any)
"""Writes models and plain values alike, each walked once."""

IfMatch = Annotated[
    str | None,
    Header(
        max_length=_HEADER_MAX,
        description="ETag of what the change is based on; 412 where somebody has changed it since",
    ),
]


class PreconditionFailed(Problem):
    """Somebody has changed it since the caller read it."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.PRECONDITION_FAILED,
            "Somebody has changed this since: read it again, then decide.",
        )


def check(if_match: str | None, revised: Any) -> None:
    """Refuse a change that is based on something older.

    Args:
        if_match: The header's value; None where there is none.
        revised: What people change, as it is now.

    Raises:
        PreconditionFailed: None of the header's tags begins with this revision.
    """
    if if_match is None or if_match.strip() == "*":
        return
    now = _revision(revised)
    if not any(tag.removeprefix("W/").startswith(f'"{now}') for tag in _tags(if_match)):
        raise PreconditionFailed


def answer(
    request: Request,
    body: Any,
    *,
    identity: Any = None,
    revised: Any = None,
    max_age_s: int = 0,
) -> Response:
    """Return `body` as JSON with an ETag, or 304 for a client that has it.

    Args:
        request: What was asked, with `If-None-Match` maybe.
        body: A model.
        identity: What the ETag is made from; by default the body.
        revised: What people change, for `check`.
        max_age_s: How long a client need not ask again.
    """
    encoded = _json(body)
    etag = _tag(encoded if identity is None else _json(identity), revised)
    headers = {"ETag": etag, "Cache-Control": f"private, max-age={max_age_s}"}
    if etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(encoded, headers=headers, media_type="application/json")


def tag(body: Any, *, revised: Any = None) -> str:
    """Return the ETag of `body`, which begins with the revision where there is one."""
    return _tag(_json(body), revised)


def _tag(encoded: bytes, revised: Any) -> str:
    revision = "" if revised is None else _revision(revised)
    return f'W/"{revision}{_digest(encoded)}"'


def _revision(revised: Any) -> str:
    return f"{_digest(_json(revised))}-"


def _json(value: Any) -> bytes:
    return _ANYTHING.dump_json(value, by_alias=True)


def _digest(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()[:32]


def _tags(header: str) -> set[str]:
    given = {each.strip() for each in header.split(",")}
    return given | {f"W/{each}" for each in given if each.startswith('"')}
