"""Shorter prompts: never longer, never without what must stand, and only where they would fit."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from goldseam.recovery.tokens import (
    TokenScales,
    estimated_prompt_tokens,
    estimated_tokens,
    tokens_in,
)
from goldseam.recovery.trimming import Trimmed, trimmed
from goldseam.recovery.values import Target

PARAGRAPHS = "\n\n".join(f"Paragraph {n} says what there is to say about {n}." for n in range(200))
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}


def user(content: Any) -> dict[str, Any]:
    """Return a message of the user."""
    return {"role": "user", "content": content}


def model(content: Any) -> dict[str, Any]:
    """Return a message of the model."""
    return {"role": "assistant", "content": content}


def to_tokens(body: dict[str, Any], share: float, *, floor_chars: int = 0) -> Trimmed | None:
    """Trim to a share of what the body takes."""
    before = estimated_prompt_tokens(body)
    return trimmed(
        body, target_tokens=before * share, tokens_before=before, floor_chars=floor_chars
    )


def test_oldest_turns_go_first() -> None:
    """A turn goes whole, the question with its answer; system text and the last question stay."""
    system, last = {"role": "system", "content": "Be brief."}, user("And now?")
    turns = [user("first " * 200), model("one"), user("second " * 200), model("two")]
    shorter = to_tokens({"model": "m", "messages": [system, *turns, last]}, 0.6)

    assert shorter is not None
    assert shorter.body == {"model": "m", "messages": [system, *turns[2:], last]}
    assert shorter.tokens_after < shorter.tokens_before
    assert shorter.cut_share == pytest.approx(0.46, abs=0.02)


def test_middle_of_the_longest_text_is_cut_between_paragraphs() -> None:
    """What is left are whole paragraphs of both ends, with a mark that says how much is missing."""
    shorter = to_tokens({"messages": [user(PARAGRAPHS)]}, 0.7)

    assert shorter is not None
    head, mark, tail = shorter.body["messages"][0]["content"].partition("[… ")
    assert mark
    assert PARAGRAPHS.startswith(head.rstrip())
    assert head.rstrip().endswith(".")
    left_out, rest = tail.split(" characters left out …]\n\n")
    assert PARAGRAPHS.endswith(rest)
    assert rest.lstrip().startswith("Paragraph")
    assert int(left_out.replace(",", "")) == len(PARAGRAPHS) - len(head.rstrip()) - len(rest)


def test_ends_of_the_last_question_stand() -> None:
    """The first and the last quarter are never cut, so that half is the most that can go."""
    body = {"messages": [user(PARAGRAPHS)]}
    shorter = to_tokens(body, 0.6)

    assert shorter is not None
    text, quarter = shorter.body["messages"][0]["content"], len(PARAGRAPHS) // 4
    assert text.startswith(PARAGRAPHS[:quarter])
    assert text.endswith(PARAGRAPHS[-quarter:])
    assert to_tokens(body, 0.4) is None


UNTOUCHABLE: dict[str, dict[str, Any]] = {
    "system": {"messages": [{"role": "system", "content": PARAGRAPHS}, user("short")]},
    "anthropic-system": {"system": PARAGRAPHS, "messages": [user("short")]},
    "tool-result": {"messages": [user("look"), {**model(None), "tool_calls": [CALL]},
     {"role": "tool", "tool_call_id": "c1", "content": PARAGRAPHS}, user("now")]},
    "anthropic-tool-result": {"messages": [user("look"),
     model([{"type": "tool_use", "id": "c", "name": "look", "input": {}}]),
     user([{"type": "tool_result", "tool_use_id": "c", "content": PARAGRAPHS}])]},
    "response-tool-result": {"input": [user("look"),
     {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
     {"type": "function_call_output", "call_id": "c", "output": PARAGRAPHS}]},
    "json": {"messages": [user(json.dumps({"rows": [PARAGRAPHS]}))]},
    "base64": {"messages": [user("QUJD" * 4000)]},
    "vectors": {"input": ["one", "two"]},
    "nothing": {},
}  # fmt: skip


@pytest.mark.parametrize("name", UNTOUCHABLE)
def test_what_may_not_be_touched_is_not(name: str) -> None:
    """Where only such things are long, there is no shorter request."""
    assert to_tokens(UNTOUCHABLE[name], 0.8) is None


def test_text_beside_an_image_is_cut() -> None:
    """The image stays as it is; the quarters are those of the message's text."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 2000}}
    text = {"type": "text", "text": PARAGRAPHS}
    shorter = to_tokens({"messages": [user([image, text])]}, 0.8)

    assert shorter is not None
    assert shorter.body["messages"][0]["content"][0] == image
    assert len(shorter.body["messages"][0]["content"][1]["text"]) < len(PARAGRAPHS)


def test_input_of_a_response_stays_a_text() -> None:
    """What was given as a text is sent as one."""
    shorter = to_tokens({"input": PARAGRAPHS}, 0.8)

    assert shorter is not None
    assert isinstance(shorter.body["input"], str)
    assert "characters left out" in shorter.body["input"]


def test_floor_is_left() -> None:
    """Nothing is sent that would leave less of the conversation than the floor."""
    body = {"messages": [user(PARAGRAPHS)]}

    assert to_tokens(body, 0.7, floor_chars=len(PARAGRAPHS)) is None
    assert to_tokens(body, 0.7, floor_chars=3000) is not None


_texts = some.text(alphabet="ab .\n漢é", max_size=1500) | some.sampled_from([PARAGRAPHS])
_turn = some.one_of(
    some.tuples(_texts, _texts).map(lambda said: [user(said[0]), model(said[1])]),
    _texts.map(lambda said: [{"role": "system", "content": said}]),
    _texts.map(
        lambda said: [
            user("look"),
            {**model(None), "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": said},
        ]
    ),
    _texts.map(lambda said: [user([{"type": "image_url", "image_url": {"url": said}}])]),
)


@settings(max_examples=150, deadline=None)
@given(
    turns=some.lists(_turn, max_size=8),
    last=_texts,
    share=some.floats(0.05, 1.2),
    floor=some.integers(0, 4000),
)
def test_whatever_is_trimmed_is_shorter_and_whole(
    turns: list[list[dict[str, Any]]], last: str, share: float, floor: int
) -> None:
    """Fewer characters, within the target; system, tool pairs and images stand in their order."""
    items = [item for turn in turns for item in turn] + [user(last)]
    body = {"model": "m", "messages": items}
    before = json.dumps(body)
    shorter = to_tokens(body, share, floor_chars=floor)

    assert json.dumps(body) == before
    if shorter is None:
        return
    left = shorter.body["messages"]
    assert floor <= shorter.chars_after < shorter.chars_before
    assert len(json.dumps(shorter.body, ensure_ascii=False)) < len(
        json.dumps(body, ensure_ascii=False)
    )
    assert tokens_in(left) <= share * tokens_in(items) + 1
    assert [item for item in left if _stands(item)] == [item for item in items if _stands(item)]
    quarter = len(last) // 4
    assert left[-1]["content"].startswith(last[:quarter])
    assert left[-1]["content"].endswith(last[len(last) - quarter :])


def _stands(item: dict[str, Any]) -> bool:
    return (
        item["role"] in ("system", "tool")
        or "tool_calls" in item
        or isinstance(item["content"], list)
    )


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("word " * 100, 135), ("x" * 400, 100), ("漢字" * 30, 60), ("Привет" * 10, 40), ("", 0)],
    ids=["words", "characters", "chinese", "cyrillic", "nothing"],
)
def test_tokens_are_estimated_by_script(text: str, tokens: float) -> None:
    """Words or characters, whichever is more; bytes where the letters are not Latin."""
    assert estimated_tokens(text) == pytest.approx(tokens)


def test_estimates_learn_from_usage() -> None:
    """After twenty answers an estimate is as the provider counts; absurd counts are no lesson."""
    scales, target = TokenScales(), Target("openai", "gpt-4o")
    scales.learn(target, estimated=100, counted=300)
    assert scales.of(target) == 1.0
    scales.learn(target, estimated=100, counted=60)
    for _ in range(20):
        scales.learn(target, estimated=100, counted=120)

    assert scales.of(target) == pytest.approx(1.2, rel=0.01)
