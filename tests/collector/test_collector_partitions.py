"""However a sender cuts a call's spans into requests, the rows are the same."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import STATUS_ERROR, Span
from goldseam.semconv import log_id_text
from goldseam.storage.records import RecoveryRecord, RequestRecord
from goldseam.storage.transitions import merge_all

_START_NS = 1_790_000_000_000_000_000
_TRACE, _REQUEST = "a" * 32, "1" * 16
_ROW = log_id_text(_START_NS, int(_TRACE, 16), int(_REQUEST, 16))
_MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def _span(number: int, kind: str, parent: str = _REQUEST, **more: str | bool | int) -> Span:
    told = {name.replace("__", "."): value for name, value in more.items()}
    return Span(
        trace_id=_TRACE,
        span_id=f"{number:016x}",
        parent_span_id=parent,
        start_ns=_START_NS + (0 if kind in {"request", "pending"} else number * 10**6),
        end_ns=_START_NS + number * 2 * 10**6,
        attributes={**_MODEL, "goldseam.span.type": kind, "goldseam.log.id": _ROW, **told},
        status_code=STATUS_ERROR if told.get("goldseam.recovery.success") is False else 0,
    )


_CALL = (
    _span(int(_REQUEST, 16), "request", parent="", goldseam__recovery__outcome="recovered"),
    _span(2, "pending"),
    _span(3, "attempt"),
    _span(4, "recovery_step", goldseam__recovery__step=1, goldseam__recovery__success=False),
    _span(5, "attempt", parent=f"{4:016x}"),
    _span(6, "recovery_step", goldseam__recovery__step=2, goldseam__recovery__success=True),
)
"""A call that the second step mended, as the instrumentation tells of it."""


@settings(max_examples=60, deadline=None)
@given(st.permutations(_CALL), st.lists(st.integers(0, len(_CALL)), max_size=len(_CALL)))
def test_any_order_and_any_cut_give_the_same_rows(spans: list[Span], cuts: list[int]) -> None:
    """A step names its request, so it is filed under it whichever of the two comes first."""
    edges = [0, *sorted(cuts), len(spans)]
    bodies = [spans[begin:end] for begin, end in pairwise(edges)]

    assert _rows(bodies) == _rows([list(_CALL)])


def _rows(bodies: list[list[Span]]) -> tuple[list[RequestRecord], list[RecoveryRecord]]:
    batches = [map_spans(body).batch for body in bodies]
    steps = sorted((s for b in batches for s in b.recoveries), key=lambda step: step.step_number)
    assert {str(step.request_log_id) for step in steps} == {_ROW}
    return merge_all([r for batch in batches for r in batch.requests]), steps
