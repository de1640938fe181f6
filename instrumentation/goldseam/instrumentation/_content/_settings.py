"""Whether content is captured, and how: from arguments of `instrument` or the environment.

A wrong argument raises where it was given. A wrong environment is logged and nothing is captured:
of two ways to be wrong, silence is the one that can be mended.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from goldseam.instrumentation._content._redact import Redact, RedactError, loaded
from goldseam.instrumentation._settings import CAPTURE_ENV

REDACT_ENV: Final = "GOLDSEAM_REDACT"
MAX_BYTES_ENV: Final = "GOLDSEAM_MAX_CONTENT_BYTES"

DEFAULT_MAX_BYTES: Final = 16 * 1024
"""A long conversation as one attribute; exporters refuse batches above some megabytes."""

MIN_BYTES: Final = 256
"""Less holds no message."""

_ON: Final = frozenset({"true", "1", "span_only", "span_and_event"})
_OFF: Final = frozenset({"", "false", "0", "no_content", "event_only"})
"""Events carry no content here, so where only they are to have any there is none."""

_log = logging.getLogger("goldseam.instrumentation")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSettings:
    """How content is captured.

    Attributes:
        redact: Gets each text and returns what may be told of it; None tells all.
        max_bytes: Most that one span attribute holds, in UTF-8.
    """

    redact: Redact | None = None
    max_bytes: int = DEFAULT_MAX_BYTES


class ContentSettingsError(ValueError):
    """A setting of content capture is wrong; the message names the right ones."""


def read(
    *,
    capture: bool | None,
    redact: Redact | str | None,
    max_bytes: int | None,
    environ: Mapping[str, str],
) -> ContentSettings | None:
    """Return how content is captured, None where it is not.

    Raises:
        ContentSettingsError: An argument is wrong.
    """
    if not capture and not (capture is None and _is_wanted(environ)):
        return None
    _check(redact, max_bytes)
    try:
        hook = redact if redact is not None else environ.get(REDACT_ENV) or None
        return ContentSettings(
            redact=loaded(hook) if isinstance(hook, str) else hook,
            max_bytes=max_bytes if max_bytes is not None else _max_bytes(environ),
        )
    except RedactError as error:
        if redact is not None:
            raise ContentSettingsError(f"redact={redact!r}: {error}") from error
        _log.error("Goldseam: no content is captured: %s: %s", REDACT_ENV, error)
        return None


def _is_wanted(environ: Mapping[str, str]) -> bool:
    value = environ.get(CAPTURE_ENV, "").strip().lower()
    if value not in _ON | _OFF:
        _log.error("Goldseam: no content is captured: %s must be true or false", CAPTURE_ENV)
    return value in _ON


def _check(redact: Redact | str | None, max_bytes: int | None) -> None:
    if redact is not None and not isinstance(redact, str) and not callable(redact):
        raise ContentSettingsError(
            f"redact={redact!r} is no function; give one, or its name as module:function"
        )
    if max_bytes is not None and (type(max_bytes) is not int or max_bytes < MIN_BYTES):
        raise ContentSettingsError(
            f"max_content_bytes={max_bytes!r} is too small; give at least {MIN_BYTES}"
        )


def _max_bytes(environ: Mapping[str, str]) -> int:
    value = environ.get(MAX_BYTES_ENV, "").strip()
    if not value:
        return DEFAULT_MAX_BYTES
    if value.isascii() and value.isdigit() and int(value) >= MIN_BYTES:
        return int(value)
    _log.error("Goldseam: %s must be a number from %d", MAX_BYTES_ENV, MIN_BYTES)
    return DEFAULT_MAX_BYTES
