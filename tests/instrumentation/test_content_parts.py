"""Content's pure parts: settings, the cut to size, growing messages."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldseam.instrumentation import SettingsError, _settings
from goldseam.instrumentation._content import _drafts
from goldseam.instrumentation._content._drafts import Drafts
from goldseam.instrumentation._content._limit import LEFT_OUT, limited
from goldseam.instrumentation._content._parts import blob, link, plain
from goldseam.instrumentation._content._settings import DEFAULT_MAX_BYTES, ContentSettings

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.builds(
        lambda texts, arguments: {
            "role": "user",
            "parts": [
                *({"type": "text", "content": text} for text in texts),
                {"type": "tool_call", "name": "f", "arguments": arguments},
            ],
        },
        st.lists(st.text(), max_size=5),
        ANYTHING,
    ),
    max_size=8,
)


def words(text: str) -> str:
    """Return nothing of a text."""
    return f"<{len(text)}>"


class TestSettings:
    """What is asked for, by argument and by environment."""

    @pytest.mark.parametrize("value", ["true", "True", "1", "span_only", "SPAN_AND_EVENT"])
    def test_environment_asks_for_content(self, value: str) -> None:
        """The conventions' words for content on spans, and plain yes."""
        assert _settings.read(environ={CAPTURE: value}).content == ContentSettings()

    @pytest.mark.parametrize("value", ["", "false", "0", "no_content", "event_only", "EVENT_ONLY"])
    def test_environment_asks_for_none(self, value: str, caplog: pytest.LogCaptureFixture) -> None:
        """No content on spans is no content, and nothing to complain about."""
        assert _settings.read(environ={CAPTURE: value}).content is None
        assert caplog.messages == []

    @pytest.mark.parametrize(
        ("environ", "name"),
        [
            ({CAPTURE: "maybe"}, CAPTURE),
            ({CAPTURE: "true", "GOLDSEAM_REDACT": "nowhere"}, "GOLDSEAM_REDACT"),
            ({CAPTURE: "true", "GOLDSEAM_REDACT": "no_such_module:hide"}, "GOLDSEAM_REDACT"),
            ({CAPTURE: "true", "GOLDSEAM_REDACT": "json:no_such_name"}, "GOLDSEAM_REDACT"),
            ({CAPTURE: "true", "GOLDSEAM_REDACT": "sys:version"}, "GOLDSEAM_REDACT"),
        ],
        ids=["capture", "no function", "no module", "no name", "no callable"],
    )
    def test_wrong_environment_captures_nothing(
        self, environ: Mapping[str, str], name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A typing error never sends more than was meant; the log names the variable."""
        assert _settings.read(environ=environ).content is None
        assert name in caplog.text

    def test_hook_is_loaded_by_its_name(self) -> None:
        """`module:function` finds the function."""
        environ = {CAPTURE: "true", "GOLDSEAM_REDACT": f"{__name__}:words"}

        content = _settings.read(environ=environ).content

        assert content is not None
        assert content.redact is not None
        assert content.redact("four") == "<4>"

    @pytest.mark.parametrize(
        ("value", "max_bytes"),
        [("1000", 1000), ("12", DEFAULT_MAX_BYTES), ("x", DEFAULT_MAX_BYTES)],
    )
    def test_size_comes_from_the_environment(self, value: str, max_bytes: int) -> None:
        """A number from 256 is a size; anything else leaves the default."""
        environ = {CAPTURE: "true", "GOLDSEAM_MAX_CONTENT_BYTES": value}

        content = _settings.read(environ=environ).content

        assert content is not None
        assert content.max_bytes == max_bytes

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"redact": 7}, "module:function"),
            ({"redact": "no_such_module:hide"}, "module:function"),
            ({"max_content_bytes": 3}, "at least 256"),
        ],
        ids=["no function", "not found", "too small"],
    )
    def test_wrong_argument_says_what_is_right(self, given: Any, message: str) -> None:
        """A wrong argument raises where it was given."""
        with pytest.raises(SettingsError, match=message):
            _settings.read(capture_content=True, environ={}, **given)

    @pytest.mark.parametrize(
        ("environ", "is_told"),
        [
            ({}, True),
            ({"GOLDSEAM_PROMPT_HASH": "false"}, False),
            ({"GOLDSEAM_PROMPT_HASH": "?"}, False),
        ],
        ids=["unset", "off", "wrong"],
    )
    def test_prompt_hash(self, environ: Mapping[str, str], is_told: bool) -> None:  # noqa: FBT001 - a row of the table
        """The hash is told unless somebody says no, or says it wrongly."""
        assert _settings.read(environ=environ).prompt_hash is is_told


class TestLimit:
    """The cut to size."""

    @given(MESSAGES, st.integers(min_value=256, max_value=2000))
    def test_result_is_json_of_the_size(self, messages: list[Any], max_bytes: int) -> None:
        """Whatever the content, what is left is valid JSON and fits."""
        shown = limited(messages, max_bytes)

        if shown is not None:
            assert len(shown.encode()) <= max_bytes
            assert isinstance(json.loads(shown), list)

    @given(MESSAGES)
    def test_what_fits_is_whole(self, messages: list[Any]) -> None:
        """Nothing is cut without need, but halves of characters."""
        shown = limited(messages, 10_000_000)

        assert shown is not None
        assert len(json.loads(shown)) == len(messages)

    def test_first_and_last_messages_stay(self) -> None:
        """Of too many messages those in the middle go, and a mark counts them."""
        messages = [
            {"role": "user", "parts": [{"type": "text", "content": f"{n}"}]} for n in range(500)
        ]

        left = json.loads(limited(messages, 1000) or "")

        told = [message["parts"][0] for message in left]
        (mark,) = (part for part in told if part["type"] == LEFT_OUT)
        assert told[0]["content"] == "0"
        assert told[-1]["content"] == "499"
        assert mark["count"] == 500 - (len(left) - 1)

    def test_long_texts_do_not_push_short_ones_out(self) -> None:
        """A document is cut; the question beside it is whole."""
        parts = [{"type": "text", "content": text} for text in ("word " * 9999, "what is it?")]

        left = json.loads(limited([{"role": "user", "parts": parts}], 1000) or "")

        long, short = left[0]["parts"]
        assert short["content"] == "what is it?"
        assert long["content"].startswith("word word")
        assert "characters left out" in long["content"]

    def test_half_characters_are_replaced(self) -> None:
        """A lone surrogate cannot be exported."""
        shown = limited([{"type": "text", "content": "a\ud800"}], 1000)

        assert shown is not None
        assert shown.encode()


class TestParts:
    """What stands for things that are no text."""

    def test_data_address_is_told_by_kind_and_size(self) -> None:
        """No base64 passes."""
        part = link("data:image/png;base64,aGVyb24=", modality="image")

        assert part == {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "content": "",
            "size_bytes": 5,
        }

    def test_mime_type_tells_the_modality(self) -> None:
        """An unknown kind is a document."""
        told = [blob("", mime)["modality"] for mime in ("audio/wav", "application/pdf", None)]

        assert told == ["audio", "document", "document"]

    def test_values_that_are_no_json_are_named(self) -> None:
        """An object's own text could be anything, so only its class is told."""
        assert plain({"a": (1, object())}) == {"a": [1, "<object>"]}


class TestDrafts:
    """Messages that grow are bounded."""

    def test_characters_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is too much is counted and not kept."""
        monkeypatch.setattr(_drafts, "MAX_KEPT_CHARS", 5)
        drafts = Drafts()
        for _ in range(4):
            drafts.grow(0, "t", _drafts.TEXT, "abc")

        ((message,), *_) = [drafts.messages()]

        assert message["parts"][0]["content"] == "abcab…[7 characters left out]"

    def test_parts_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that invents parts without end does not fill the memory."""
        monkeypatch.setattr(_drafts, "MAX_PARTS", 3)
        drafts = Drafts()
        for number in range(10):
            drafts.grow(number, "t", _drafts.TEXT, "x")
            drafts.whole(number, "w", {"type": "x"})
            drafts.finish(number, "stop")

        assert sum(len(message["parts"]) for message in drafts.messages()) <= 3
        assert len(drafts.messages()) <= 3
