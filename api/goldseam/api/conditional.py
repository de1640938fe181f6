"""Answers that a client may keep: an ETag, and 304 while nothing has changed."""

import hashlib
import json
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.encoders import jsonable_encoder


def answer(request: Request, body: Any, *, identity: Any = None, max_age_s: int = 0) -> Response:
    """Return `body` as JSON with an ETag, or 304 for a client that has it.

    Args:
        request: What was asked, with `If-None-Match` maybe.
        body: A model.
        identity: What the ETag is made from; by default the body.
        max_age_s: How long a client need not ask again.
    """
    encoded = jsonable_encoder(body)
    etag = tag(encoded if identity is None else jsonable_encoder(identity))
    headers = {"ETag": etag, "Cache-Control": f"private, max-age={max_age_s}"}
    if etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(json.dumps(encoded), headers=headers, media_type="application/json")


def tag(encoded: Any) -> str:
    """Return the ETag of plain data."""
    text = json.dumps(encoded, sort_keys=True)
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _tags(header: str) -> set[str]:
    given = {each.strip() for each in header.split(",")}
    return given | {f"W/{each}" for each in given if each.startswith('"')}
