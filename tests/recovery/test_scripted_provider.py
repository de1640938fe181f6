"""The scripted provider answers like a provider, fails as scripted, and leaves nothing behind."""

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import openai
import pytest
from dirty_equals import IsFloat, IsPartialDict
from inline_snapshot import snapshot

from goldseam.recovery.testing import (
    Reply,
    Request,
    ScriptedProvider,
    Usage,
    chat,
    cut,
    delayed,
    embedding,
    error,
    hang,
    raw,
    stream,
)

MESSAGES: Any = [{"role": "user", "content": "four plus five?"}]


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """Give a provider with an empty script."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture
def client(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    """Give the real SDK's client."""
    with openai.OpenAI(base_url=provider.base_url, api_key="test", max_retries=0) as real:
        yield real


def post(provider: ScriptedProvider, body: Any, path: str = "/v1/chat/completions") -> Any:
    """Send a request without an SDK and return the answer's body."""
    with closing(http.client.HTTPConnection(provider.host, provider.port)) as connection:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())


def texts(chunks: Any) -> list[str]:
    """Return the contents of a stream's chunks."""
    return [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]


def test_chat_answer_has_openais_shape(provider: ScriptedProvider) -> None:
    """Every field of a chat completion is there."""
    provider.script(chat("Nine", usage=Usage(12, 1)))

    assert post(provider, {"model": "gpt-4o", "messages": MESSAGES}) == snapshot(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1760000000,
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "Nine",
                        "refusal": None,
                        "annotations": [],
                    },
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 13},
            "system_fingerprint": None,
        }
    )


def test_error_has_openais_shape(provider: ScriptedProvider) -> None:
    """Message, type, param and code, with OpenAI's usual values for the status."""
    provider.script(error(429))

    assert post(provider, {}) == snapshot(
        {
            "error": {
                "message": "Rate limit reached for requests.",
                "type": "requests",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        }
    )


def test_script_is_answered_in_order_then_the_default(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    """After the last scripted reply, `default` answers every request."""
    provider.script(chat("one"), chat("two"))
    provider.default = chat("more")

    found = [
        client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content
        for _ in range(4)
    ]

    assert found == ["one", "two", "more", "more"]


def test_requests_are_kept(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """Tests can read what was sent, when, and how often."""
    client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, extra_headers={"X-Marker": "yes"}
    )

    assert provider.count == 1
    request = provider.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.json == {"model": "gpt-4o", "messages": MESSAGES}
    assert request.headers == IsPartialDict({"x-marker": "yes"})
    assert request.at_s == IsFloat(approx=time.monotonic(), delta=5.0)
    assert (request.number, request.attempt) == (1, 1)
    assert (request.model, request.prompt, request.is_stream) == (
        "gpt-4o",
        "four plus five?",
        False,
    )


def test_error_carries_retry_after(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """Headers reach the SDK's exception."""
    provider.script(error(429, retry_after=0.5, headers={"x-ratelimit-reset-tokens": "6m0s"}))

    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="m", messages=MESSAGES)

    headers = raised.value.response.headers
    assert (headers["retry-after"], headers["x-ratelimit-reset-tokens"]) == ("0.5", "6m0s")


def test_other_providers_bodies_can_be_sent(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    """`error(body=)` and `raw` send what they are given."""
    provider.script(error(401, body={"detail": "Unauthorized"}), raw(200, body="<html>"))

    with pytest.raises(openai.AuthenticationError) as raised:
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert raised.value.body == {"detail": "Unauthorized"}
    assert (
        client.chat.completions.with_raw_response.create(
            model="m", messages=MESSAGES
        ).http_response.text
        == "<html>"
    )


def test_stream_is_read_by_the_sdk(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """Events, finish reason and end are OpenAI's."""
    provider.script(stream(["Ni", "ne"], finish_reason="length"))

    with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as answer:
        chunks = list(answer)

    assert texts(chunks) == ["", "Ni", "ne", ""]
    assert chunks[-1].choices[0].finish_reason == "length"
    assert [chunk.usage for chunk in chunks] == [None] * 4


def test_usage_chunk_comes_if_asked_for(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """`stream_options.include_usage` adds a last chunk without choices."""
    provider.script(stream(["Nine"], usage=Usage(12, 1)))

    with client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as answer:
        last = list(answer)[-1]

    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (12, 1)


def test_chat_answers_a_stream_with_a_stream(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    """One reply serves both kinds of request."""
    provider.script(chat("four plus five is nine"))

    with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as answer:
        assert "".join(texts(answer)) == "four plus five is nine"


def test_stream_can_be_cut(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """What was sent before the cut arrives; then the connection is lost, not ended."""
    provider.script(stream(["Ni", "ne", "!"], cut_after=2))
    seen: list[str] = []

    with (
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as answer,
        pytest.raises(Exception, match=r"(?i)connection|incomplete|closed"),
    ):
        seen.extend(texts([chunk])[0] for chunk in answer)

    assert seen == ["", "Ni", "ne"]


@pytest.mark.parametrize("reply", [cut(), cut("mid_body")], ids=lambda reply: reply.name)
def test_connection_can_be_lost(
    provider: ScriptedProvider, client: openai.OpenAI, reply: Reply
) -> None:
    """The SDK sees a lost connection, and the next request finds the provider well."""
    provider.script(reply, chat("Nine"))

    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="m", messages=MESSAGES)

    answer = client.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Nine"


def test_hang_lasts_until_the_client_gives_up(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    """A client's time-out ends the call, and the provider's thread with it."""
    provider.script(hang())

    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.05).chat.completions.create(model="m", messages=MESSAGES)

    assert provider.count == 1


def test_closing_ends_hangs() -> None:
    """A client that waits for ever is let go when the provider is closed."""
    provider = ScriptedProvider(default=hang())
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            post(provider, {})
        except (OSError, http.client.HTTPException) as lost:
            outcome.append(lost)

    waiting = threading.Thread(target=wait)
    waiting.start()
    provider.wait_for_requests(1)
    provider.close()
    waiting.join(5)

    assert len(outcome) == 1


def test_reply_can_be_delayed(provider: ScriptedProvider) -> None:
    """A delayed reply comes whole, and not before its time."""
    provider.script(delayed(chat("Nine"), 0.05))
    started_s = time.monotonic()

    assert post(provider, {})["choices"][0]["message"]["content"] == "Nine"
    assert time.monotonic() - started_s >= 0.05


def test_rule_sees_the_attempt(provider: ScriptedProvider) -> None:
    """Weather can depend on how often the same request came, whatever else goes on."""
    seen: list[tuple[str, int]] = []

    def weather(request: Request) -> Reply:
        seen.append((request.prompt, request.attempt))
        return error(500) if request.attempt == 1 else chat("Nine")

    provider.respond = weather
    for prompt in ("a", "b", "a", "a"):
        post(provider, {"messages": [{"role": "user", "content": prompt}]})

    assert seen == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_fault_of_a_rule_is_raised_at_the_end() -> None:
    """A rule that raises fails its test, not only the request."""

    def rule(_request: Request) -> Reply:
        raise LookupError("no such case")

    with (
        pytest.raises(LookupError, match="no such case"),
        ScriptedProvider(respond=rule) as provider,
    ):
        assert post(provider, {})["error"]["code"] == "rule_failed"


def test_embeddings_answer_every_input(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """One vector per input, or the scripted ones."""
    default = client.embeddings.create(model="e", input=["a", "b"])
    provider.script(embedding((1.0, 2.0)))
    scripted = client.embeddings.create(model="e", input="a")

    assert len(default.data) == 2
    assert scripted.data[0].embedding == [1.0, 2.0]


def test_models_are_listed_without_using_the_script(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    """The list is always the same, and leaves the script alone."""
    provider.script(chat("Nine"))

    assert [model.id for model in client.models.list()] == ["scripted-model"]
    answer = client.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Nine"


def test_other_paths_are_openais_404(provider: ScriptedProvider) -> None:
    """An address that OpenAI does not know is answered as OpenAI does."""
    assert post(provider, {}, "/v1/chat/complete")["error"] == IsPartialDict(
        {"code": "unknown_url", "message": "Invalid URL (POST /v1/chat/complete)"}
    )


def test_connection_is_kept_alive(provider: ScriptedProvider) -> None:
    """Several requests share one connection."""
    with closing(http.client.HTTPConnection(provider.host, provider.port)) as connection:
        local = set()
        for _ in range(3):
            connection.request("POST", "/v1/chat/completions", "{}")
            connection.getresponse().read()
            assert connection.sock is not None
            local.add(connection.sock.getsockname())

    assert len(local) == 1


def test_request_in_chunks_is_read(provider: ScriptedProvider) -> None:
    """A body without a length is understood."""
    body = json.dumps({"model": "m"}).encode()
    with closing(http.client.HTTPConnection(provider.host, provider.port)) as connection:
        connection.request("POST", "/v1/chat/completions", iter([body[:4], body[4:]]))
        connection.getresponse().read()

    assert provider.requests[0].json == {"model": "m"}


def test_request_given_up_while_sent_is_none(provider: ScriptedProvider) -> None:
    """A body that ends early reaches neither the script nor the count."""
    provider.script(chat("first"))
    with socket.create_connection((provider.host, provider.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 100\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    answer = post(provider, {"messages": MESSAGES})
    assert answer["choices"][0]["message"]["content"] == "first"
    assert provider.count == 1


def test_waiting_for_requests_that_do_not_come_ends(provider: ScriptedProvider) -> None:
    """A test that waits in vain is told how far it got."""
    with pytest.raises(TimeoutError, match="saw 0 of 2"):
        provider.wait_for_requests(2, timeout_s=0.01)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold both ends of a thousand connections."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit to raise")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_thousand_connections_at_once(provider: ScriptedProvider) -> None:
    """A thousand clients connect before the first is answered, and all are answered."""
    connections = [socket.create_connection((provider.host, provider.port)) for _ in range(1000)]
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    for connection in connections:
        connection.sendall(request)
    answers = [connection.recv(15) for connection in connections]
    for connection in connections:
        connection.close()

    assert set(answers) == {b"HTTP/1.1 200 OK"}
    assert provider.count == 1000


RUDE_CLIENTS = """
import socket
import threading
from goldseam.recovery.testing import ScriptedProvider, delayed, chat, hang, stream

before = threading.active_count()
with ScriptedProvider() as provider:
    provider.script(hang(), delayed(chat("x" * 5_000_000), 0.01), stream(["x"] * 50, gap_s=0.001))
    for number, body in enumerate([b"{}", b"{}", b"{}", b"{", b""], 1):
        connection = socket.create_connection((provider.host, provider.port))
        head = b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 2\\r\\n\\r\\n"
        connection.sendall(head + body)
        if body == b"{}":
            provider.wait_for_requests(number)
        connection.close()
    socket.create_connection((provider.host, provider.port)).close()
assert threading.active_count() == before, threading.enumerate()
"""


def test_clients_that_go_away_cost_no_noise() -> None:
    """Nothing is printed, warned about or left running when clients leave at the worst moment."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", RUDE_CLIENTS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
