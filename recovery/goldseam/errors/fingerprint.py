"""Group error texts: same cause and same fix, same key.

Called on both sides over the same redacted text; the key goes into `error_pattern`, the template
is what people read. Three stages, all pure: `innermost` digs the provider's own sentence out of
Python reprs, JSON, HTML and class names; the masks replace what varies from call to call; the
essence of that is hashed. A change to any raises `VERSION`, because keys of different versions do
not compare.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

VERSION: Final = 2
"""Of extraction, masks and essence together; stored with every pattern."""

MAX_TEMPLATE: Final = 500
"""Characters of a template: the column's limit."""

_MAX_INPUT: Final = 2_000
_KEY_HEX: Final = 12
"""48 bits: one chance in a million that two of 20,000 patterns of one provider meet."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an error text.

    Attributes:
        key: Short hash of the words of the template that tell the cause.
        template: The text with what varies replaced by `<kind>`.
        version: Version of the rules that made both.
    """

    key: str
    template: str
    version: int = VERSION


def fingerprint(message: str) -> Fingerprint:
    """Return the identity of `message`, which should be redacted before."""
    # Imported, and so compiled, at the first failure: an application without pays nothing.
    from goldseam.errors.essence import essence  # noqa: PLC0415
    from goldseam.errors.extract import innermost  # noqa: PLC0415
    from goldseam.errors.masks import mask  # noqa: PLC0415

    template = mask(innermost(message[:_MAX_INPUT]))
    digest = hashlib.sha256(essence(template).casefold().encode()).hexdigest()
    return Fingerprint(key=digest[:_KEY_HEX], template=template[:MAX_TEMPLATE].strip())


def error_pattern(code: str, provider: str, fingerprint: Fingerprint) -> str:
    """Return the pattern that rows and corrections are filed under."""
    return f"{code}:{provider}:{fingerprint.key}"
