"""What a user can set, read once by `instrument`.

Arguments win over the environment. A wrong argument raises where it was given; a wrong environment
is logged and leaves recovery off, because zero-code start-up must not take the application's other
instrumentations down with it.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry.util.re import parse_env_headers

if TYPE_CHECKING:
    from goldseam.instrumentation._content._redact import Redact
    from goldseam.instrumentation._content._settings import ContentSettings
    from goldseam.recovery import Provider, RecoveryConfig

_log = logging.getLogger("goldseam.instrumentation")

CAPTURE_ENV: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PROMPT_HASH_ENV: Final = "GOLDSEAM_PROMPT_HASH"
_YES: Final = frozenset({"", "true", "1", "on"})
_NO: Final = frozenset({"false", "0", "off"})


OFF: Final = "off"
"""Value of `GOLDSEAM_PENDING_ENDPOINT` and of `GOLDSEAM_RECOVERY`, like having none."""


class SettingsError(ValueError):
    """A setting has a value that Goldseam cannot work with; the message names the right ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one `instrument()`.

    Attributes:
        recovery: Mode, policy and providers of recovery; None where nobody speaks of it.
        pending_endpoint: Collector that hears of requests in flight; None announces nothing.
        pending_headers: What is sent to it along with them; may hold a key.
        content: How prompts and answers are captured; None leaves them out.
        prompt_hash: Whether spans tell the prompt's SHA-256.
    """

    recovery: "RecoveryConfig | None"
    pending_endpoint: str | None = None
    pending_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: "ContentSettings | None" = None
    prompt_hash: bool = True

    @property
    def providers(self) -> "Mapping[str, Provider]":
        """The configured providers, by name."""
        return self.recovery.providers if self.recovery is not None else {}


def read(
    *,
    recovery: "str | RecoveryConfig | None" = None,
    pending_endpoint: str | None = None,
    capture_content: bool | None = None,
    redact: "Redact | str | None" = None,
    max_content_bytes: int | None = None,
    prompt_hash: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings from the arguments and the environment.

    Args:
        recovery: A mode, or a whole configuration that replaces the environment's.
        pending_endpoint: Address of a collector, or `off`.
        capture_content: Whether prompts and answers go onto spans.
        redact: Gets each text of content and returns what may be told; or its `module:function`.
        max_content_bytes: Most that one attribute of content holds.
        prompt_hash: Whether spans tell the prompt's SHA-256.
        environ: Where the names of the README's table are looked up.

    Raises:
        SettingsError: An argument has a value that Goldseam cannot work with.
    """
    endpoint = _pending_endpoint(pending_endpoint, environ)
    headers = environ.get("GOLDSEAM_PENDING_HEADERS", "") if endpoint else ""
    return Settings(
        recovery=_recovery(recovery, environ),
        pending_endpoint=endpoint,
        pending_headers=parse_env_headers(headers, liberal=True),
        content=_content(capture_content, redact, max_content_bytes, environ),
        prompt_hash=_prompt_hash(environ) if prompt_hash is None else prompt_hash,
    )


def _recovery(
    given: "str | RecoveryConfig | None", environ: Mapping[str, str]
) -> "RecoveryConfig | None":
    """Return how recovery is set up; what that takes is loaded only where somebody speaks of it."""
    mode = environ.get("GOLDSEAM_RECOVERY", "").strip().lower() if given is None else given
    if mode in ("", OFF) and not environ.get("GOLDSEAM_CONFIG", "").strip():
        return None
    from goldseam.instrumentation import _recovery_settings  # noqa: PLC0415 - see above

    try:
        return _recovery_settings.read(given, environ)
    except _recovery_settings.RecoveryConfigError as error:
        raise SettingsError(str(error)) from error


def _content(
    capture: bool | None,  # noqa: FBT001 - as the user gave it
    redact: "Redact | str | None",
    max_bytes: int | None,
    environ: Mapping[str, str],
) -> "ContentSettings | None":
    """Return how content is captured; what that takes is loaded only where somebody mentions it."""
    if not capture and not (capture is None and environ.get(CAPTURE_ENV)):
        return None
    from goldseam.instrumentation._content import _settings  # noqa: PLC0415 - see above

    try:
        return _settings.read(capture=capture, redact=redact, max_bytes=max_bytes, environ=environ)
    except _settings.ContentSettingsError as error:
        raise SettingsError(str(error)) from error


def _prompt_hash(environ: Mapping[str, str]) -> bool:
    value = environ.get(PROMPT_HASH_ENV, "").strip().lower()
    if value not in _YES | _NO:
        _log.error("Goldseam: no prompt hash is told: %s must be true or false", PROMPT_HASH_ENV)
    return value in _YES


def _pending_endpoint(given: str | None, environ: Mapping[str, str]) -> str | None:
    endpoint = given if given is not None else environ.get("GOLDSEAM_PENDING_ENDPOINT", "").strip()
    if endpoint in {"", OFF}:
        return None
    if endpoint.startswith(("http://", "https://")):
        return endpoint
    wrong = f"is {endpoint!r}; it must be an address such as http://127.0.0.1:4318, or off"
    if given is not None:
        raise SettingsError(f"pending_endpoint {wrong}")
    _log.error(
        "Goldseam: requests in flight are not announced: GOLDSEAM_PENDING_ENDPOINT %s", wrong
    )
    return None
