"""A small client of the log API for the command line."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

PREFIX: Final = "/api/v1/ai"

_TIMEOUT_S: Final = 10
_SILENCE_S: Final = 60
"""A live stream says every 15 s that it is there."""

_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past any proxy: the API mostly listens on loopback."""

_REMEDIES: Final = {
    HTTPStatus.UNAUTHORIZED: " Set GOLDSEAM_API_KEY, or give --key.",
    HTTPStatus.FORBIDDEN: " Use a key that may: GOLDSEAM_API_KEY, or --key.",
}


class ApiError(RuntimeError):
    """The API did not answer, or answered with a problem.

    Attributes:
        status: HTTP status of the problem; None where nobody answered.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class LogApi:
    """Questions to the API at `base_url`, for example `http://127.0.0.1:8000`.

    Attributes:
        base_url: Without `/api/v1/ai`.
        key: Presented with each question; None where none is needed.
    """

    base_url: str
    key: str | None = field(default=None, repr=False)

    def get(self, path: str, **parameters: object) -> Any:
        """Return the JSON body of GET `/api/v1/ai{path}`; None parameters are left out.

        Raises:
            ApiError: No answer, or a problem.
        """
        return self.send("GET", path, **parameters)

    def send(self, method: str, path: str, *, body: Any = None, **parameters: object) -> Any:
        """Return the JSON body of the answer to a request with a JSON body.

        Raises:
            ApiError: No answer, or a problem.
        """
        with self._open(method, path, body, parameters, {}, timeout_s=_TIMEOUT_S) as answer:
            return json.load(answer)

    def events(self, path: str, *, after: str | None = None, **parameters: object) -> Iterator[Any]:
        """Yield the data of server-sent events until the server ends them.

        Args:
            path: Below `/api/v1/ai`.
            after: Id of the last event that is known; None: from now on.
            parameters: Of the query.

        Raises:
            ApiError: No answer, a problem, or silence.
        """
        known = {"Last-Event-ID": after} if after else {}
        with self._open("GET", path, None, parameters, known, timeout_s=_SILENCE_S) as lines:
            try:
                for line in lines:
                    if line.startswith(b"data: "):
                        yield json.loads(line[6:])
            except (OSError, TimeoutError) as error:
                raise ApiError(f"{self.base_url} went away: {error}") from error

    def _open(
        self,
        method: str,
        path: str,
        body: Any,
        parameters: dict[str, object],
        headers: dict[str, str],
        *,
        timeout_s: float,
    ) -> Any:
        chosen = {name: value for name, value in parameters.items() if value is not None}
        query = f"?{urllib.parse.urlencode(chosen)}" if chosen else ""
        url = f"{self.base_url.rstrip('/')}{PREFIX}{path}{query}"
        headers = headers | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - given
            return _direct.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                remedy = _REMEDIES.get(HTTPStatus(error.code), "")
                text = f"{self.base_url} answered {error.code}: {_detail(error)}{remedy}"
                raise ApiError(text, error.code) from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise ApiError(
                f"{self.base_url} did not answer: {reason}. Is `goldseam up` running there? "
                "Another address: --url, or GOLDSEAM_API_URL."
            ) from error
        except ValueError as error:
            raise ApiError(f"{self.base_url!r} is no address; http://127.0.0.1:8000 is.") from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
