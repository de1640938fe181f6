"""The pure parts of the wire: which paths are AI calls, how bytes and strange values are read."""

import gzip
import json
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldseam.instrumentation import _wire_body
from goldseam.instrumentation._context import without_own_entries
from goldseam.instrumentation._endpoint import recognise
from goldseam.instrumentation._formats import Format
from goldseam.instrumentation._formats._chat import CHAT
from goldseam.instrumentation._formats._completions import COMPLETIONS
from goldseam.instrumentation._formats._gemini import EMBED_CONTENT, GENERATE_CONTENT
from goldseam.instrumentation._formats._ollama import OLLAMA_CHAT, OLLAMA_EMBED, OLLAMA_GENERATE
from goldseam.instrumentation._formats._paths import is_request, wire_path
from goldseam.instrumentation._truncation import is_truncated
from goldseam.instrumentation._wire_body import reader_of

FORMATS: list[Format] = [
    CHAT,
    COMPLETIONS,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OLLAMA_EMBED,
    GENERATE_CONTENT,
    EMBED_CONTENT,
]
VERTEX = b"/v1/projects/p/locations/l/publishers/google/models/g:generateContent"

KEYS = [
    "model", "messages", "choices", "delta", "message", "content", "index", "finish_reason",
    "usage", "prompt_tokens", "done", "done_reason", "eval_count", "response", "error",
    "candidates", "parts", "text", "usageMetadata", "promptTokenCount", "contents", "requests",
    "input", "options", "generationConfig",
]  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("target", "operation", "model", "is_stream"),
    [
        (b"/v1/chat/completions", "chat", None, False),
        (b"/openai/deployments/my-gpt/chat/completions?api-version=1", "chat", "my-gpt", False),
        (b"/v1/completions", "text_completion", None, False),
        (b"/v1/fim/completions", "text_completion", None, False),
        (b"/v1/agents/completions", "chat", None, False),
        (b"/v1/moderations", "moderation", None, False),
        (b"/v1/images/generations", "image_generation", None, False),
        (b"/v1/audio/speech", "speech", None, False),
        (b"/v1/embeddings", "embeddings", None, False),
        (b"/api/chat", "chat", None, False),
        (b"/prefix/api/generate", "text_completion", None, False),
        (b"/api/embed", "embeddings", None, False),
        (b"/v1beta/models/g:generateContent", "generate_content", "g", False),
        (b"/v1beta/models/g:streamGenerateContent?alt=sse", "generate_content", "g", True),
        (b"/v1beta/tunedModels/t:generateContent", "generate_content", "t", False),
        (b"/v1beta/models/e:batchEmbedContents", "embeddings", "e", False),
        (VERTEX, "generate_content", "g", False),
    ],
)
def test_ai_paths(target: bytes, operation: str, model: str | None, *, is_stream: bool) -> None:
    """Host-independent paths tell format, and where they name it, the model."""
    found = wire_path(target)

    assert found is not None
    assert (found.format.operation, found.model, found.is_stream) == (operation, model, is_stream)


@pytest.mark.parametrize(
    "target",
    [b"", b"/", b"/chat", b"/v1/images/edits", b"/api/chats", b"/v1/chat/completions/x",
     b"/v1beta/models/g:countTokens", b"/v1/orders/1:generateContent", b"/x?/chat/completions"],
)  # fmt: skip
def test_other_paths(target: bytes) -> None:
    """Everything else is none of our business."""
    assert wire_path(target) is None


@pytest.mark.parametrize(
    ("body", "is_known", "expected"),
    [
        ({"model": "m", "messages": []}, False, True),
        ({"messages": []}, False, False),
        ({"messages": []}, True, True),
        ({"model": "m"}, True, False),
        ({"model": 1, "prompt": "x"}, False, False),
        (["messages"], True, False),
        (None, True, False),
    ],
)
def test_ai_bodies(body: Any, *, is_known: bool, expected: bool) -> None:
    """A body must hold what a model is asked, and name the model unless the host is known."""
    assert is_request(body, is_known_host=is_known) is expected


@given(body=JSON, answer=JSON)
def test_strange_json_is_read_without_a_fault(body: Any, answer: Any) -> None:
    """Whatever JSON is sent or answered, no format stumbles over it."""
    for format_ in FORMATS:
        given_body = body if isinstance(body, dict) else {}
        format_.request_attributes(given_body)
        assert all(isinstance(part, str) for part in format_.prompt_parts(given_body))
        answered = format_.read(answer if isinstance(answer, dict) else {})
        tally = format_.tally()
        if isinstance(answer, dict):
            tally.add(answer)
        tally.complete()
        for attributes in (answered.attributes(), tally.answer.attributes()):
            assert all(value is not None for value in attributes.values())


EVENTS = [
    {"choices": [{"index": 0, "delta": {"content": "Ni"}}]},
    {"choices": [{"index": 0, "delta": {"content": "ne"}, "finish_reason": "stop"}]},
]
SSE = b": hello\r\n\r\n" + b"".join(
    b"event: x\ndata: %b\n\n" % json.dumps(event).encode() for event in EVENTS
)


@given(cuts=st.lists(st.integers(0, len(SSE)), max_size=6))
def test_events_may_be_cut_anywhere(cuts: list[int]) -> None:
    """However the bytes arrive, the facts are the same."""
    reader = reader_of(CHAT, {"content-type": "text/event-stream"}, is_decoded=True)
    edges = [0, *sorted(cuts), len(SSE)]
    for start, end in pairwise(edges):
        reader.add(SSE[start:end])

    assert reader.complete()
    assert reader.answer is not None
    assert (reader.answer.length, reader.answer.finish_reasons) == (4, ["stop"])


@pytest.mark.parametrize(
    ("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_encoded_bytes_are_read(encoding: str, encode: Any) -> None:
    """A stream that comes compressed is decoded beside the caller's reading."""
    headers = {"content-type": "text/event-stream", "content-encoding": encoding}
    reader = reader_of(CHAT, headers, is_decoded=False)
    sent = encode(SSE)
    for start in range(0, len(sent), 7):
        reader.add(sent[start : start + 7])

    assert reader.complete()
    assert reader.answer is not None
    assert reader.answer.length == 4


def test_unknown_encoding_has_no_facts() -> None:
    """What we cannot decode is not guessed at, and is no fault."""
    headers = {"content-type": "application/json", "content-encoding": "br"}
    reader = reader_of(CHAT, headers, is_decoded=False)
    reader.add(b"\x8b\x01")

    assert reader.complete()
    assert reader.answer is None


def test_endless_line_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is too long is skipped; what follows is read; nothing piles up."""
    monkeypatch.setattr(_wire_body, "MAX_EVENT_BYTES", 100)
    reader = reader_of(OLLAMA_CHAT, {"content-type": "application/x-ndjson"}, is_decoded=True)
    for _ in range(50):
        reader.add(b"x" * 60)
    reader.add(b'\n{"done": true, "done_reason": "stop"}\n')

    assert reader.complete()
    assert reader.answer is not None
    assert reader.answer.finish_reasons == ["stop"]


def test_large_body_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body above the limit is the caller's alone."""
    monkeypatch.setattr(_wire_body, "MAX_BODY_BYTES", 10)
    reader = reader_of(CHAT, {"content-type": "application/json"}, is_decoded=True)
    for _ in range(5):
        reader.add(b'{"id": "c"}')

    assert reader.complete()
    assert reader.answer is None


def test_gemini_chunks_add_up() -> None:
    """Usage is the last one's, text is the sum, thoughts are output and no text."""
    tally = GENERATE_CONTENT.tally()
    thought = {"content": {"parts": [{"text": "hmm", "thought": True}]}}
    word = {"content": {"parts": [{"text": "Nine"}]}, "finishReason": "MAX_TOKENS"}
    usage = {"promptTokenCount": 5, "toolUsePromptTokenCount": 2, "thoughtsTokenCount": 3}
    tally.add({"candidates": [thought], "usageMetadata": {"promptTokenCount": 5}})
    tally.add({"candidates": [word], "usageMetadata": {**usage, "candidatesTokenCount": 1}})

    assert tally.complete()
    answer = tally.answer
    assert (answer.length, answer.finish_reasons) == (4, ["MAX_TOKENS"])
    assert (answer.input_tokens, answer.output_tokens, answer.reasoning_tokens) == (7, 4, 3)


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("word " * 6000, 2048, True),
        ("word " * 6000, 6000, False),
        ("word " * 100, 10, False),
        ("x" * 60_000, 100, False),
        (" " * 60_000, 5, False),
    ],
    ids=["cut", "whole", "short", "no words", "blanks"],
)
def test_truncation_is_only_said_where_it_is_certain(
    text: str, tokens: int, *, expected: bool
) -> None:
    """Fewer tokens than words is proof; long words and blanks are none."""
    assert is_truncated(len(text), tokens, [text]) is expected


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("goldseam.tenant.id=a", ""),
        ("a=1, goldseam.tenant.id=a;p=1 ,b=2", "a=1,b=2"),
        ("a=goldseam.b", "a=goldseam.b"),
        ("", ""),
    ],
)
def test_own_entries_leave_the_baggage_header(header: str, kept: str) -> None:
    """Entries of others stay in their order."""
    assert without_own_entries(header) == kept


@pytest.mark.parametrize(
    ("url", "otherwise", "provider", "is_known"),
    [
        ("http://gpu:8080/api/chat", "ollama", "ollama", False),
        ("https://generativelanguage.googleapis.com/v1beta", "x", "gcp.gemini", True),
        ("https://europe-west4-aiplatform.googleapis.com/v1", "x", "gcp.vertex_ai", True),
        ("https://aiplatform.googleapis.com/v1", "x", "gcp.vertex_ai", True),
        ("https://ollama.com/api", "x", "ollama", True),
    ],
)
def test_provider_of_an_address(url: str, otherwise: str, provider: str, *, is_known: bool) -> None:
    """Hosts tell the provider; on an unknown one the protocol does."""
    found = recognise(url, {}, otherwise=otherwise)

    assert (found.provider, found.is_known) == (provider, is_known)
