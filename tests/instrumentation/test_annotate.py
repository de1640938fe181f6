"""What the application says of an answer: on the span while it is open, in the row afterwards."""

import openai
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from tests.instrumentation.conftest import QUESTION, Caller, Instrument, Recorder, facts_of

from goldseam.instrumentation import annotate, context
from goldseam.recovery.testing import ScriptedProvider, error, stream


@pytest.fixture(autouse=True)
def _watching(instrument: Instrument) -> None:
    instrument()


def test_open_stream_takes_it(
    client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """While a stream is read the request span itself carries both."""
    provider.script(stream("one two"))

    with context(module="m"):
        for _ in client.chat.completions.create(model="m", messages=QUESTION, stream=True):
            assert annotate(confidence=1, user_feedback="good")

    assert len(recorder.finished) == 1
    assert recorder.facts["goldseam.confidence.score"] == 1.0
    assert recorder.facts["goldseam.user.feedback"] == "good"


def test_ended_call_gets_a_span_of_its_own(caller: Caller, recorder: Recorder) -> None:
    """After the call a child of no duration names the call's row, its tenant and its status."""
    with context(tenant_id="acme", user_id="ada"):
        caller.ask()
        assert annotate(confidence=0.5)

    request, note = recorder.request, recorder.of_type("annotation")[0]
    assert note.parent is not None
    assert request.context is not None
    assert note.parent.span_id == request.context.span_id
    assert note.start_time == note.end_time == request.start_time
    assert facts_of(note) == {
        "goldseam.span.type": "annotation",
        "goldseam.log.id": recorder.facts["goldseam.log.id"],
        "goldseam.request.status": "success",
        "goldseam.tenant.id": "acme",
        "goldseam.confidence.score": 0.5,
    }


def test_failed_call_can_be_annotated(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """The status of a failed call is told, so that the collector finds the same row."""
    provider.script(error(400))

    with context():
        with pytest.raises(openai.BadRequestError):
            caller.ask()
        annotate(user_feedback="x" * 5000)

    facts = facts_of(recorder.of_type("annotation")[0])
    assert facts["goldseam.request.status"] == "error"
    assert len(facts["goldseam.user.feedback"]) == 2000


def test_outer_context_knows_calls_of_inner_ones(caller: Caller, recorder: Recorder) -> None:
    """The last call inside a context counts, however deep it was made."""
    with context(tenant_id="acme"):
        with context(module="invoices"):
            caller.ask()
        assert annotate(confidence=0)

    assert facts_of(recorder.of_type("annotation")[0])["goldseam.module"] == "invoices"


def test_without_a_call_nothing_is_said(caller: Caller, recorder: Recorder) -> None:
    """Outside of a context, and before its first call, there is nothing to annotate."""
    caller.ask()
    assert not annotate(confidence=1)
    with context():
        assert not annotate(confidence=1)

    assert len(recorder.finished) == 1


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan"), None])
def test_wrong_values_are_refused(confidence: float | None) -> None:
    """A confidence outside 0 to 1, and nothing at all, are the caller's mistakes."""
    with pytest.raises(ValueError, match="confidence"):
        annotate(confidence=confidence)


@pytest.mark.parametrize("order", [1, -1], ids=["request first", "annotation first"])
def test_collector_adds_it_to_the_row(caller: Caller, recorder: Recorder, order: int) -> None:
    """Through OTLP bytes, in either order, one row has the request's facts and what was said."""
    decode = pytest.importorskip("goldseam.collector.decode")
    mapping = pytest.importorskip("goldseam.collector.mapping")
    transitions = pytest.importorskip("goldseam.storage.transitions")
    with context(tenant_id="acme", module="invoices"):
        caller.ask()
        annotate(confidence=0.5, user_feedback="good")

    records = []
    for span in recorder.finished[::order]:
        sent = encode_spans([span]).SerializeToString()
        records += mapping.map_spans(decode.decode_protobuf(sent)).batch.requests
    (row,) = transitions.merge_all(records)

    assert (row.confidence_score, row.user_feedback) == (0.5, "good")
    assert (row.module, row.model_requested, row.status) == ("invoices", "gpt-4o", "success")
    assert row.processing_time_ms > 0
