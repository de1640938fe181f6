"""A small client of the log API for the command line."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

_TIMEOUT_S: Final = 10

_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past any proxy: the API listens on loopback."""


class ApiError(RuntimeError):
    """The API did not answer, or answered with a problem."""


@dataclass(frozen=True, slots=True)
class LogApi:
    """Questions to the API at `base_url`, for example `http://127.0.0.1:8000`."""

    base_url: str

    def get(self, path: str, **parameters: object) -> Any:
        """Return the JSON body of GET `/api/v1/ai{path}`; None parameters are left out.

        Raises:
            ApiError: No answer, or a problem.
        """
        chosen = {name: value for name, value in parameters.items() if value is not None}
        url = f"{self.base_url}/api/v1/ai{path}?{urllib.parse.urlencode(chosen)}"
        try:
            with _direct.open(url, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ApiError(f"{url} answered {error.code}: {_detail(error)}") from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise ApiError(f"{url} did not answer: {error}. Is `goldseam up` running?") from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError):
        return error.reason
