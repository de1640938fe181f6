"""One SDK call that recovery looks after: its repeats are ours, and a failure may be mended.

`_mending` makes it. `_recovery` finds another answer; here is decided when it is asked, and how the
call ends then.
"""

import json
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from goldseam.instrumentation._call import Call
from goldseam.instrumentation._current import Current
from goldseam.instrumentation._formats import Body
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._recovery import Mender, NotMended
from goldseam.instrumentation._request import SentRequest
from goldseam.instrumentation._verdict import Unusable, achecked, checked
from goldseam.recovery import RecoveryConfig, Target, is_spared, original_timeout_s
from goldseam.recovery.tokens import estimated_prompt_tokens

if TYPE_CHECKING:
    from goldseam.instrumentation._mending import Mending
    from goldseam.recovery.cache import CachedAnswer

_T = TypeVar("_T")


class MendedCall(Call):
    """A call that is mended, or observed, as its configuration says."""

    __slots__ = ("_asked", "_config", "_is_owned", "_keeps", "_looks_first", "_mending")

    def __init__(
        self,
        invocation: Invocation,
        request: SentRequest,
        config: RecoveryConfig,
        mending: "Mending",
    ) -> None:
        super().__init__(invocation, request)
        self._config = config
        self._mending = mending
        self._asked = Target(invocation.endpoint.provider, invocation.model)
        aids = mending.aids
        self._is_owned = config.mode == "on" and self._own_repeats() is not None
        self._keeps = self._is_owned and aids.cache is not None and not request.is_stream
        self._looks_first = self._keeps and aids.answers_first
        if self._is_owned and config.policy.counts_tokens:
            invocation.learn = self._learn

    def send(self) -> Any:
        """Send the request and return the SDK's answer, or another one."""
        if self._looks_first and (known := self._first_answer()) is not None:
            return self.answered(known)
        if (detour := self._detour()) is not None:
            with _Outcome(self, detour):
                return self.answered(detour.mend())
        try:
            with Current(self._invocation.context):
                response = self._checked(self._request.wrapped(*self._args, **self._kwargs))
        except Exception as error:
            if (mender := self._mender_of(error)) is not None:
                with _Outcome(self, mender):
                    return self.answered(mender.mend())
            if isinstance(error, Unusable):
                return self._unusable(error)
            self.failed(error)
            raise
        except BaseException as interruption:
            self.failed(interruption)
            raise
        return self._answered_at_once(response)

    async def asend(self) -> Any:
        """Send the request and return the SDK's answer, or another one: `send` for tasks."""
        if self._looks_first and (known := await self._afirst_answer()) is not None:
            return self.answered(known)
        if (detour := self._detour()) is not None:
            with _Outcome(self, detour):
                return self.answered(await detour.amend())
        try:
            with Current(self._invocation.context):
                response = await self._request.wrapped(*self._args, **self._kwargs)
                response = await self._achecked(response)
        except Exception as error:
            if (mender := self._mender_of(error)) is not None:
                with _Outcome(self, mender):
                    return self.answered(await mender.amend())
            if isinstance(error, Unusable):
                return self._unusable(error)
            self.failed(error)
            raise
        except BaseException as interruption:
            self.failed(interruption)
            raise
        return self._answered_at_once(response)

    @fenced
    def interrupted(self, mender: Mender, interruption: BaseException) -> None:
        """End because the application gave up while recovery was at work."""
        mender.interrupted()
        self._invocation.fail(interruption)

    @fenced
    def _own_repeats(self) -> bool:
        """Take the repeats over from the SDK for this one call."""
        limit_s = original_timeout_s(
            self._request.timeout_s,
            asked=self._asked,
            config=self._config,
            patience_s=self._request.patience_s,
        )
        self._args, self._kwargs = self._request.first(limit_s)
        self._invocation.repair.extra_attempts = 0
        return True

    @fenced
    def _first_answer(self) -> Any | None:
        """Return an answer that is as good as new, so that the provider need not be asked."""
        cache, key = self._kept_under()
        found = cache.find(key) if cache is not None and key is not None else None
        return self._repeated(found) if _is_fresh(found) else None

    async def _afirst_answer(self) -> Any | None:
        """Return the same for tasks."""
        try:
            cache, key = self._kept_under()
            found = await cache.afind(key) if cache is not None and key is not None else None
            return await self._repeated(found) if _is_fresh(found) else None
        except Exception as error:  # noqa: BLE001 - the fence
            report("MendedCall._afirst_answer", error)
            return None

    def _kept_under(self) -> tuple[Any, str | None]:
        aids = self._mending.aids
        return aids.cache, aids.key_of(self._invocation, self._request)

    def _repeated(self, found: "CachedAnswer") -> Any:
        """Return an answer of the cache: no request is sent, no token is used."""
        answer = self._request.answer_of(json.loads(found.body))
        repair = self._invocation.repair
        repair.cache_hit = repair.attempts_counted = True
        return answer

    @fenced
    def _detour(self) -> Mender | None:
        """Return what asks others first, where the breaker of the asked provider is open."""
        if not self._is_owned:
            return None
        vitals, now_s = self._mending.vitals, time.perf_counter()
        if not is_spared(self._asked, config=self._config, vitals=vitals, now_s=now_s):
            return None
        return self._mender(None)

    @fenced
    def _mender_of(self, error: Exception) -> Mender | None:
        """Return what may bring another answer; None where the error is final."""
        mender = self._mender(error.cause if isinstance(error, Unusable) else error)
        if self._config.mode == "observe":
            mender.observe()
        if not self._is_owned:
            return None
        if isinstance(error, Unusable):
            mender.note_spent(error.response)
        return mender

    def _mender(self, error: Exception | None) -> Mender:
        mending = self._mending
        return Mender(
            self._invocation,
            self._request,
            error,
            config=self._config,
            clients=mending.clients,
            vitals=mending.vitals,
            aids=mending.aids,
        )

    def _checked(self, response: _T) -> _T:
        """Return the answer of the original attempt, if it is one.

        Raises:
            Unusable: It is none, and recovery may bring a better one.
        """
        if not self._is_owned:
            self._observe(response)
            return response
        answer: _T = checked(response, self._invocation.format, is_stream=self._request.is_stream)
        return answer

    async def _achecked(self, response: _T) -> _T:
        """Return the answer of the original attempt, if it is one: `_checked` for tasks."""
        if not self._is_owned:
            self._observe(response)
            return response
        answer: _T = await achecked(
            response, self._invocation.format, is_stream=self._request.is_stream
        )
        return answer

    @fenced
    def _observe(self, response: Any) -> None:
        """Record what recovery would do about a whole answer that is none; streams run freely."""
        if self._config.mode != "observe" or self._request.is_stream:
            return
        try:
            checked(response, self._invocation.format, is_stream=False)
        except Unusable as verdict:
            self._mender_of(verdict)

    def _unusable(self, verdict: Unusable) -> Any:
        """End with an answer that is none; the caller gets what the SDK gave."""
        if self._request.is_stream:
            return self.answered(verdict.response)
        self._failed_with_answer(verdict)
        return verdict.response

    @fenced
    def _failed_with_answer(self, verdict: Unusable) -> None:
        self._invocation.repair.spent.pop(1, None)  # told by the answer itself
        self._invocation.fail(verdict.cause, answer=self._invocation.read(verdict.response))

    def _answered_at_once(self, response: _T) -> _T:
        """End with the answer of the original attempt."""
        if self._is_owned:
            self._note_health()
        if self._keeps:
            self._mending.aids.keep(self._invocation, self._request, response)
        return self.answered(response)

    def _fault_in(self, response: Any) -> Exception | None:
        """Return what is wrong with a whole answer that nobody has judged yet."""
        return None if self._is_owned else super()._fault_in(response)

    @fenced
    def _note_health(self) -> None:
        self._mending.vitals.answered(self._asked, time.perf_counter(), is_first=True)

    def _learn(self, body: Body, input_tokens: int) -> None:
        estimated = estimated_prompt_tokens(body)
        self._mending.vitals.learn_tokens(self._asked, estimated=estimated, counted=input_tokens)


class _Outcome:
    """Tells how mending ends. Where it brought nothing to give or to raise, the block is left."""

    def __init__(self, call: MendedCall, mender: Mender) -> None:
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
