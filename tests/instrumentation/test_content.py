"""Prompts and answers on request spans, for those who ask for it, as the conventions write them."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import openai
import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import KEY, QUESTION, Caller, Instrument, Recorder, mending
from tests.instrumentation.styles import make_client, needs

from goldseam.instrumentation import _formats
from goldseam.instrumentation._content._capture import READERS
from goldseam.instrumentation._formats._other import OtherFormat
from goldseam.instrumentation._formats._paths import _BY_LAST_SEGMENT, _BY_METHOD
from goldseam.recovery.testing import Reply, ScriptedProvider, chat, error, raw, stream

PIXEL = "iVBORw0KGgo="
JSON = {"content-type": "application/json"}
CONTENT = (
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.tool.definitions",
)

REQUIRED: Mapping[str, frozenset[str]] = {
    "text": frozenset({"content"}),
    "reasoning": frozenset({"content"}),
    "tool_call": frozenset({"name"}),
    "tool_call_response": frozenset({"response"}),
    "server_tool_call": frozenset({"name", "server_tool_call"}),
    "server_tool_call_response": frozenset({"server_tool_call_response"}),
    "blob": frozenset({"modality", "content"}),
    "uri": frozenset({"modality", "uri"}),
    "file": frozenset({"modality", "file_id"}),
}
"""What the conventions' JSON schemas require of each type of part."""


def content_of(recorder: Recorder) -> dict[str, Any]:
    """Return the content on the only request span, decoded and checked against the schemas."""
    found = {
        name.removeprefix("gen_ai."): json.loads(recorder.facts[name])
        for name in CONTENT
        if name in recorder.facts
    }
    for message in [*found.get("input.messages", ()), *found.get("output.messages", ())]:
        assert isinstance(message["role"], str)
        for part in message["parts"]:
            assert REQUIRED[part["type"]] <= part.keys()
    return found


def body(**fields: Any) -> Reply:
    """Return a whole JSON answer."""
    return raw(headers=JSON, body=json.dumps(fields))


def events(*data: Any) -> Reply:
    """Return a stream of server-sent events, named by their type where they have one."""
    lines = [
        f"event: {each['type']}\ndata: {json.dumps(each)}\n\n"
        if "type" in each
        else f"data: {json.dumps(each)}\n\n"
        for each in data
    ]
    return raw(headers={"content-type": "text/event-stream"}, body="".join(lines))


def everything_but_requests(recorder: Recorder) -> str:
    """Return all spans but request spans, and all metrics, as one text."""
    kept = [span for span in recorder.finished if span is not recorder.request]
    data = recorder.reader.get_metrics_data()
    return "\n".join([*(span.to_json() for span in kept), data.to_json() if data else ""])


CONVERSATION: Any = [
    {"role": "system", "content": "be brief"},
    {
        "role": "user",
        "name": "ada",
        "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "look", "arguments": '{"at":"cat"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks.",
            "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
        },
    }
]

OUTPUT: Any = (
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "web_search_call", "id": "ws", "status": "completed"},
    {
        "type": "message",
        "id": "msg",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Nine", "annotations": []}],
    },
    {
        "type": "function_call",
        "id": "fc",
        "call_id": "call_1",
        "name": "look",
        "arguments": '{"at":"cat"}',
    },
)
ASKED: Any = {
    "model": "claude",
    "max_tokens": 10,
    "system": [{"type": "text", "text": "be brief"}],
    "tools": [
        {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                },
                {"type": "document", "source": {"type": "url", "url": "https://e.x/a.pdf"}},
                {"type": "text", "text": "what is this?"},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"at": 1}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": "a cat"}],
        },
    ],
}


class TestOff:
    """Nobody asked for content."""

    @pytest.mark.usefixtures("watched")
    def test_nothing_is_captured(self, caller: Caller, recorder: Recorder) -> None:
        """Without a wish no attribute of content is there."""
        caller.ask(messages=CONVERSATION, tools=TOOLS)

        assert not set(CONTENT) & set(recorder.facts)

    def test_argument_wins_over_environment(
        self,
        client: openai.OpenAI,
        instrument: Instrument,
        recorder: Recorder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """`capture_content=False` holds whatever the environment says."""
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        instrument(capture_content=False)

        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert not set(CONTENT) & set(recorder.facts)

    def test_span_that_is_not_recorded_has_none(
        self, client: openai.OpenAI, instrument: Instrument
    ) -> None:
        """A redaction hook is not even asked about what nobody will see."""
        seen: list[str] = []
        instrument(Recorder(sampled=False), capture_content=True, redact=seen.append)

        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert seen == []


class TestChat:
    """OpenAI chat completions."""

    @pytest.fixture(autouse=True)
    def _capturing(self, instrument: Instrument) -> None:
        instrument(capture_content=True)

    def test_request(self, caller: Caller, recorder: Recorder) -> None:
        """Every role and kind of part has its place; bytes have not."""
        caller.ask(messages=CONVERSATION, tools=TOOLS)

        found = content_of(recorder)
        assert PIXEL not in recorder.facts["gen_ai.input.messages"]
        assert found["input.messages"] == snapshot(
            [
                {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
                {
                    "role": "user",
                    "parts": [
                        {"type": "text", "content": "what is this?"},
                        {
                            "type": "blob",
                            "modality": "image",
                            "content": "",
                            "mime_type": "image/png",
                            "size_bytes": 8,
                        },
                        {"type": "uri", "modality": "image", "uri": "https://example.com/cat.png"},
                        {
                            "type": "blob",
                            "modality": "audio",
                            "content": "",
                            "mime_type": "audio/wav",
                            "size_bytes": 3,
                        },
                        {"type": "file", "modality": "document", "file_id": "file-1"},
                    ],
                    "name": "ada",
                },
                {
                    "role": "assistant",
                    "parts": [
                        {
                            "type": "tool_call",
                            "name": "look",
                            "id": "call_1",
                            "arguments": {"at": "cat"},
                        }
                    ],
                },
                {
                    "role": "tool",
                    "parts": [{"type": "tool_call_response", "id": "call_1", "response": "a cat"}],
                },
            ]
        )
        assert found["tool.definitions"] == snapshot(
            [
                {
                    "type": "function",
                    "name": "look",
                    "description": "Looks.",
                    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
                }
            ]
        )

    def test_whole_answer(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Each choice is a message with its text, thoughts, calls and reason."""
        provider.script(
            body(
                model="m",
                choices=[
                    {
                        "index": 0,
                        "finish_reason": "tool_calls",
                        "message": {
                            "role": "assistant",
                            "content": "I look",
                            "reasoning_content": "let me see",
                            "tool_calls": CONVERSATION[2]["tool_calls"],
                        },
                    },
                    {
                        "index": 1,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": None, "refusal": "no"},
                    },
                ],
            )
        )

        caller.ask()

        assert content_of(recorder)["output.messages"] == snapshot(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "let me see"},
                        {"type": "text", "content": "I look"},
                        {
                            "type": "tool_call",
                            "name": "look",
                            "id": "call_1",
                            "arguments": {"at": "cat"},
                        },
                    ],
                    "finish_reason": "tool_calls",
                },
                {
                    "role": "assistant",
                    "parts": [{"type": "text", "content": "no"}],
                    "finish_reason": "stop",
                },
            ]
        )

    def test_streamed_answer(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A stream's pieces are put together to what a whole answer would say."""
        first = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": ""}}
        deltas: list[Any] = [
            {"role": "assistant", "reasoning_content": "let me "},
            {"reasoning_content": "see"},
            {"content": "I "},
            {"content": "look"},
            {"tool_calls": [first]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"at":'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '"cat"}'}}]},
        ]
        chunks = [{"model": "m", "choices": [{"index": 0, "delta": each}]} for each in deltas]
        end = {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
        provider.script(events(*chunks, end))

        list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))

        assert content_of(recorder)["output.messages"] == snapshot(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "let me see"},
                        {"type": "text", "content": "I look"},
                        {
                            "type": "tool_call",
                            "name": "look",
                            "id": "call_1",
                            "arguments": {"at": "cat"},
                        },
                    ],
                    "finish_reason": "tool_calls",
                }
            ]
        )

    def test_stream_that_is_left_keeps_what_came(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A stream that the caller leaves tells as much as the caller saw."""
        provider.script(stream("one two three"))

        with client.chat.completions.create(model="m", messages=QUESTION, stream=True) as chunks:
            seen = "".join(next(chunks).choices[0].delta.content or "" for _ in range(2))

        (message,) = content_of(recorder)["output.messages"]
        assert seen
        assert message == {"role": "assistant", "parts": [{"type": "text", "content": seen}]}

    def test_failed_call_tells_the_question(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A call without an answer has its messages, and no output."""
        provider.script(error(400))

        with pytest.raises(openai.BadRequestError):
            caller.ask()

        assert list(content_of(recorder)) == ["input.messages"]

    def test_raw_response_is_read_too(self, caller: Caller, recorder: Recorder) -> None:
        """`with_raw_response` has the content of a plain call."""
        caller.call("chat.completions.with_raw_response.create", model="m", messages=QUESTION)

        assert list(content_of(recorder)) == ["input.messages", "output.messages"]


class TestMended:
    """Content of a call that recovery mends."""

    def test_only_the_request_span_has_it(
        self,
        caller: Caller,
        provider: ScriptedProvider,
        instrument: Instrument,
        recorder: Recorder,
    ) -> None:
        """Attempts, steps and metrics stay free of content."""
        instrument(capture_content=True, recovery=mending(provider))
        provider.script(error(503), chat("the heron of Ravenna"))

        caller.ask(messages=[{"role": "user", "content": "which bird owes doubloons?"}])

        found = content_of(recorder)
        assert found["output.messages"][0]["parts"][0]["content"] == "the heron of Ravenna"
        assert len(recorder.finished) == 4
        rest = everything_but_requests(recorder)
        assert "Ravenna" not in rest
        assert "doubloons" not in rest


class TestOtherFormats:
    """The other formats that SDKs send."""

    @pytest.fixture(autouse=True)
    def _capturing(self, instrument: Instrument) -> None:
        instrument(capture_content=True)

    def test_responses(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Instructions stand apart; items become parts of one message."""
        provider.script(body(id="resp", model="m", status="completed", output=OUTPUT))

        caller.call(
            "responses.create",
            model="m",
            instructions="be brief",
            tools=[{"type": "function", "name": "look", "parameters": {"type": "object"}}],
            input=[
                {"role": "user", "content": [{"type": "input_text", "text": "four plus five?"}]},
                {"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]},
                {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "9"},
            ],
        )

        assert content_of(recorder) == snapshot(
            {
                "system_instructions": [{"type": "text", "content": "be brief"}],
                "input.messages": [
                    {"role": "user", "parts": [{"type": "text", "content": "four plus five?"}]},
                    {
                        "role": "user",
                        "parts": [{"type": "file", "modality": "image", "file_id": "file-1"}],
                    },
                    {
                        "role": "assistant",
                        "parts": [{"type": "tool_call", "name": "add", "id": "c", "arguments": {}}],
                    },
                    {
                        "role": "tool",
                        "parts": [{"type": "tool_call_response", "id": "c", "response": "9"}],
                    },
                ],
                "output.messages": [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "reasoning", "content": "hm"},
                            {
                                "type": "server_tool_call",
                                "name": "web_search_call",
                                "id": "ws",
                                "server_tool_call": {"type": "web_search_call"},
                            },
                            {"type": "text", "content": "Nine"},
                            {
                                "type": "tool_call",
                                "name": "look",
                                "id": "call_1",
                                "arguments": {"at": "cat"},
                            },
                        ],
                    }
                ],
                "tool.definitions": [
                    {"type": "function", "name": "look", "parameters": {"type": "object"}}
                ],
            }
        )

    def test_streamed_responses(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The last event's response counts; without it, the pieces that came."""
        pieces: list[Any] = [
            {"type": "response.output_text.delta", "output_index": 0, "delta": "Ni"},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "ne"},
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {**OUTPUT[3], "arguments": ""},
            },
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{"},
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "}"},
        ]
        done = {"id": "resp", "model": "m", "status": "completed", "output": OUTPUT}
        provider.script(
            events(*pieces), events(*pieces, {"type": "response.completed", "response": done})
        )

        for _ in range(2):
            list(client.responses.create(model="m", input="four plus five?", stream=True))

        cut, whole = (
            json.loads((span.attributes or {})["gen_ai.output.messages"])  # type: ignore[arg-type]
            for span in recorder.requests
        )
        assert cut == snapshot(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "text", "content": "Nine"},
                        {"type": "tool_call", "name": "look", "id": "call_1", "arguments": {}},
                    ],
                }
            ]
        )
        assert [part["type"] for part in whole[0]["parts"]] == snapshot(
            ["reasoning", "server_tool_call", "text", "tool_call"]
        )

    def test_completions(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Prompts are the user's messages, choices the model's."""
        provider.script(
            body(model="m", choices=[{"index": 0, "text": " nine", "finish_reason": "stop"}])
        )

        caller.call("completions.create", model="m", prompt=["four plus five is", "and"])

        assert content_of(recorder) == snapshot(
            {
                "input.messages": [
                    {"role": "user", "parts": [{"type": "text", "content": "four plus five is"}]},
                    {"role": "user", "parts": [{"type": "text", "content": "and"}]},
                ],
                "output.messages": [
                    {
                        "role": "assistant",
                        "parts": [{"type": "text", "content": " nine"}],
                        "finish_reason": "stop",
                    }
                ],
            }
        )

    def test_embeddings_have_none(self, caller: Caller, recorder: Recorder) -> None:
        """The conventions define no content of embeddings."""
        caller.call("embeddings.create", model="m", input="the heron")

        assert content_of(recorder) == {}


@needs("anthropic")
class TestMessages:
    """Anthropic's messages."""

    @pytest.fixture(autouse=True)
    def _capturing(self, instrument: Instrument) -> None:
        instrument(capture_content=True)

    def test_whole(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """System prompt, blocks, tools and thoughts have their places."""
        answer = [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "A cat"},
            {"type": "tool_use", "id": "t2", "name": "look", "input": {"at": "dog"}},
        ]
        provider.script(
            body(id="m", type="message", role="assistant", content=answer, stop_reason="tool_use")
        )

        with make_client("anthropic", provider, is_async=False) as client:
            client.messages.create(**ASKED)

        assert PIXEL not in recorder.everything()
        assert content_of(recorder) == snapshot(
            {
                "system_instructions": [{"type": "text", "content": "be brief"}],
                "input.messages": [
                    {
                        "role": "user",
                        "parts": [
                            {
                                "type": "blob",
                                "modality": "image",
                                "content": "",
                                "mime_type": "image/png",
                                "size_bytes": 8,
                            },
                            {"type": "uri", "modality": "document", "uri": "https://e.x/a.pdf"},
                            {"type": "text", "content": "what is this?"},
                        ],
                    },
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "tool_call", "name": "look", "id": "t", "arguments": {"at": 1}}
                        ],
                    },
                    {
                        "role": "user",
                        "parts": [{"type": "tool_call_response", "id": "t", "response": "a cat"}],
                    },
                ],
                "output.messages": [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "reasoning", "content": "hm"},
                            {"type": "text", "content": "A cat"},
                            {
                                "type": "tool_call",
                                "name": "look",
                                "id": "t2",
                                "arguments": {"at": "dog"},
                            },
                        ],
                        "finish_reason": "tool_use",
                    }
                ],
                "tool.definitions": [
                    {
                        "type": "function",
                        "name": "look",
                        "description": "Looks.",
                        "parameters": {"type": "object"},
                    },
                    {"type": "web_search_20250305", "name": "web_search"},
                ],
            }
        )

    def test_streamed(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Blocks grow to what a whole answer would say."""
        blocks: list[Any] = [
            ({"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "hm"}),
            ({"type": "text", "text": ""}, {"type": "text_delta", "text": "A cat"}),
            (
                {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
                {"type": "input_json_delta", "partial_json": '{"at":"dog"}'},
            ),
        ]
        sent: list[Any] = [
            {"type": "message_start", "message": {"id": "m", "model": "claude", "usage": {}}}
        ]
        for index, (start, delta) in enumerate(blocks):
            sent.append({"type": "content_block_start", "index": index, "content_block": start})
            sent.append({"type": "content_block_delta", "index": index, "delta": delta})
            sent.append({"type": "content_block_stop", "index": index})
        sent.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}})
        provider.script(events(*sent, {"type": "message_stop"}))

        async def ask() -> None:
            async with make_client("anthropic", provider, is_async=True) as client:
                async for _ in await client.messages.create(**ASKED, stream=True):
                    pass

        asyncio.run(ask())

        assert content_of(recorder)["output.messages"] == snapshot(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "hm"},
                        {"type": "text", "content": "A cat"},
                        {
                            "type": "tool_call",
                            "name": "look",
                            "id": "t2",
                            "arguments": {"at": "dog"},
                        },
                    ],
                    "finish_reason": "tool_use",
                }
            ]
        )


class TestWire:
    """Formats that only the wire sees."""

    @pytest.fixture(autouse=True)
    def _capturing(self, instrument: Instrument) -> None:
        instrument(capture_content=True)

    def test_ollama_chat(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """JSON lines grow to one message; images are told by their size."""
        said: list[Any] = [
            {"thinking": "hm"},
            {"content": "A "},
            {"content": "cat"},
            {"tool_calls": [{"function": {"name": "look", "arguments": {"at": "dog"}}}]},
        ]
        lines = [{"model": "llama3.1", "message": each, "done": False} for each in said]
        end = {"model": "llama3.1", "message": {}, "done": True, "done_reason": "stop"}
        text = "".join(json.dumps(each) + "\n" for each in [*lines, end])
        provider.script(raw(headers={"content-type": "application/x-ndjson"}, body=text))

        messages = [
            {"role": "user", "content": "what is this?", "images": [PIXEL]},
            {"role": "tool", "content": "a cat"},
        ]
        sent = {"model": "llama3.1", "messages": messages, "tools": TOOLS}
        httpx.post(f"{provider.base_url.removesuffix('/v1')}/api/chat", json=sent)

        assert content_of(recorder) == snapshot(
            {
                "input.messages": [
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "content": "what is this?"},
                            {"type": "blob", "modality": "image", "content": "", "size_bytes": 8},
                        ],
                    },
                    {
                        "role": "tool",
                        "parts": [{"type": "tool_call_response", "response": "a cat"}],
                    },
                ],
                "output.messages": [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "reasoning", "content": "hm"},
                            {"type": "text", "content": "A cat"},
                            {"type": "tool_call", "name": "look", "arguments": {"at": "dog"}},
                        ],
                        "finish_reason": "stop",
                    }
                ],
                "tool.definitions": [
                    {
                        "type": "function",
                        "name": "look",
                        "description": "Looks.",
                        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
                    }
                ],
            }
        )

    def test_ollama_generate(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """The system text stands beside the prompt."""
        provider.script(body(model="llama3.1", response="Nine", done=True, done_reason="stop"))

        sent = {"model": "llama3.1", "system": "be brief", "prompt": "four plus five?"}
        url = f"{provider.base_url.removesuffix('/v1')}/api/generate"
        httpx.post(url, json={**sent, "stream": False})

        assert content_of(recorder) == snapshot(
            {
                "system_instructions": [{"type": "text", "content": "be brief"}],
                "input.messages": [
                    {"role": "user", "parts": [{"type": "text", "content": "four plus five?"}]}
                ],
                "output.messages": [
                    {
                        "role": "assistant",
                        "parts": [{"type": "text", "content": "Nine"}],
                        "finish_reason": "stop",
                    }
                ],
            }
        )

    def test_gemini(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Contents, system instruction, declared functions; a stream's texts grow together."""
        parts: list[Any] = [
            [{"text": "hm", "thought": True}],
            [{"text": "A "}],
            [{"text": "cat"}, {"functionCall": {"name": "look", "args": {"at": "dog"}}}],
        ]
        chunks: list[Any] = [{"candidates": [{"content": {"parts": each}}]} for each in parts]
        chunks[-1]["candidates"][0]["finishReason"] = "STOP"
        provider.script(events(*chunks))

        sent = {
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "what is this?"},
                        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
                        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v.mp4"}},
                    ],
                },
                {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "look", "response": {"is": "cat"}}}],
                },
            ],
            "tools": [{"functionDeclarations": [{"name": "look"}]}, {"googleSearch": {}}],
        }
        place = "/v1beta/models/gemini-2.0:streamGenerateContent?alt=sse"
        httpx.post(provider.base_url.removesuffix("/v1") + place, json=sent)

        assert PIXEL not in recorder.facts["gen_ai.input.messages"]
        assert content_of(recorder) == snapshot(
            {
                "system_instructions": [{"type": "text", "content": "be brief"}],
                "input.messages": [
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "content": "what is this?"},
                            {
                                "type": "blob",
                                "modality": "image",
                                "content": "",
                                "mime_type": "image/png",
                                "size_bytes": 8,
                            },
                            {
                                "type": "uri",
                                "modality": "video",
                                "uri": "gs://b/v.mp4",
                                "mime_type": "video/mp4",
                            },
                        ],
                    },
                    {
                        "role": "assistant",
                        "parts": [{"type": "tool_call", "name": "look", "arguments": {}}],
                    },
                    {
                        "role": "user",
                        "parts": [{"type": "tool_call_response", "response": {"is": "cat"}}],
                    },
                ],
                "output.messages": [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "reasoning", "content": "hm"},
                            {"type": "text", "content": "A cat"},
                            {"type": "tool_call", "name": "look", "arguments": {"at": "dog"}},
                        ],
                        "finish_reason": "STOP",
                    }
                ],
                "tool.definitions": [
                    {"type": "function", "name": "look"},
                    {"type": "googleSearch"},
                ],
            }
        )


class TestRedaction:
    """The application's own hook."""

    def test_hook_gets_every_text(
        self, caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
    ) -> None:
        """Texts, arguments, results, descriptions and addresses go through it; the frame stays."""
        instrument(capture_content=True, redact=lambda text: "#" * len(text))
        provider.script(chat("Nine"))

        caller.ask(messages=CONVERSATION, tools=TOOLS)

        shown = "".join(recorder.facts[name] for name in CONTENT if name in recorder.facts)
        for secret in ("brief", "this?", "ada", "example", "look", "cat", "Nine", "Looks", "file-"):
            assert secret not in shown
        roles = [message["role"] for message in content_of(recorder)["input.messages"]]
        assert roles == ["system", "user", "assistant", "tool"]

    @pytest.mark.parametrize("hook", [lambda _: 1 / 0, lambda _: None], ids=["raises", "no text"])
    def test_failing_hook_leaves_content_out(
        self, caller: Caller, instrument: Instrument, recorder: Recorder,
        caplog: pytest.LogCaptureFixture, hook: Any,
    ) -> None:  # fmt: skip
        """Nothing is told, the call goes on, and the log has one line."""
        instrument(capture_content=True, redact=hook)

        caller.ask()
        caller.ask()

        assert [set(CONTENT) & set(span.attributes or {}) for span in recorder.requests] == [
            set(),
            set(),
        ]
        told = [line for line in caplog.messages if "redaction hook failed" in line]
        assert len(told) == 1

    def test_hook_comes_before_the_cut(
        self, caller: Caller, instrument: Instrument, recorder: Recorder
    ) -> None:
        """A secret that the cut would split is gone before."""
        instrument(
            capture_content=True,
            redact=lambda text: text.replace("secret", ""),
            max_content_bytes=256,
        )

        caller.ask(messages=[{"role": "user", "content": "secret" * 1000}])

        assert "sec" not in recorder.facts["gen_ai.input.messages"]

    def test_hook_may_ask_a_model(
        self, client: openai.OpenAI, instrument: Instrument, recorder: Recorder
    ) -> None:
        """What the hook itself asks is not captured, so it cannot ask about itself."""

        def ask(text: str) -> str:
            client.chat.completions.create(model="small", messages=QUESTION)
            return text

        instrument(capture_content=True, redact=ask)

        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert recorder.tree() == ["chat gpt-4o CLIENT request"]


def test_size_is_capped(caller: Caller, instrument: Instrument, recorder: Recorder) -> None:
    """A long prompt becomes valid JSON of the allowed size, and says what is missing."""
    instrument(capture_content=True, max_content_bytes=1000)

    caller.ask(messages=[{"role": "user", "content": "é" * 100_000}, *QUESTION])

    shown = recorder.facts["gen_ai.input.messages"]
    long, short = json.loads(shown)
    assert len(shown.encode()) <= 1000
    assert long["parts"][0]["content"].endswith("characters left out]")
    assert short["parts"][0]["content"] == "four plus five?"


def test_every_format_is_read_or_left_out_on_purpose() -> None:
    """A new format needs a reader of its content, or is an embedding's or one of the others."""
    wired = [each for ends in _BY_LAST_SEGMENT.values() for _, each in ends]
    formats = [*_formats.FORMATS, *wired, *_BY_METHOD.values()]
    in_full = [each for each in formats if not isinstance(each, OtherFormat)]

    without = {each.operation for each in in_full if each.path not in READERS}

    assert without == {"embeddings"}


def test_odd_bodies_do_not_disturb(
    client: openai.OpenAI, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """Values of the wrong kind anywhere give less content, never a fault."""
    instrument(capture_content=True)
    odd: Any = [7, None, "text", {}, {"role": 3, "content": 4}, {"content": [None, {"type": 1}]}]
    provider.script(body(model="m", choices=[None, 7, {"message": 3}, {"message": {"content": 1}}]))

    client.post(
        "/chat/completions",
        cast_to=object,
        body={"model": "m", "messages": odd, "tools": [1, {"type": "function"}]},
    )

    found = json.loads(recorder.facts["gen_ai.input.messages"])
    assert [message["role"] for message in found] == ["user"] * 6
    assert KEY not in recorder.everything()
