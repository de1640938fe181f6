"""What `goldseam doctor` finds, and how it asks servers.

Called by `doctor` and `doctor_spans`. Needs the standard library only; no proxy is asked.
"""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

_TIMEOUT_S: Final = 3.0

_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one thing gave.

    Attributes:
        state: `fault` keeps something from working, `hint` may be as wanted.
        says: What was found.
        remedy: What to do about it; empty where nothing is to be done.
    """

    state: Literal["ok", "hint", "fault"]
    says: str
    remedy: str = ""


def ask(
    url: str, headers: Mapping[str, str] | None = None, *, data: bytes | None = None
) -> tuple[int | None, Any]:
    """Return status and JSON body of an answer; None where nobody speaks HTTP there."""
    try:
        request = urllib.request.Request(url, data, dict(headers or {}))  # noqa: S310 - given
        with _direct.open(request, timeout=_TIMEOUT_S) as answer:
            return answer.status, _json(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read())
    except (OSError, ValueError):  # refused, no HTTP, or no address
        return None, None


def is_listened_at(url: str) -> bool:
    """Tell whether anybody takes connections there, whatever they speak."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
