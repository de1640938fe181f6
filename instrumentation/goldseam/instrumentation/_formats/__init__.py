"""The wire formats: what a request and its answer look like, one module per format.

`_sdk` asks `format_of` whether a request is an AI call; `_invocation` and `_streams` ask the
format for span attributes and facts. A format reads, never changes, and never consumes what it
is shown: answers may be the SDK's models or plain JSON. A request of no known format passes
through Goldseam untouched. To add one, write its module and list it in `FORMATS`.
"""

from typing import Final

from goldseam.instrumentation._formats._base import Answer, Body, Format, Tally, name_of
from goldseam.instrumentation._formats._chat import CHAT
from goldseam.instrumentation._formats._embeddings import EMBEDDINGS

FORMATS: Final[tuple[Format, ...]] = (CHAT, EMBEDDINGS)

_BY_PATH: Final = {format_.path: format_ for format_ in FORMATS}


def format_of(method: str, url: str) -> Format | None:
    """Return the format of a request, or None for one that is no AI call.

    Args:
        method: HTTP method in any case; only POST asks a model.
        url: Path relative to the provider's base URL, or a whole URL.
    """
    if method.upper() != "POST":
        return None
    format_ = _BY_PATH.get(url)
    if format_ is not None:
        return format_
    path = "/" + url.partition("?")[0].strip("/")
    return next((each for each in FORMATS if path.endswith(each.path)), None)


__all__ = ["FORMATS", "Answer", "Body", "Format", "Tally", "format_of", "name_of"]
