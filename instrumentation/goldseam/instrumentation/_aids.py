"""What recovery has at hand besides providers: kept answers and the playbook.

`_switch` opens them once per `instrument()`, if they are configured and recovery is on; `_recovery`
asks them when a call has failed. Whatever cannot be opened is logged with what to do, and the
application starts without it.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from goldseam.errors.fingerprint import error_pattern, fingerprint
from goldseam.instrumentation._fault import Fault
from goldseam.instrumentation._guard import fenced
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._raw import is_raw
from goldseam.instrumentation._request import SentRequest
from goldseam.semconv import attributes as names

if TYPE_CHECKING:  # loaded where they are configured
    from goldseam.recovery import RecoveryConfig
    from goldseam.recovery.cache import AnswerCache
    from goldseam.recovery.corrections import Correction
    from goldseam.recovery.playbook import Playbook

_log: Final = logging.getLogger("goldseam.instrumentation")

_ENDS_OF_TEXT: Final = frozenset({"stop", "end_turn", "stop_sequence", "completed"})
_ENDS_OF_TOOLS: Final = frozenset({"tool_calls", "function_call", "tool_use"})
"""Finish reasons of whole answers; one that was cut or filtered is not worth keeping."""

_RAW_MARK: Final = "x-stainless-raw-response"
"""The same answer serves raw and parsed calls."""


class Aids:
    """Cache and playbook of one `instrument()`; each may be absent."""

    def __init__(
        self, cache: "AnswerCache | None" = None, playbook: "Playbook | None" = None
    ) -> None:
        self.cache = cache
        self.playbook = playbook
        self.answers_first = cache is not None and cache.config.answer_first

    def key_of(self, invocation: Invocation, request: SentRequest) -> str | None:
        """Return the key that a call's answer is kept under, None where none is kept."""
        if self.cache is None or request.is_stream:
            return None
        from goldseam.recovery.cache import cache_key  # noqa: PLC0415 - loaded with the cache

        options, client = request.options, request.client
        return cache_key(
            tenant_id=str(invocation.shared_attributes.get(names.TENANT_ID, "")),
            provider=invocation.endpoint.provider,
            base_url=str(client.base_url),
            operation=f"{options.method} {options.url}",
            account=tuple(_account(client, options)),
            request={"body": request.body, "query": dict(options.params or {})},
        )

    @fenced
    def keep(self, invocation: Invocation, request: SentRequest, response: Any) -> None:
        """Keep the answer of a call that succeeded, if it is whole."""
        body = _body_of(response)
        if self.cache is None or body is None or not _is_whole(invocation, response, body):
            return
        if (key := self.key_of(invocation, request)) is not None:
            self.cache.keep(key, body)

    def correction_for(self, fault: Fault, provider: str) -> "Correction | None":
        """Return the correction that is in force for a failure, None where there is none."""
        if self.playbook is None or self.playbook.is_empty:
            return None
        identity = fingerprint(fault.message)
        pattern = error_pattern(fault.code, provider, identity)
        return self.playbook.correction_for(pattern, identity.version)

    def close(self) -> None:
        """Stop polling and let go of answers and connections."""
        if self.playbook is not None:
            self.playbook.stop()
        if self.cache is not None:
            self.cache.close()


def open_aids(config: "RecoveryConfig | None", environ: Mapping[str, str] = os.environ) -> Aids:
    """Return what the configuration asks for, as far as it can be opened."""
    if config is None or config.mode == "off":
        return Aids()
    playbook = None
    if config.playbook is not None:
        from goldseam.recovery.playbook import Playbook  # noqa: PLC0415 - only if asked for

        playbook = Playbook(config.playbook)
        playbook.start()
    return Aids(_opened(config, environ), playbook)


def _opened(config: "RecoveryConfig", environ: Mapping[str, str]) -> "AnswerCache | None":
    if config.cache is None or config.mode != "on":
        return None
    from goldseam.recovery.cache import CacheError, open_cache  # noqa: PLC0415 - only if asked for

    try:
        return open_cache(config.cache, environ)
    except CacheError as fault:
        _log.error("Goldseam: answers are not kept: %s", fault)
        return None


def _account(client: Any, options: Any) -> Iterator[str]:
    """Yield credentials and headers: whatever may give two callers different answers."""
    for name in ("api_key", "auth_token"):
        yield str(getattr(client, name, None))
    for headers in (getattr(client, "_custom_headers", None), options.headers):
        if isinstance(headers, Mapping):
            for name, value in headers.items():
                if isinstance(value, str) and name.lower() != _RAW_MARK:
                    yield f"{name.lower()}: {value}"


def _body_of(response: Any) -> bytes | None:
    """Return the JSON of an answer: parsed by the SDK, or raw and read."""
    if is_raw(response):
        http = response.http_response
        return bytes(http.content) if http.is_closed else None
    to_json = getattr(response, "to_json", None)
    return None if to_json is None else str(to_json(indent=None, warnings=False)).encode()


def _is_whole(invocation: Invocation, response: Any, body: bytes) -> bool:
    answer = invocation.format.read(json.loads(body) if is_raw(response) else response)
    if answer.error is not None:
        return False
    if invocation.format.operation == "embeddings":
        return True
    reasons = set(answer.finish_reasons)
    if not reasons:
        return False
    return reasons <= _ENDS_OF_TOOLS or (reasons <= _ENDS_OF_TEXT and bool(answer.length))
