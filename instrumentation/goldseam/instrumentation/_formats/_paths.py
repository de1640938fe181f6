"""Which requests on the wire are AI calls, told by the path.

`_wire` asks for every POST that no SDK call of ours sends, so the answer for any other request
costs one look-up of the path's last segment. Whether the body fits is asked of `is_request`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from goldseam.instrumentation._formats._base import Body, Format, name_of
from goldseam.instrumentation._formats._chat import CHAT
from goldseam.instrumentation._formats._completions import COMPLETIONS
from goldseam.instrumentation._formats._embeddings import EMBEDDINGS
from goldseam.instrumentation._formats._gemini import EMBED_CONTENT, GENERATE_CONTENT
from goldseam.instrumentation._formats._messages import MESSAGES
from goldseam.instrumentation._formats._ollama import OLLAMA_CHAT, OLLAMA_EMBED, OLLAMA_GENERATE
from goldseam.instrumentation._formats._other import other
from goldseam.instrumentation._formats._responses import RESPONSES

_BY_LAST_SEGMENT: Final[Mapping[bytes, tuple[tuple[bytes, Format], ...]]] = {
    b"completions": (
        (b"/chat/completions", CHAT),
        (b"/agents/completions", CHAT),
        (b"/fim/completions", COMPLETIONS),
        (b"/v1/completions", COMPLETIONS),
    ),
    b"embeddings": ((b"/embeddings", EMBEDDINGS),),
    b"responses": ((b"/responses", RESPONSES),),
    b"messages": ((b"/v1/messages", MESSAGES),),
    b"chat": ((b"/api/chat", OLLAMA_CHAT),),
    b"generate": ((b"/api/generate", OLLAMA_GENERATE),),
    b"embed": ((b"/api/embed", OLLAMA_EMBED),),
    b"generations": ((b"/images/generations", other("/images/generations")),),
    b"moderations": ((b"/moderations", other("/moderations")),),
    b"speech": ((b"/audio/speech", other("/audio/speech")),),
}
"""Last segment to the whole ends of paths, and their format; the first that fits counts."""

_BY_METHOD: Final[Mapping[bytes, Format]] = {
    b"generateContent": GENERATE_CONTENT,
    b"streamGenerateContent": GENERATE_CONTENT,
    b"embedContent": EMBED_CONTENT,
    b"batchEmbedContents": EMBED_CONTENT,
}
"""Google's `…/models/NAME:method`."""

_STREAMED_METHODS: Final = frozenset({b"streamGenerateContent"})
_DEPLOYMENT: Final = re.compile(rb"/deployments/([^/]+)/")
"""Where Azure names the model."""

_CONTENT_KEYS: Final = ("messages", "input", "prompt", "contents", "content", "requests")
"""One of these holds what the model is asked; a body without any asks it nothing."""


@dataclass(frozen=True, slots=True)
class WirePath:
    """What a path tells about an AI request.

    Attributes:
        format: How to read both bodies.
        model: The model, where the path names it.
        is_stream: Whether the path asks for a stream.
    """

    format: Format
    model: str | None = None
    is_stream: bool = False

    def complete(self, body: Body) -> Body:
        """Return the body with what the path says in its place."""
        if self.model is None and not self.is_stream:
            return body
        told: dict[str, Any] = {"model": self.model} if self.model is not None else {}
        if self.is_stream:
            told["stream"] = True
        return {**told, **body} if "model" in body else {**body, **told}


def wire_path(target: bytes) -> WirePath | None:
    """Return what the target of a POST tells, None where it is no AI request.

    Args:
        target: Path with query, as it stands in the request line.
    """
    path = target.partition(b"?")[0]
    last = path[path.rfind(b"/") + 1 :]
    ends = _BY_LAST_SEGMENT.get(last)
    if ends is None:
        return _google_path(path, last) if b":" in last else None
    format_ = next((each for end, each in ends if path.endswith(end)), None)
    if format_ is None:
        return None
    deployment = _DEPLOYMENT.search(path)
    return WirePath(format_, _name(deployment[1]) if deployment else None)


def is_request(body: object, *, is_known_host: bool) -> bool:
    """Tell whether a decoded body asks a model; any application may serve such paths.

    Args:
        body: The body, with what the path says in its place.
        is_known_host: Whether the host is a provider's; then the model may be missing.
    """
    if not isinstance(body, dict) or not any(key in body for key in _CONTENT_KEYS):
        return False
    return is_known_host or isinstance(body.get("model"), str)


def _google_path(path: bytes, last: bytes) -> WirePath | None:
    model, _, method = last.partition(b":")
    format_ = _BY_METHOD.get(method)
    if format_ is None or b"odels/" not in path:  # `models/`, `tunedModels/`
        return None
    return WirePath(format_, _name(model), method in _STREAMED_METHODS)


def _name(segment: bytes) -> str | None:
    return name_of(segment.decode("ascii", "replace"))
