"""Nothing of prompts, answers or keys leaves the process; error words stay useful."""

import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.instrumentation.conftest import KEY, Caller, Instrument, Recorder, mending

from goldseam.instrumentation import _privacy
from goldseam.recovery.testing import ScriptedProvider, Usage, chat, error, raw, stream

CANARY = "the heron of Ravenna owes 4711 coins to Bob"
MARK = "CANARY-7f3a"


@pytest.mark.parametrize(
    ("message", "request_texts", "expected"),
    [
        (
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29950.",
            ["four plus five?"],
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29950.",
        ),
        (f"Cannot parse: {CANARY}", [f"Please note: {CANARY}!"], "Cannot parse: …"),
        (
            "Your text THE HERON of, Ravenna owes; a lot",
            [CANARY],
            "Your text …; a lot",
        ),
        ("The model `secret-model` does not exist", [], "The model `…` does not exist"),
        ('Invalid value: "my diary". Try again', [], 'Invalid value: "…". Try again'),
        ("You don't have access; it isn't yours", [], "You don't have access; it isn't yours"),
        (f"Account {MARK} is unknown", [f"about {MARK} please"], "Account … is unknown"),
        ("Mail to bob@example.com failed", [], "Mail to ***@*** failed"),
        ("Bad input: tell all", ["tell all"], "Bad input: …"),
        ("四加五等于几 是无效的", ["请问四加五等于几"], "… 是无效的"),
    ],
    ids=["no echo", "run", "other case", "backticks", "quotes", "apostrophes", "identifier",
         "e-mail", "whole text", "no spaces"],
)  # fmt: skip
def test_safe_message(message: str, request_texts: list[str], expected: str) -> None:
    """The provider's words and numbers stay; quotes, secrets and echoes of the request go."""
    assert _privacy.safe_message(message, request_texts) == expected


def test_too_large_request_keeps_no_words() -> None:
    """Where looking for echoes would cost too much, no words are kept."""
    told = _privacy.safe_message("word " * 9, ["x" * (_privacy.MAX_SCANNED_CHARS + 1)])

    assert "word" not in told


@given(st.lists(st.text(alphabet="abcdefgh", min_size=3, max_size=8), min_size=4, max_size=30))
def test_no_run_of_the_request_survives(words: list[str]) -> None:
    """A message that only repeats the request says nothing any more."""
    request = " ".join(words)

    assert _privacy.safe_message(request, [request]).strip(" …") == ""


@given(
    st.lists(st.sampled_from(["ada", "bea", "cid.dan-eve", "fay_gus", "HAL"]), max_size=12),
    st.lists(st.sampled_from(["ada", "bea", "cid", "dan", "eve", "fay_gus", "hal"]), max_size=12),
)
def test_every_shared_run_is_found(said: list[str], asked: list[str]) -> None:
    """A message loses exactly the runs of words that the request has too."""
    words = " ".join(said).lower().replace(".", " ").replace("-", " ").split()
    runs = {tuple(asked[at : at + 4]) for at in range(len(asked) - 3)}
    is_echo = any(tuple(words[at : at + 4]) in runs for at in range(len(words) - 3))

    told = _privacy.safe_message(f"{' '.join(said)} !", ["x", f"({', '.join(asked)})"])

    assert (_privacy.MASK in told) == is_echo


@given(st.text())
def test_canonical_text_can_be_hashed(text: str) -> None:
    """Any text has a hash, and the canonical text of a canonical text is itself."""
    canonical = _privacy.canonical_text([text])

    assert len(_privacy.sha256(canonical)) == 64
    assert _privacy.canonical_text([canonical]) == canonical


def test_lone_surrogates_are_replaced() -> None:
    """Half of a pair becomes U+FFFD, as on the collector's side."""
    assert _privacy.canonical_text(["a\ud800b", "\udfff"]) == "a\ufffdb\n\ufffd"


class TestCanary:
    """A marked text in every corner of a request is searched in all that would be exported."""

    def _ask(self, caller: Caller, **options: object) -> None:
        caller.ask(
            messages=[
                {"role": "system", "content": f"System {CANARY} {MARK}"},
                {"role": "user", "content": [{"type": "text", "text": f"{CANARY} {MARK}"}]},
            ],
            tools=[
                {
                    "type": "function",
                    "function": {"name": "f", "description": f"{CANARY} {MARK}", "parameters": {}},
                }
            ],
            stop=[MARK],
            user=MARK,
            extra_headers={"X-Mine": f"{MARK} {CANARY}"},
            **options,
        )

    def _assert_clean(self, recorder: Recorder) -> None:
        exported = recorder.everything()
        for secret in (CANARY, MARK, KEY, "heron"):
            assert secret not in exported, secret
        assert recorder.requests != []

    def test_success(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
    ) -> None:
        """Neither prompt nor answer is in spans or metrics."""
        instrument()
        provider.script(chat(f"{CANARY} {MARK}", usage=Usage(5, 5)))

        self._ask(caller)

        self._assert_clean(recorder)

    def test_echoing_errors_and_recovery(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """Providers that repeat the request and the key in their errors are cleaned everywhere."""
        instrument(recovery=mending(provider, backup))
        provider.script(*[error(500, message=f"Failed on {CANARY} {MARK} with key {KEY}")] * 3)
        backup.script(
            error(503, body={"error": f"Could not do: {CANARY}; {MARK}"}),
            raw(500, body=f"<html>{CANARY} {MARK}</html>"),
            error(500, body={"detail": [{"msg": CANARY, "input": MARK}]}),
        )

        with pytest.raises(openai.InternalServerError):
            self._ask(caller)

        assert len(recorder.of_type("attempt")) > 2
        self._assert_clean(recorder)

    def test_stream(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder,
        instrument: Instrument,
    ) -> None:  # fmt: skip
        """Streamed text and a stream's error leave no trace of content."""
        instrument()
        part = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": CANARY}}]}
        fault = {"error": {"message": f"Stopped at {CANARY} {MARK}"}}
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in (part, fault))
        provider.script(
            stream((CANARY, MARK)), raw(headers={"content-type": "text/event-stream"}, body=body)
        )
        messages: Any = [{"role": "user", "content": f"{CANARY} {MARK}"}]
        for _ in range(2):
            try:
                list(client.chat.completions.create(model="m", messages=messages, stream=True))
            except openai.APIError:
                continue

        assert len(recorder.requests) == 2
        self._assert_clean(recorder)
