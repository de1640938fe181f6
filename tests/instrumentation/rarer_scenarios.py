"""Calls that few applications make, for the functions that the usual `scenarios` do not reach.

Each is told like those, and small: one odd answer, or one setting. Used by `test_every_fault`.
"""

import json
from dataclasses import replace
from typing import Any, Final

import openai
from tests.instrumentation.conftest import QUESTION
from tests.instrumentation.scenarios import CHAT, JSON, STREAM, Asking, Scenario, events, told
from tests.instrumentation.styles import create, entered, is_missing, make_client, read, settle
from tests.recovery.playbook_server import document, entry

from goldseam.errors import ErrorCode
from goldseam.errors.fingerprint import error_pattern, fingerprint
from goldseam.instrumentation import annotate, context
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery import RecoveryConfig, Rule
from goldseam.recovery.corrections import read_document
from goldseam.recovery.extras import PlaybookConfig
from goldseam.recovery.playbook import Playbook
from goldseam.recovery.testing import Reply, chat, cut, error, raw

EVENTS: Final = {"content-type": "text/event-stream"}
RETIRED: Final = "The first. Unsupported value: this parameter is retired"
TOO_MANY: Final = (
    "The first. This model's maximum context length is 3000 tokens. However, your messages "
    "resulted in 3600 tokens."
)
LONG: Final = "\n\n".join(f"Paragraph {number} of a long report." for number in range(400))
_NOT_DONE: Final = '{"error": {"code": "server_error", "message": "no"}}'


def _json(body: str) -> Reply:
    return raw(headers=JSON, body=body)


def _chatting(**asked: Any) -> Any:
    """Return one chat completion by one client."""
    return lambda asking: asking.each(
        lambda client: create(client, "chat.completions", {**CHAT, **asked})
    )


async def _groq(asking: Asking) -> Any:
    if is_missing("groq"):
        return []
    client = make_client("groq", asking.provider, is_async=asking.is_async)
    async with entered(client) as made:
        answer = create(made, "chat.completions", STREAM)
        return await told(read(await answer))


async def _valued(asking: Asking) -> Any:
    """Say what an answer was worth, while it comes and afterwards."""

    async def run(client: Any) -> Any:
        answer = await create(client, "chat.completions", STREAM)
        annotate(confidence=1)
        chunks = await read(answer)
        annotate(user_feedback="good")
        return chunks

    with context(module="m"):
        return await asking.each(run)


class InterruptedByUserError(BaseException):
    """Stands for Ctrl-C or a cancelled task: it passes every `except Exception`."""


async def _interrupted(asking: Asking) -> Any:
    """Give up while recovery asks for the second time."""
    asked: list[Any] = []

    def hook(request: Any) -> None:
        asked.append(request)
        if len(asked) > 1:
            raise InterruptedByUserError

    async def async_hook(request: Any) -> None:
        hook(request)

    made = openai.DefaultAsyncHttpxClient if asking.is_async else openai.DefaultHttpxClient
    http = made(event_hooks={"request": [async_hook if asking.is_async else hook]})
    try:
        return await asking.each(
            lambda client: create(client, "chat.completions", CHAT), http_client=http
        )
    except InterruptedByUserError:
        return [[("Interrupted", "The first. Then the user gave up.")]]


async def _corrected(asking: Asking) -> Any:
    """Fail as the playbook knows it; its document is put in place of one that was fetched."""
    choke_point: Any = SWITCH.choke_point
    if choke_point is not None:
        pattern = error_pattern(ErrorCode.INVALID_REQUEST, "primary", fingerprint(RETIRED))
        treatment = {"strategy": "fallback", "provider": "backup", "model": "llama3.1"}
        playbook = Playbook(PlaybookConfig(url=asking.provider.origin))
        playbook._take(read_document(document(entry(error_pattern=pattern, config=treatment))))
        choke_point._mending.aids.playbook = playbook
    return await asking.each(lambda client: create(client, "chat.completions", CHAT))


async def _with_module(asking: Asking) -> Any:
    with context(module="m"):
        return await asking.each(lambda client: create(client, "chat.completions", CHAT))


def _over_tls(config: RecoveryConfig) -> RecoveryConfig:
    """Return a configuration whose backup speaks TLS, or says so."""
    backup = config.providers["backup"]
    secure = replace(backup, base_url=backup.base_url.replace("http:", "https:"))
    return replace(config, providers={**config.providers, "backup": secure})


def _alone(config: RecoveryConfig) -> RecoveryConfig:
    return replace(config, policy=replace(config.policy, fallback=()))


def _trimming(config: RecoveryConfig) -> RecoveryConfig:
    return replace(config, policy=replace(config.policy, trim=True))


def _with_a_rule(config: RecoveryConfig) -> RecoveryConfig:
    return replace(config, rules=(Rule(module="m", policy={"trim": True}),))


def _refuse(_text: str) -> str:
    raise ValueError


async def _cut_raw(client: Any) -> Any:
    manager = client.chat.completions.with_streaming_response.create(**CHAT)
    async with entered(manager) as answer:
        return await settle(answer.read())


async def _raw_error(client: Any) -> Any:
    answer = await settle(client.chat.completions.with_raw_response.create(**CHAT))
    return answer.status_code


_USED: Final = {"model": "m", "usage": {"input_tokens": 3, "completion_tokens": 2}}
_SAID: Final = {"index": 0, "delta": {"role": "assistant", "content": "a"}}
_STOPPED: Final = {"index": 0, "delta": {}, "finish_reason": "stop"}
_CHUNK: Final = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

RARER: Final[dict[str, Scenario]] = {
    "groq": Scenario(
        run=_groq,
        replies=[events(
            {**_CHUNK, "choices": [_SAID]},
            {**_CHUNK, "choices": [_STOPPED],
             "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}},
        )],
    ),
    "unknown paths": Scenario(
        run=lambda asking: asking.each(
            lambda client: settle(client.post("/v2/classify", cast_to=object, body={"input": "a"}))
        ),
        replies=[_json(json.dumps(_USED))],
    ),
    "unknown streams": Scenario(
        run=lambda asking: asking.post_streamed(
            ("/v1/audio/speech", {**STREAM, "input": "a"}),
            ("/v1/embeddings", {"model": "m", "input": "a"}),
            ("/v1beta/models/g:embedContent", {"content": {"parts": [{"text": "a"}]}}),
            ("/api/embed", {"model": "m", "input": "a"}),
            ("/v1/audio/speech", {**STREAM, "input": "b"}),
        ),
        replies=[
            events(_USED), events(_USED), events(_USED),
            raw(headers={"content-type": "application/x-ndjson"}, body='{"done": true}\n'),
            events(_USED),
        ],
    ),
    "unknown encoding": Scenario(
        run=lambda asking: asking.post_streamed(
            ("/v1/chat/completions", CHAT), ("/v1/chat/completions", CHAT)
        ),
        replies=[raw(headers={**JSON, "content-encoding": "x-own"}, body="{}")] * 2,
    ),
    "refused in a stream": Scenario(
        run=lambda asking: asking.post_streamed(
            ("/v1/chat/completions", STREAM), ("/v1/embeddings", {"model": "m", "input": "a"})
        ),
        replies=[raw(500, headers=EVENTS, body=f"data: {_NOT_DONE}\n\n")],
    ),
    "raw error in body": Scenario(
        run=lambda asking: asking.each(_raw_error), replies=[_json(_NOT_DONE)]
    ),
    "raw and cut": Scenario(
        run=lambda asking: asking.each(_cut_raw), replies=[cut("mid_body", of=_json(_NOT_DONE))]
    ),
    "error in a response's body": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(client, "responses", {"model": "m", "input": "hi"})
        ),
        replies=[_json(_NOT_DONE)],
    ),
    "echo": Scenario(
        run=_chatting(messages=[{"role": "user", "content": "Please tell me four plus five."}]),
        replies=[error(400, message="Nobody can tell me four plus nine")],
    ),
    "more than fits": Scenario(
        run=_chatting(messages=QUESTION * 1000), replies=[chat("Nine")]
    ),
    "redaction fails": Scenario(run=_chatting(), replies=[chat("Nine")], redact=_refuse),
    "valued": Scenario(run=_valued, replies=[chat("Nine")]),
    "tokens are learned": Scenario(
        run=_chatting(), replies=[chat("Nine")], mode="on", fit=_trimming
    ),
    "trimmed": Scenario(
        run=_chatting(messages=[{"role": "user", "content": LONG}]),
        replies=[
            error(400, code="context_length_exceeded", message=TOO_MANY), chat("Nine"),
        ],
        mode="on",
        fit=_trimming,
    ),
    "corrected": Scenario(
        run=_corrected,
        replies=[error(400, message=RETIRED)] * 9,
        backup=[chat("Nine")],
        mode="on",
    ),
    "elsewhere over TLS": Scenario(
        run=_chatting(), replies=[error(500, message="The first.")] * 9, mode="on", fit=_over_tls
    ),
    "by module": Scenario(run=_with_module, replies=[chat("Nine")], mode="on", fit=_with_a_rule),
    "interrupted": Scenario(
        run=_interrupted,
        replies=[error(500, message="The first.")] * 9,
        mode="on",
        fit=_alone,
    ),
}  # fmt: skip
