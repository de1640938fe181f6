"""The wire formats: what a request and its answer look like, one module per format.

`_sdk` asks `format_of` whether a request is an AI call; `_invocation` and `_streams` ask the
format for span attributes and facts. A format reads, never changes, and never consumes what it
is shown: answers may be the SDK's models or plain JSON. To add one, write its module and list it
in `FORMATS`. An SDK's request that none of them knows has the format of `other_of`, which tells
little.
"""

from typing import Final

from goldseam.instrumentation._formats._base import Answer, Body, Format, Tally, name_of
from goldseam.instrumentation._formats._chat import CHAT
from goldseam.instrumentation._formats._completions import COMPLETIONS
from goldseam.instrumentation._formats._embeddings import EMBEDDINGS
from goldseam.instrumentation._formats._messages import MESSAGES
from goldseam.instrumentation._formats._other import other
from goldseam.instrumentation._formats._responses import RESPONSES

FORMATS: Final[tuple[Format, ...]] = (CHAT, EMBEDDINGS, RESPONSES, MESSAGES, COMPLETIONS)
"""In the order in which ends of paths are compared: `/chat/completions` before `/completions`."""

MAX_REMEMBERED_URLS: Final = 256
"""Whole URLs may hold anything, so what is remembered of them must have an end."""

_by_url: Final[dict[str, Format]] = {format_.path: format_ for format_ in FORMATS}


def format_of(method: str, url: str) -> Format | None:
    """Return the format of a request, or None for one that is no known AI call.

    Args:
        method: HTTP method in any case; only POST asks a model.
        url: Path relative to the provider's base URL, or a whole URL.
    """
    if method.upper() != "POST":
        return None
    found = _by_url.get(url)
    if found is None:
        path = _path(url)
        found = next((each for each in FORMATS if path.endswith(each.path)), None)
        if found is not None and len(_by_url) < MAX_REMEMBERED_URLS:
            _by_url[url] = found
    return found


def other_of(method: str, url: str) -> Format | None:
    """Return the format of an SDK's request that `format_of` does not know; as there."""
    return other(_path(url)) if method.upper() == "POST" else None


def _path(url: str) -> str:
    return "/" + url.partition("?")[0].strip("/")


__all__ = ["FORMATS", "Answer", "Body", "Format", "Tally", "format_of", "name_of", "other_of"]
