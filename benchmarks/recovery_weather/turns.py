"""Times calls from memory, in turns: bare, then with the subject, round by round; counts them too.

The calls succeed, or all are refused with a Retry-After that is past every deadline.
"""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from recovery_weather.clients import CLIENTS, Ask, Setup, bare, goldseam_config

CALLS = 50
"""Of one round: short, so that both sides of a pair meet the same spell of the machine."""

_URL = "http://127.0.0.1:9/v1"
RETRY_AFTER_S = 10
_BODY = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)

Switch = Callable[[], AbstractContextManager[None]]


async def turns(name: str, order: dict[str, Any]) -> dict[str, Any]:
    """Return seconds of CPU time per call, by kind and round."""
    kinds = _kinds(name, fails=order.get("fails", False))
    samples: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(order["rounds"] + 1):
        for kind, (ask, switch) in kinds.items():
            with switch():
                taken_s = await _round(ask)
            if number:  # the first one warms up
                samples[kind].append(taken_s)
    return {"rounds": samples}


async def counted(name: str, order: dict[str, Any]) -> dict[str, Any]:
    """Count the instructions of so many calls; callgrind writes a dump for each kind."""
    from instrumentation_cost.callgrind import Callgrind  # noqa: PLC0415 - x86-64 only

    callgrind, calls = Callgrind(), order["counted"]
    for kind, (ask, switch) in _kinds(name, fails=False).items():
        with switch():
            await _round(ask, calls=calls)
            callgrind.start()
            await _round(ask, calls=calls)
            callgrind.stop(kind)
    return {"calls": calls}


async def _round(ask: Ask, *, calls: int = CALLS) -> float:
    started_s = time.process_time()
    for _ in range(calls):
        if await ask(1) != "ok":
            raise RuntimeError("a stubbed call gave another answer")
    return (time.process_time() - started_s) / calls


def _kinds(name: str, *, fails: bool) -> dict[str, tuple[Ask, Switch]]:
    setup = Setup(_URL, None if fails else _URL, None, http=_stub(fails=fails))
    setup.max_retries = 0 if fails else None
    alone = _refused(bare(setup)) if fails else bare(setup)
    if name != "goldseam":
        return {"bare": (alone, nullcontext), "on": (CLIENTS[name](setup), nullcontext)}
    config = goldseam_config(setup)
    return {
        "bare": (alone, nullcontext),
        "off": (alone, lambda: _instrumented("off")),
        "on": (alone, lambda: _instrumented(config)),
    }


def _refused(ask: Ask) -> Ask:
    """Return what asks and expects to be refused."""

    async def ask_in_vain(case: int) -> str:
        import openai  # noqa: PLC0415 - in this subject's environment only

        try:
            return await ask(case)
        except openai.RateLimitError:
            return "ok"

    return ask_in_vain


@contextmanager
def _instrumented(recovery: Any) -> Any:
    from goldseam.instrumentation import instrument, uninstrument  # noqa: PLC0415

    instrument(recovery=recovery)
    try:
        yield
    finally:
        uninstrument()


def _stub(*, fails: bool) -> Any:
    """Return a client of the SDK's own HTTP library that answers from memory."""
    import openai  # noqa: PLC0415 - in this subject's environment only

    classes = type(openai.AsyncOpenAI(api_key="test")._client).__mro__  # noqa: SLF001 - no door
    packages = (each.__module__.partition(".")[0] for each in classes)
    http: Any = sys.modules[next(each for each in packages if each.startswith("httpx"))]

    class Memory(http.AsyncBaseTransport):  # type: ignore[misc, name-defined] # chosen above
        async def handle_async_request(self, request: Any) -> Any:
            await request.aread()
            headers = {"content-type": "application/json", "retry-after": str(RETRY_AFTER_S)}
            status = 429 if fails else 200
            return http.Response(status, headers=headers, content=_BODY, request=request)

    return http.AsyncClient(transport=Memory())
