"""The collector reckons a row's id from the wire's text as the application does from numbers."""

from hypothesis import given
from hypothesis import strategies as st

from goldseam.semconv import log_id, log_id_of


@given(
    start_ns=st.integers(min_value=-1, max_value=2**70),
    trace_id=st.integers(min_value=0, max_value=2**128 - 1),
    span_id=st.integers(min_value=0, max_value=2**64 - 1),
)
def test_both_sides_give_a_span_the_same_row_id(start_ns: int, trace_id: int, span_id: int) -> None:
    """Digits or numbers, the id is the same, of version 8 and of the RFC's variant."""
    found = log_id_of(start_ns, f"{trace_id:032x}", f"{span_id:016x}")

    assert found == log_id(start_ns, trace_id, span_id)
    assert found.version == 8
    assert found.variant == "specified in RFC 4122"
