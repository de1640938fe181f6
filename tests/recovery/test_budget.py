"""The retry budget keeps repeats from multiplying the load of a provider in trouble."""

from hypothesis import given, settings
from hypothesis import strategies as st

from goldseam.recovery.budget import Budget
from goldseam.recovery.values import Target
from goldseam.recovery.vitals import MAX_TARGETS, Vitals


def test_bucket_starts_full() -> None:
    """A bad minute may cost 120 extra attempts."""
    budget = Budget(0.0)

    assert [budget.draw(0.0) for _ in range(121)] == [True] * 120 + [False]


def test_time_fills_it_by_one_a_second() -> None:
    """An application with few calls is not left without."""
    budget = Budget(0.0)
    while budget.draw(0.0):
        pass

    assert [budget.draw(0.9), budget.draw(1.0), budget.draw(1.0)] == [False, True, False]


def test_ten_requests_earn_one_extra() -> None:
    """Repeats are a tenth of the requests in the long run."""
    budget = Budget(0.0)
    while budget.draw(0.0):
        pass
    for _ in range(10):
        budget.earn()

    assert [round(budget.left(0.0), 6) >= 1, budget.left(0.0) < 1.1] == [True, True]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.booleans(), st.floats(min_value=0.0, max_value=2.0)), max_size=400))
def test_draws_never_exceed_what_was_earned(events: list[tuple[bool, float]]) -> None:
    """120, a tenth of the requests and one per second: never more."""
    budget, now_s, requests, drawn = Budget(0.0), 0.0, 0, 0
    for is_request, passed_s in events:
        now_s += passed_s
        if is_request:
            budget.earn()
            requests += 1
        drawn += budget.draw(now_s)

    assert drawn <= 120 + 0.1 * requests + now_s + 1e-6


def test_made_up_model_names_do_not_fill_the_memory() -> None:
    """Beyond a thousand targets everything is forgotten."""
    vitals = Vitals()
    for number in range(MAX_TARGETS * 2):
        vitals.answered(Target("openai", f"model-{number}"), 0.0, is_first=True)

    assert len(vitals._breakers) <= MAX_TARGETS
