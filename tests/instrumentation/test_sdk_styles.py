"""Each SDK in each way of calling it: the whole span of a success and of a failure.

Every style of one surface gives the same span, so one snapshot a surface holds them all; what a
style adds is said beside it.
"""

import asyncio
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import QUESTION, Recorder
from tests.instrumentation.styles import (
    PACKAGES,
    STREAMED,
    WHOLE,
    Style,
    beta_create,
    beta_helper,
    beta_parse,
    beta_streamed,
    entered,
    exported,
    helper,
    make_client,
    needs,
    parse,
)

from goldseam.recovery.testing import (
    MessageUsage,
    Reply,
    ResponseUsage,
    ScriptedProvider,
    Usage,
    chat,
    cut,
    error,
    message,
    message_error,
    response,
)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One resource of one SDK that answers questions."""

    sdk: str
    resource: str = "chat.completions"
    asked: Mapping[str, Any] = field(
        default_factory=lambda: {"model": "gpt-4o", "messages": QUESTION, "temperature": 1}
    )
    answer: Reply = field(default_factory=lambda: chat("Nine it is", usage=Usage(14, 2)))
    failure: Reply = field(default_factory=lambda: error(429, retry_after=3))
    whole: Mapping[str, Style] = field(default_factory=dict)
    streamed: Mapping[str, Style] = field(default_factory=dict)

    async def call(self, style: Style, provider: ScriptedProvider, *, is_async: bool) -> Any:
        """Make one call with a fresh client."""
        async with entered(make_client(self.sdk, provider, is_async=is_async)) as client:
            return await style(client, self.resource, dict(self.asked))


SURFACES: Final = {
    "openai chat": Surface(sdk="openai", whole={"parse": parse}, streamed={"helper": helper}),
    "openai responses": Surface(
        sdk="openai",
        resource="responses",
        asked={"model": "gpt-4o", "input": "four plus five?", "temperature": 1},
        answer=response("Nine it is", usage=ResponseUsage(14, 2, 8, 4, 1)),
        whole={"parse": parse},
        streamed={"helper": helper},
    ),
    "anthropic messages": Surface(
        sdk="anthropic",
        resource="messages",
        asked={
            "model": "claude-nine",
            "max_tokens": 50,
            "messages": QUESTION,
            "system": "Be brief.",
            "extra_body": {"temperature": 1, "top_k": 5},
        },
        answer=message("Nine it is", usage=MessageUsage(11, 5, 8, 2, 3)),
        failure=message_error(429, retry_after=3),
        whole={"parse": parse, "beta": beta_create, "beta-parse": beta_parse},
        streamed={"helper": helper, "beta-stream": beta_streamed, "beta-helper": beta_helper},
    ),
    "groq chat": Surface(sdk="groq"),
    "together chat": Surface(sdk="together"),
    "cerebras chat": Surface(sdk="cerebras"),
}


def _cases(kind: str) -> list[Any]:
    styles: dict[str, Mapping[str, Style]] = {"whole": WHOLE, "streamed": STREAMED}
    return [
        pytest.param(
            name, style, how, is_async, marks=needs(surface.sdk),
            id=f"{name}-{style}-{'async' if is_async else 'sync'}".replace(" ", "-"),
        )
        for name, surface in SURFACES.items()
        for style, how in {**styles[kind], **getattr(surface, kind)}.items()
        for is_async in (False, True)
    ]  # fmt: skip


def _told(recorder: Recorder) -> list[str]:
    """Return the only span."""
    assert recorder.leaked == []
    assert len(recorder.finished) == 1
    return exported(recorder.request)


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("name", "style", "how", "is_async"), _cases("whole"))
def test_answer(
    name: str, style: str, how: Style, is_async: bool,  # noqa: FBT001 - a parameter of the test
    provider: ScriptedProvider, recorder: Recorder,
) -> None:  # fmt: skip
    """A call that is answered in one piece is one span."""
    surface = SURFACES[name]
    provider.script(surface.answer)

    asyncio.run(surface.call(how, provider, is_async=is_async))

    assert (
        _told(recorder)
        == snapshot(
            {
                "openai chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.usage.input_tokens = 14",
                    "gen_ai.usage.output_tokens = 2",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "openai responses": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'resp_1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.usage.cache_creation.input_tokens = 4",
                    "gen_ai.usage.cache_read.input_tokens = 8",
                    "gen_ai.usage.input_tokens = 14",
                    "gen_ai.usage.output_tokens = 2",
                    "gen_ai.usage.reasoning.output_tokens = 1",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'responses'",
                    "openai.response.service_tier = 'default'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "groq chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'groq'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.usage.input_tokens = 14",
                    "gen_ai.usage.output_tokens = 2",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'groq'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "together chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'together'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.usage.input_tokens = 14",
                    "gen_ai.usage.output_tokens = 2",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'together'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "cerebras chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'cerebras'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.usage.input_tokens = 14",
                    "gen_ai.usage.output_tokens = 2",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'cerebras'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "anthropic messages": [
                    "CLIENT chat claude-nine",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'anthropic'",
                    "gen_ai.request.max_tokens = 50",
                    "gen_ai.request.model = 'claude-nine'",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.request.top_k = 5.0",
                    "gen_ai.response.finish_reasons = ('end_turn',)",
                    "gen_ai.response.id = 'msg_1'",
                    "gen_ai.response.model = 'claude-nine'",
                    "gen_ai.usage.cache_creation.input_tokens = 2",
                    "gen_ai.usage.cache_read.input_tokens = 8",
                    "gen_ai.usage.input_tokens = 21",
                    "gen_ai.usage.output_tokens = 5",
                    "gen_ai.usage.reasoning.output_tokens = 3",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 25",
                    "goldseam.prompt.sha256 = 6ae33db1…",
                    "goldseam.provider.name = 'anthropic'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
            }
        )[name]
    )


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("name", "style", "how", "is_async"), _cases("streamed"))
def test_streamed_answer(
    name: str, style: str, how: Style, is_async: bool,  # noqa: FBT001 - a parameter of the test
    provider: ScriptedProvider, recorder: Recorder,
) -> None:  # fmt: skip
    """A call whose stream is read to its end is one span, which ends with the stream."""
    surface = SURFACES[name]
    provider.script(surface.answer)

    asyncio.run(surface.call(how, provider, is_async=is_async))

    assert (
        _told(recorder)
        == snapshot(
            {
                "openai chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.stream = True",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.response.time_to_first_chunk = float",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "openai responses": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.stream = True",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'resp_1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.response.time_to_first_chunk = float",
                    "gen_ai.usage.cache_creation.input_tokens = 4",
                    "gen_ai.usage.cache_read.input_tokens = 8",
                    "gen_ai.usage.input_tokens = 14",
                    "gen_ai.usage.output_tokens = 2",
                    "gen_ai.usage.reasoning.output_tokens = 1",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'responses'",
                    "openai.response.service_tier = 'default'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "groq chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'groq'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.stream = True",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.response.time_to_first_chunk = float",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'groq'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "together chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'together'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.stream = True",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.response.time_to_first_chunk = float",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'together'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "cerebras chat": [
                    "CLIENT chat gpt-4o",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'cerebras'",
                    "gen_ai.request.model = 'gpt-4o'",
                    "gen_ai.request.stream = True",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.response.finish_reasons = ('stop',)",
                    "gen_ai.response.id = 'chatcmpl-1'",
                    "gen_ai.response.model = 'gpt-4o'",
                    "gen_ai.response.time_to_first_chunk = float",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 15",
                    "goldseam.prompt.sha256 = db2f7c77…",
                    "goldseam.provider.name = 'cerebras'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "openai.api.type = 'chat_completions'",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "anthropic messages": [
                    "CLIENT chat claude-nine",
                    "status UNSET",
                    "gen_ai.operation.name = 'chat'",
                    "gen_ai.provider.name = 'anthropic'",
                    "gen_ai.request.max_tokens = 50",
                    "gen_ai.request.model = 'claude-nine'",
                    "gen_ai.request.stream = True",
                    "gen_ai.request.temperature = 1.0",
                    "gen_ai.request.top_k = 5.0",
                    "gen_ai.response.finish_reasons = ('end_turn',)",
                    "gen_ai.response.id = 'msg_1'",
                    "gen_ai.response.model = 'claude-nine'",
                    "gen_ai.response.time_to_first_chunk = float",
                    "gen_ai.usage.cache_creation.input_tokens = 2",
                    "gen_ai.usage.cache_read.input_tokens = 8",
                    "gen_ai.usage.input_tokens = 21",
                    "gen_ai.usage.output_tokens = 5",
                    "gen_ai.usage.reasoning.output_tokens = 3",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 25",
                    "goldseam.prompt.sha256 = 6ae33db1…",
                    "goldseam.provider.name = 'anthropic'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.response.length = 10",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
            }
        )[name]
    )


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("name", "style", "how", "is_async"), [*_cases("whole"), *_cases("streamed")]
)
def test_failure(
    name: str, style: str, how: Style, is_async: bool,  # noqa: FBT001 - a parameter of the test
    provider: ScriptedProvider, recorder: Recorder,
) -> None:  # fmt: skip
    """A call that the provider refuses is one span with the error, its status and its code."""
    surface = SURFACES[name]
    provider.script(surface.failure)

    with pytest.raises(Exception, match=r"429|rate limit"):
        asyncio.run(surface.call(how, provider, is_async=is_async))

    told = _told(recorder)
    streams = "gen_ai.request.stream = True"
    assert (streams in told) == (how in {**STREAMED, **surface.streamed}.values())
    assert [line for line in told if line != streams] == snapshot(
        {
            "openai chat": [
                "CLIENT chat gpt-4o",
                "status ERROR",
                "status text 'Rate limit reached for requests.'",
                "error.type = 'openai.RateLimitError'",
                "gen_ai.operation.name = 'chat'",
                "gen_ai.provider.name = 'openai'",
                "gen_ai.request.model = 'gpt-4o'",
                "gen_ai.request.temperature = 1.0",
                "goldseam.error.code = 'RATE_LIMIT'",
                "goldseam.log.id = …",
                "goldseam.prompt.length = 15",
                "goldseam.prompt.sha256 = db2f7c77…",
                "goldseam.provider.name = 'openai'",
                "goldseam.recovery.outcome = 'skipped'",
                "goldseam.span.type = 'request'",
                "http.response.header.retry-after = ('3',)",
                "http.response.header.x-request-id = ('req_00000001',)",
                "http.response.status_code = 429",
                "openai.api.type = 'chat_completions'",
                "server.address = '127.0.0.1'",
                "server.port = …",
            ],
            "openai responses": [
                "CLIENT chat gpt-4o",
                "status ERROR",
                "status text 'Rate limit reached for requests.'",
                "error.type = 'openai.RateLimitError'",
                "gen_ai.operation.name = 'chat'",
                "gen_ai.provider.name = 'openai'",
                "gen_ai.request.model = 'gpt-4o'",
                "gen_ai.request.temperature = 1.0",
                "goldseam.error.code = 'RATE_LIMIT'",
                "goldseam.log.id = …",
                "goldseam.prompt.length = 15",
                "goldseam.prompt.sha256 = db2f7c77…",
                "goldseam.provider.name = 'openai'",
                "goldseam.recovery.outcome = 'skipped'",
                "goldseam.span.type = 'request'",
                "http.response.header.retry-after = ('3',)",
                "http.response.header.x-request-id = ('req_00000001',)",
                "http.response.status_code = 429",
                "openai.api.type = 'responses'",
                "server.address = '127.0.0.1'",
                "server.port = …",
            ],
            "groq chat": [
                "CLIENT chat gpt-4o",
                "status ERROR",
                "status text 'Rate limit reached for requests.'",
                "error.type = 'groq.RateLimitError'",
                "gen_ai.operation.name = 'chat'",
                "gen_ai.provider.name = 'groq'",
                "gen_ai.request.model = 'gpt-4o'",
                "gen_ai.request.temperature = 1.0",
                "goldseam.error.code = 'RATE_LIMIT'",
                "goldseam.log.id = …",
                "goldseam.prompt.length = 15",
                "goldseam.prompt.sha256 = db2f7c77…",
                "goldseam.provider.name = 'groq'",
                "goldseam.recovery.outcome = 'skipped'",
                "goldseam.span.type = 'request'",
                "http.response.header.retry-after = ('3',)",
                "http.response.header.x-request-id = ('req_00000001',)",
                "http.response.status_code = 429",
                "openai.api.type = 'chat_completions'",
                "server.address = '127.0.0.1'",
                "server.port = …",
            ],
            "together chat": [
                "CLIENT chat gpt-4o",
                "status ERROR",
                "status text 'Rate limit reached for requests.'",
                "error.type = 'together.RateLimitError'",
                "gen_ai.operation.name = 'chat'",
                "gen_ai.provider.name = 'together'",
                "gen_ai.request.model = 'gpt-4o'",
                "gen_ai.request.temperature = 1.0",
                "goldseam.error.code = 'RATE_LIMIT'",
                "goldseam.log.id = …",
                "goldseam.prompt.length = 15",
                "goldseam.prompt.sha256 = db2f7c77…",
                "goldseam.provider.name = 'together'",
                "goldseam.recovery.outcome = 'skipped'",
                "goldseam.span.type = 'request'",
                "http.response.header.retry-after = ('3',)",
                "http.response.header.x-request-id = ('req_00000001',)",
                "http.response.status_code = 429",
                "openai.api.type = 'chat_completions'",
                "server.address = '127.0.0.1'",
                "server.port = …",
            ],
            "cerebras chat": [
                "CLIENT chat gpt-4o",
                "status ERROR",
                "status text 'Rate limit reached for requests.'",
                "error.type = 'cerebras.cloud.sdk.RateLimitError'",
                "gen_ai.operation.name = 'chat'",
                "gen_ai.provider.name = 'cerebras'",
                "gen_ai.request.model = 'gpt-4o'",
                "gen_ai.request.temperature = 1.0",
                "goldseam.error.code = 'RATE_LIMIT'",
                "goldseam.log.id = …",
                "goldseam.prompt.length = 15",
                "goldseam.prompt.sha256 = db2f7c77…",
                "goldseam.provider.name = 'cerebras'",
                "goldseam.recovery.outcome = 'skipped'",
                "goldseam.span.type = 'request'",
                "http.response.header.retry-after = ('3',)",
                "http.response.header.x-request-id = ('req_00000001',)",
                "http.response.status_code = 429",
                "openai.api.type = 'chat_completions'",
                "server.address = '127.0.0.1'",
                "server.port = …",
            ],
            "anthropic messages": [
                "CLIENT chat claude-nine",
                "status ERROR",
                'status text "This request would exceed your organization\'s rate limit."',
                "error.type = 'anthropic.RateLimitError'",
                "gen_ai.operation.name = 'chat'",
                "gen_ai.provider.name = 'anthropic'",
                "gen_ai.request.max_tokens = 50",
                "gen_ai.request.model = 'claude-nine'",
                "gen_ai.request.temperature = 1.0",
                "gen_ai.request.top_k = 5.0",
                "goldseam.error.code = 'RATE_LIMIT'",
                "goldseam.log.id = …",
                "goldseam.prompt.length = 25",
                "goldseam.prompt.sha256 = 6ae33db1…",
                "goldseam.provider.name = 'anthropic'",
                "goldseam.recovery.outcome = 'skipped'",
                "goldseam.span.type = 'request'",
                "http.response.header.retry-after = ('3',)",
                "http.response.header.x-request-id = ('req_00000001',)",
                "http.response.status_code = 429",
                "server.address = '127.0.0.1'",
                "server.port = …",
            ],
        }
    )[name]


def _shape(seen: Any) -> Any:
    """Return what was seen with the types of everything in it."""
    if isinstance(seen, list):
        return [_shape(each) for each in seen]
    return type(seen), repr(seen)


def _error_shape(error: BaseException | None) -> Any:
    """Return what an exception says about itself and its origin."""
    if error is None:
        return None
    origin = _error_shape(error.__cause__), _error_shape(error.__context__)
    words = re.sub(r"127\.0\.0\.1:\d+", "provider", str(error))
    return type(error), words, error.__suppress_context__, origin


async def _call_thrice(surface: Surface, style: Style, *, is_async: bool) -> list[Any]:
    """Ask for an answer, a refusal and a lost connection; return what the caller sees of each."""
    with ScriptedProvider() as provider:
        provider.script(surface.answer, surface.failure, cut())
        async with entered(make_client(surface.sdk, provider, is_async=is_async)) as client:
            seen = [await style(client, surface.resource, dict(surface.asked))]
            for _ in range(2):
                try:
                    seen.append(await style(client, surface.resource, dict(surface.asked)))
                except Exception as error:  # noqa: BLE001 - whatever the SDK raises
                    seen.append(error)
        return seen


@pytest.mark.parametrize(
    ("name", "style", "how", "is_async"), [*_cases("whole"), *_cases("streamed")]
)
def test_caller_sees_the_same(
    name: str, style: str, how: Style, is_async: bool,  # noqa: FBT001 - a parameter of the test
    instrument: Any, recorder: Recorder, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Equal answers of the same type; the very exception that the SDK made, with its origin."""
    surface = SURFACES[name]
    made = _kept_errors(surface.sdk, monkeypatch)

    bare = asyncio.run(_call_thrice(surface, how, is_async=is_async))
    instrument()
    watched = asyncio.run(_call_thrice(surface, how, is_async=is_async))

    assert watched[0] == bare[0] or "helper" in style  # a helper's events compare by identity
    assert _shape(watched[0]) == _shape(bare[0])
    assert _error_shape(watched[1]) == _error_shape(bare[1])
    assert _error_shape(watched[2]) == _error_shape(bare[2])
    assert isinstance(watched[2], Exception)
    assert watched[1] is made[1]
    assert [span.status.status_code.name for span in recorder.requests] == [
        "UNSET",
        "ERROR",
        "ERROR",
    ]


def _kept_errors(sdk: str, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Return the list in which the SDK's own clients put each refusal that they make."""
    kept: list[Exception] = []
    package, name = PACKAGES[sdk].package, PACKAGES[sdk].client
    for class_name in (name, f"Async{name}"):
        owner = getattr(importlib.import_module(package), class_name)
        monkeypatch.setattr(owner, "_make_status_error", _keeping(owner._make_status_error, kept))
    return kept


def _keeping(make: Callable[..., Exception], kept: list[Exception]) -> Callable[..., Exception]:
    def making(*args: Any, **kwargs: Any) -> Exception:
        error = make(*args, **kwargs)
        kept.append(error)
        return error

    return making
