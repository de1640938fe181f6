"""The breaker opens on a rate of failures, finds out by one request, and knows what is no sign."""

from hypothesis import given, settings
from hypothesis import strategies as st

from goldseam.errors import ErrorCode
from goldseam.recovery.breaker import Breaker

C = ErrorCode


def broken(code: ErrorCode = C.TIMEOUT, *, count: int = 10) -> Breaker:
    """Return a breaker after failures at second 100."""
    breaker = Breaker()
    for _ in range(count):
        breaker.failed(code, 100.0)
    return breaker


def test_nine_failures_are_no_rate() -> None:
    """Only the tenth outcome makes a rate."""
    assert not broken(count=9).is_open(100.0)
    assert broken(count=10).is_open(100.0)


def test_failures_below_half_leave_it_closed() -> None:
    """A fifth of fifty calls that hang at the same moment is no outage."""
    breaker = Breaker()
    for _ in range(40):
        breaker.answered(100.0)
    for _ in range(10):
        breaker.failed(C.TIMEOUT, 101.0)

    assert not breaker.is_open(101.0)


def test_old_outcomes_are_forgotten() -> None:
    """Answers of a minute ago do not outweigh the failures of now."""
    breaker = Breaker()
    for _ in range(1000):
        breaker.answered(40.0)
    for _ in range(10):
        breaker.failed(C.CONNECTION, 100.0)

    assert breaker.is_open(100.0)


def test_one_request_finds_out() -> None:
    """Half open, the first request goes and the others wait for what becomes of it."""
    breaker = broken()

    assert not breaker.admits(104.9)
    assert breaker.admits(105.0)
    assert not breaker.admits(105.1)
    breaker.answered(105.2)
    assert breaker.admits(105.3)
    assert not breaker.is_open(105.3)


def test_probe_that_never_ends_is_followed_by_another() -> None:
    """A probe that was cancelled does not keep the breaker open for good."""
    breaker = broken()
    assert breaker.admits(105.0)

    assert not breaker.admits(109.0)
    assert breaker.admits(110.0)


def test_failed_probes_double_the_time_up_to_a_minute() -> None:
    """5, 10, 20, 40, 60, 60 seconds."""
    breaker, now_s, waits = broken(), 100.0, []
    for _ in range(6):
        start_s = now_s
        while breaker.is_open(now_s):
            now_s += 1.0
        waits.append(now_s - start_s)
        breaker.failed(C.TIMEOUT, now_s)

    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_missing_credit_opens_for_minutes() -> None:
    """Nobody pays a bill in five seconds."""
    breaker = broken(C.QUOTA_EXCEEDED)

    assert breaker.is_open(159.9)
    breaker.failed(C.QUOTA_EXCEEDED, 160.0)
    assert breaker.is_open(279.9)
    assert not breaker.is_open(280.0)


def test_refused_requests_are_answers() -> None:
    """A provider that refuses bad requests is up."""
    assert not broken(C.INVALID_REQUEST, count=50).is_open(100.0)
    breaker = broken()
    breaker.failed(C.CONTEXT_LENGTH, 105.0)

    assert not breaker.is_open(105.0)


def test_provider_that_asked_for_rest_gets_it() -> None:
    """After a Retry-After others are asked first, without ten failures before."""
    breaker = Breaker()
    breaker.failed(C.RATE_LIMIT, 100.0, retry_after_s=2.0)

    assert (breaker.is_open(101.9), breaker.rest_s(101.5)) == (True, 0.5)
    assert (breaker.is_open(102.0), breaker.rest_s(102.0)) == (False, None)


def test_cold_start_is_no_outage() -> None:
    """A model that loads for minutes after idling is not counted against its server."""
    breaker = Breaker(cold_after_s=300.0)
    for second in range(100, 160, 3):
        breaker.failed(C.TIMEOUT, float(second))
    assert not breaker.is_open(160.0)

    breaker.answered(170.0)
    for _ in range(20):
        breaker.failed(C.TIMEOUT, 171.0)
    assert breaker.is_open(171.0)


def test_server_that_never_finishes_loading_is_an_outage() -> None:
    """Five minutes are enough to load a model."""
    breaker = Breaker(cold_after_s=300.0)
    for second in range(100, 460, 3):
        breaker.failed(C.TIMEOUT, float(second))

    assert breaker.is_open(459.0)


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.tuples(st.sampled_from([None, *C]), st.floats(min_value=0.0, max_value=40.0)),
        max_size=60,
    )
)
def test_breaker_always_closes_in_the_end(outcomes: list[tuple[ErrorCode | None, float]]) -> None:
    """Whatever happened, after eleven quiet minutes a request may go, and an answer closes it."""
    breaker, now_s = Breaker(), 0.0
    for code, passed_s in outcomes:
        now_s += passed_s
        if code is None:
            breaker.answered(now_s)
        else:
            breaker.failed(code, now_s, retry_after_s=passed_s)
    now_s += 660.0

    assert breaker.admits(now_s)
    breaker.answered(now_s)
    assert not breaker.is_open(now_s)
