"""The one place where SDK calls pass: the `request` method of the SDK's base clients.

`_patch` puts a `ChokePoint` there. Every method of the SDK comes through, sync or async,
parsed, raw or streamed, whatever the client's copies and options are. A call that is no AI call,
or that comes while instrumentation is suppressed, passes untouched. The application's call is made
exactly once from here, whatever happens to our own part; only recovery may repeat it.
"""

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from opentelemetry.context import get_current

from goldseam.instrumentation._aids import Aids
from goldseam.instrumentation._clients import OWN_CLIENT, Clients
from goldseam.instrumentation._current import Current
from goldseam.instrumentation._endpoint import Endpoints
from goldseam.instrumentation._formats import Body, format_of, other_of
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._others import is_told_by_others
from goldseam.instrumentation._raw import follow_raw, is_raw
from goldseam.instrumentation._recovery import Mender, NotMended
from goldseam.instrumentation._request import SentRequest, options_of
from goldseam.instrumentation._routes import Routes
from goldseam.instrumentation._settings import Settings
from goldseam.instrumentation._streams import end_collected, follow
from goldseam.instrumentation._suppressed import is_suppressed
from goldseam.instrumentation._telemetry import Telemetry
from goldseam.instrumentation._verdict import Unusable, achecked, checked, fault_of
from goldseam.recovery import RecoveryConfig, Target, Vitals, is_spared, original_timeout_s
from goldseam.recovery.tokens import estimated_prompt_tokens

if TYPE_CHECKING:
    from goldseam.recovery.cache import CachedAnswer

_T = TypeVar("_T")
_Wrapped = Callable[..., Any]
_Args = tuple[Any, ...]
_Kwargs = Mapping[str, Any]

_log = logging.getLogger("goldseam.instrumentation")

_NO_RECOVERY: Final = RecoveryConfig(mode="off")


class ChokePoint:
    """Watches the requests of SDK clients; one per `instrument()`.

    Args:
        telemetry: Where calls are written to.
        settings: Providers and recovery.
        vitals: How the providers do; None starts with healthy ones.
        aids: Kept answers and the playbook; None has neither.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        settings: Settings,
        *,
        vitals: Vitals | None = None,
        aids: Aids | None = None,
    ) -> None:
        self.clients = Clients()
        self.is_active = True
        self.aids = aids or Aids()
        self._telemetry = telemetry
        self._vitals = vitals or Vitals(settings.recovery.providers)
        self._routes = Routes(_with_cache(settings.recovery, self.aids))
        self._endpoints = Endpoints(settings.recovery.providers)

    def request(self, wrapped: _Wrapped, client: Any, args: _Args, kwargs: _Kwargs) -> Any:
        """Stand in for `SyncAPIClient.request`."""
        call = self._begin(wrapped, client, args, kwargs)
        if call is None:
            return wrapped(*args, **kwargs)
        if call.looks_first and (known := call.first_answer()) is not None:
            return call.answered(known)
        if (detour := call.detour()) is not None:
            with _Mending(call, detour):
                return call.answered(detour.mend())
        try:
            with call.current():
                response = call.checked(wrapped(*call.args, **call.kwargs))
        except Exception as error:
            if (mender := call.mender(error)) is not None:
                with _Mending(call, mender):
                    return call.answered(mender.mend())
            if isinstance(error, Unusable):
                return call.unusable(error)
            call.failed(error)
            raise
        except BaseException as interruption:
            call.failed(interruption)
            raise
        return call.answered_at_once(response)

    async def async_request(
        self, wrapped: _Wrapped, client: Any, args: _Args, kwargs: _Kwargs
    ) -> Any:
        """Stand in for `AsyncAPIClient.request`."""
        call = self._begin(wrapped, client, args, kwargs)
        if call is None:
            return await wrapped(*args, **kwargs)
        if call.looks_first and (known := await call.afirst_answer()) is not None:
            return call.answered(known)
        if (detour := call.detour()) is not None:
            with _Mending(call, detour):
                return call.answered(await detour.amend())
        try:
            with call.current():
                response = await call.achecked(await wrapped(*call.args, **call.kwargs))
        except Exception as error:
            if (mender := call.mender(error)) is not None:
                with _Mending(call, mender):
                    return call.answered(await mender.amend())
            if isinstance(error, Unusable):
                return call.unusable(error)
            call.failed(error)
            raise
        except BaseException as interruption:
            call.failed(interruption)
            raise
        return call.answered_at_once(response)

    def budgets(self) -> dict[str, float]:
        """Return the extra attempts that each provider's retry budget still allows."""
        return self._vitals.budgets(time.perf_counter()) if self.is_active else {}

    @fenced
    def close(self) -> None:
        """Watch nothing any more and let go of connections."""
        self.is_active = False
        end_collected()
        self.clients.close()
        self.aids.close()

    @fenced
    def _begin(
        self, wrapped: _Wrapped, client: Any, args: _Args, kwargs: _Kwargs
    ) -> "_Call | None":
        """Start watching a call, or return None for one that is none of our business."""
        end_collected()
        options = options_of(args, kwargs)
        body = options.json_data
        format_ = format_of(options.method, options.url) if isinstance(body, dict) else None
        if format_ is None:
            format_ = other_of(options.method, options.url)
            body = body if isinstance(body, dict) else {}
        if format_ is None or not self._watches(client):
            return None
        if options.extra_json:
            body = {**body, **options.extra_json}
        request = SentRequest(wrapped, client, args, kwargs)
        endpoint = self._endpoints.of(client)
        invocation = Invocation(
            self._telemetry, format_, endpoint, body, secrets=request.private_texts
        )
        try:
            config = self._recovery_of(invocation, body)
            return _Call(
                invocation,
                request,
                config,
                clients=self.clients,
                vitals=self._vitals,
                aids=self.aids,
            )
        except Exception:
            invocation.stop_with(None)
            raise

    def _recovery_of(self, invocation: Invocation, body: Body) -> RecoveryConfig:
        """Return how far recovery may go with a request."""
        if self._routes.are_all_off or not invocation.format.may_repeat(body):
            return _NO_RECOVERY
        return self._routes.of(invocation.format.api, invocation.shared_attributes)

    def _watches(self, client: Any) -> bool:
        """Tell whether a call is ours to watch; one that is told by others only to mend it."""
        context = get_current()
        return (
            self.is_active
            and not is_suppressed(context)
            and not hasattr(client, OWN_CLIENT)
            and (not self._routes.are_all_off or not is_told_by_others(context))
        )


class _Call:
    """One watched call: what is sent, and how its end is told. None of its methods raises."""

    __slots__ = (
        "_aids",
        "_asked",
        "_clients",
        "_config",
        "_invocation",
        "_is_owned",
        "_keeps",
        "_request",
        "_vitals",
        "args",
        "kwargs",
        "looks_first",
    )

    def __init__(
        self,
        invocation: Invocation,
        request: SentRequest,
        config: RecoveryConfig,
        *,
        clients: Clients,
        vitals: Vitals,
        aids: Aids,
    ) -> None:
        self._invocation = invocation
        self._request = request
        self._config = _fitting(config, invocation)
        self._clients = clients
        self._vitals = vitals
        self._asked = Target(invocation.endpoint.provider, invocation.model)
        self._aids = aids
        self.args, self.kwargs = request.arguments
        self._is_owned = self._config.mode == "on" and self._own_repeats() is not None
        self._keeps = self._is_owned and aids.cache is not None and not request.is_stream
        self.looks_first = self._keeps and aids.answers_first
        if self._is_owned and self._config.policy.counts_tokens:
            invocation.learn = self._learn

    def current(self) -> Current:
        """Make the request span current while the SDK is at work."""
        return Current(self._invocation.context)

    @fenced
    def mender(self, error: Exception) -> Mender | None:
        """Return what may bring another answer; None where the error is final."""
        if self._config.mode == "off":
            return None
        mender = self._mender(error.cause if isinstance(error, Unusable) else error)
        if self._config.mode == "observe":
            mender.observe()
        if not self._is_owned:
            return None
        if isinstance(error, Unusable):
            mender.note_spent(error.response)
        return mender

    @fenced
    def detour(self) -> Mender | None:
        """Return what asks others first, where the breaker of the asked provider is open."""
        if not self._is_owned:
            return None
        now_s = time.perf_counter()
        if not is_spared(self._asked, config=self._config, vitals=self._vitals, now_s=now_s):
            return None
        return self._mender(None)

    @fenced
    def failed(self, error: BaseException) -> None:
        """End with the exception that the application is about to see."""
        self._invocation.fail(error)

    @fenced
    def interrupted(self, mender: Mender, interruption: BaseException) -> None:
        """End because the application gave up while recovery was at work."""
        mender.interrupted()
        self._invocation.fail(interruption)

    def answered(self, response: _T) -> _T:
        """End with an answer, or when it has been read; return the answer itself."""
        try:
            self._follow(response)
        except Exception as error:  # noqa: BLE001 - the fence
            report("_Call.answered", error)
            self._unread()
        return response

    def checked(self, response: _T) -> _T:
        """Return the answer of the original attempt, if it is one.

        Raises:
            Unusable: It is none, and recovery may bring a better one.
        """
        if not self._is_owned:
            if self._config.mode == "observe":
                self._observe(response)
            return response
        answer: _T = checked(response, self._invocation.format, is_stream=self._request.is_stream)
        return answer

    async def achecked(self, response: _T) -> _T:
        """Return the answer of the original attempt, if it is one: `checked` for tasks."""
        if not self._is_owned:
            if self._config.mode == "observe":
                self._observe(response)
            return response
        answer: _T = await achecked(
            response, self._invocation.format, is_stream=self._request.is_stream
        )
        return answer

    @fenced
    def _observe(self, response: Any) -> None:
        """Record what recovery would do about a whole answer that is none; streams run freely."""
        if self._request.is_stream:
            return
        try:
            checked(response, self._invocation.format, is_stream=False)
        except Unusable as verdict:
            self.mender(verdict)

    def unusable(self, verdict: Unusable) -> Any:
        """End with an answer that is none; the caller gets what the SDK gave."""
        if self._request.is_stream:
            return self.answered(verdict.response)
        self._failed_with_answer(verdict)
        return verdict.response

    @fenced
    def _failed_with_answer(self, verdict: Unusable) -> None:
        answer = None
        self._invocation.repair.spent.pop(1, None)  # told by the answer itself
        if not isinstance(verdict.response, str | bytes):
            answer = self._invocation.format.read(verdict.response)
        self._invocation.fail(verdict.cause, answer=answer)

    def answered_at_once(self, response: _T) -> _T:
        """End with the answer of the original attempt."""
        if self._is_owned:
            self._note_health()
        if self._keeps:
            self._aids.keep(self._invocation, self._request, response)
        return self.answered(response)

    def _mender(self, error: Exception | None) -> Mender:
        return Mender(
            self._invocation,
            self._request,
            error,
            config=self._config,
            clients=self._clients,
            vitals=self._vitals,
            aids=self._aids,
        )

    def _learn(self, body: Body, input_tokens: int) -> None:
        estimated = estimated_prompt_tokens(body)
        self._vitals.learn_tokens(self._asked, estimated=estimated, counted=input_tokens)

    @fenced
    def _note_health(self) -> None:
        self._vitals.answered(self._asked, time.perf_counter(), is_first=True)

    @fenced
    def first_answer(self) -> Any | None:
        """Return an answer that is as good as new, so that the provider need not be asked."""
        cache, key = self._aids.cache, self._aids.key_of(self._invocation, self._request)
        found = cache.find(key) if cache is not None and key is not None else None
        return self._repeated(found) if _is_fresh(found) else None

    async def afirst_answer(self) -> Any | None:
        """Return the same for tasks."""
        try:
            cache, key = self._aids.cache, self._aids.key_of(self._invocation, self._request)
            found = await cache.afind(key) if cache is not None and key is not None else None
            return await self._repeated(found) if _is_fresh(found) else None
        except Exception as error:  # noqa: BLE001 - the fence
            report("_Call.afirst_answer", error)
            return None

    def _repeated(self, found: "CachedAnswer") -> Any:
        """Return an answer of the cache: no request is sent, no token is used."""
        answer = self._request.answer_of(json.loads(found.body))
        repair = self._invocation.repair
        repair.cache_hit = repair.attempts_counted = True
        return answer

    def _follow(self, response: Any) -> None:
        if is_raw(response):
            follow_raw(response, self._invocation, stream=self._request.is_stream)
        elif self._request.is_stream and hasattr(response, "_iterator"):
            follow(response, self._invocation)
        elif (fault := self._fault_of(response)) is None:
            self._invocation.stop(response)
        else:
            self._failed_with_answer(Unusable(response, fault))

    @fenced
    def _fault_of(self, response: Any) -> Exception | None:
        """Return what is wrong with a whole answer that nobody has judged yet."""
        return None if self._is_owned else fault_of(response, self._invocation.format)

    @fenced
    def _unread(self) -> None:
        self._invocation.stop_with(None)

    @fenced
    def _own_repeats(self) -> bool:
        """Take the repeats over from the SDK for this one call."""
        limit_s = original_timeout_s(
            self._request.timeout_s,
            asked=self._asked,
            config=self._config,
            patience_s=self._request.patience_s,
        )
        self.args, self.kwargs = self._request.first(limit_s)
        self._invocation.repair.extra_attempts = 0
        return True


class _Mending:
    """Tells how mending ends. Where it brought nothing to give or to raise, the block is left."""

    def __init__(self, call: _Call, mender: Mender) -> None:
        self._call = call
        self._mender = mender

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(exc, NotMended):
            if exc.outcome is None:
                return True
            self._call.failed(exc.outcome)
            raise exc.outcome from exc.outcome.__cause__
        if isinstance(exc, Exception):  # ours; the application gets its own error
            report("Mender", exc)
            return True
        if exc is not None:
            self._call.interrupted(self._mender, exc)
        return False


def _is_fresh(found: "CachedAnswer | None") -> "TypeGuard[CachedAnswer]":
    return found is not None and not found.is_stale


def _with_cache(config: RecoveryConfig, aids: Aids) -> RecoveryConfig:
    """Return the configuration with the cache as its last resort."""
    if aids.cache is None:
        return config
    from goldseam.recovery.cached import CacheStrategy  # noqa: PLC0415 - only with a cache

    return dataclasses.replace(config, strategies=(*config.strategies, CacheStrategy(aids.cache)))


def _fitting(config: RecoveryConfig, invocation: Invocation) -> RecoveryConfig:
    """Return the configuration without providers whose answers could not stand in."""
    any_model_will_do = invocation.format.any_model_will_do and not config.policy.same_model_only
    if any_model_will_do or config.mode == "off":
        return config
    same = tuple(
        provider.name
        for provider in config.fallback_providers
        if provider.target_for(invocation.model).model == invocation.model
    )
    return dataclasses.replace(config, policy=dataclasses.replace(config.policy, fallback=same))
