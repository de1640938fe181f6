"""Errors as problem details (RFC 9457), rendered in one place.

A `Problem` carries its own status; `install` registers the handlers, also for invalid parameters
and for a database that is away or slow, so that no client meets a bare 500 or a stack trace.
"""

import logging
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Literal

from fastapi import FastAPI, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Message, Receive, Scope, Send

from goldseam.storage.errors import StorageError
from goldseam.storage.faults import loggable

MEDIA_TYPE: Final = "application/problem+json"

_RETRY_AFTER_S: Final = "1"

BODY_MAX_BYTES: Final = 64 * 1024
"""No body that a route takes comes near; it is read before anybody has been asked for a key."""

_log = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818 - the RFC's word
    """An answer other than success.

    Attributes:
        status: HTTP status.
        detail: What went wrong and what to do, for a person.
        headers: Headers of the answer.
        extra: Further members of the problem object.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.status = status
        self.detail = detail
        self.extra = extra


class NotFound(Problem):
    """There is no such thing here; the same answer is given for another tenant's."""

    def __init__(self, what: str) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, f"There is no {what} here.")


class Conflict(Problem):
    """It cannot be done as things stand; the detail says why."""

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(HTTPStatus.CONFLICT, detail, **extra)


class Invalid(Problem):
    """A parameter, or a field of the body, is wrong."""

    def __init__(self, name: str, reason: str, *, place: Literal["body", "query"] = "body") -> None:
        super().__init__(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"Correct these parameters: {name}: {reason}",
            invalid_parameters=[{"name": name, "in": place, "reason": reason}],
        )


def install(app: FastAPI) -> None:
    """Register the handlers on `app`, for what happens outside of our routes too."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


def response(
    status: HTTPStatus, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
) -> JSONResponse:
    """Build a problem response."""
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    return JSONResponse(body | extra, status, headers=headers, media_type=MEDIA_TYPE)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class
    return response(error.status, error.detail, headers=error.headers, **error.extra)


async def _invalid_parameters(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    parameters = [_fault_of(fault) for fault in error.errors()]
    reasons = "; ".join(f"{fault['name']}: {fault['reason']}" for fault in parameters)
    return response(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"Correct these parameters: {reasons}",
        invalid_parameters=parameters,
    )


def _fault_of(fault: Mapping[str, Any]) -> dict[str, str]:
    """Return which parameter is wrong and why; what cannot be read at all is the body's fault."""
    place, *inside = map(str, fault["loc"])
    if fault["type"] == "json_invalid":
        why = f"it is not JSON: {fault['ctx']['error']} at character {inside[0]}"
        return {"name": place, "in": place, "reason": why}
    if not inside:
        why = "send a JSON object, with Content-Type: application/json"
        return {"name": place, "in": place, "reason": why}
    return {"name": ".".join(inside), "in": place, "reason": fault["msg"]}


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    headers = dict(error.headers) if error.headers else {}
    status, detail = HTTPStatus(error.status_code), str(error.detail)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
        detail = f"This path takes {headers['Allow']}."
    elif status is HTTPStatus.NOT_FOUND and detail == status.phrase:
        detail = "There is nothing at this path; /openapi.json lists what there is."
    return response(status, detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """Return what may be done at a path; each route by itself knows its own method only."""
    described: dict[str, Any] = request.app.openapi()["paths"]
    path = request.url.path
    fitting = [each for each in described if compile_path(each)[0].match(path)]
    those = [path] if path in fitting else fitting
    return sorted({method.upper() for each in those for method in described[each]})


async def _database(request: Request, error: Exception) -> JSONResponse:
    """A database that is away or slow is a passing fault; anything else is ours."""
    if isinstance(error, DBAPIError) and not isinstance(error, OperationalError | InterfaceError):
        _log.error("a query failed", exc_info=loggable(error))
        return await _fault(request, error)
    return database_away()


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _log.error("a request failed; please report this", exc_info=loggable(error))
    return await _fault(request, error)


def database_away() -> JSONResponse:
    """Build the answer to give while the database does not answer."""
    return response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database did not answer in time. Try again; narrow the time range if it persists.",
        headers={"Retry-After": _RETRY_AFTER_S},
    )


async def _fault(_: Request, __: Exception) -> JSONResponse:
    return response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong on our side; the server's log says what.",
    )


HANDLERS: Final[Mapping[Any, Any]] = MappingProxyType(
    {
        Problem: _problem,
        RequestValidationError: _invalid_parameters,
        HTTPException: _http_exception,
        DBAPIError: _database,
        StorageError: _database,
        PoolTimeoutError: _database,
        Exception: _unforeseen,
    }
)
"""What renders which error."""


class ProblemRoute(APIRoute):
    """A route that renders our errors, whichever application it belongs to."""

    @cached_property
    def query_names(self) -> frozenset[str]:
        """The parameters that it takes in its query."""
        taken = get_flat_params(self.dependant)
        return frozenset(each.alias for each in taken if isinstance(each.field_info, params.Query))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        handlers, statuses = scope.get("starlette.exception_handlers", ({}, {}))
        scope["starlette.exception_handlers"] = (handlers | HANDLERS, statuses)
        await super().handle(scope, _limited(receive), send)


def _limited(receive: Receive) -> Receive:
    """Return `receive` that refuses a body beyond `BODY_MAX_BYTES`."""
    left_bytes = BODY_MAX_BYTES

    async def limited() -> Message:
        nonlocal left_bytes
        message = await receive()
        left_bytes -= len(message.get("body", b""))
        if left_bytes < 0:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"Send at most {BODY_MAX_BYTES} bytes in a request's body.",
            )
        return message

    return limited
