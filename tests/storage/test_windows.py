"""How a window is cut up: every moment of it counts once, whatever the time is."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from goldseam.storage.windows import Pieces, Span, cut, sources

MIDNIGHT = datetime(2026, 3, 29, tzinfo=UTC)
HOUR = timedelta(hours=1)

moments = st.integers(0, 4 * 24 * 12).map(lambda fives: MIDNIGHT + timedelta(minutes=5 * fives))


def counted(pieces: Pieces, moment: datetime) -> int:
    """Return how often the sums count what happened at `moment`."""

    def holds(span: Span) -> bool:
        return span[0] <= moment < span[1]

    whole = sum(holds(span) for span in (pieces.days, *pieces.hours))
    edges = zip(pieces.edges, pieces.signs, strict=True)
    return whole + sum(sign * holds(span) for span, sign in edges)


@given(since=moments, until=moments, now=moments, moment=moments)
def test_each_moment_counts_once(
    since: datetime, until: datetime, now: datetime, moment: datetime
) -> None:
    """What is in the window counts once, and what is not in it not at all."""
    assert counted(cut(since, until, now=now), moment) == (since <= moment < until)


def test_an_hour_that_is_not_over_is_taken_whole() -> None:
    """Of the hour that runs, only what lies ahead is read row by row: there is nothing yet."""
    now = MIDNIGHT + 20 * HOUR + timedelta(minutes=10)
    pieces = cut(MIDNIGHT, now, now=now)

    assert pieces.hours[0] == (MIDNIGHT, MIDNIGHT + 21 * HOUR)
    assert pieces.edges[1] == (now, MIDNIGHT + 21 * HOUR)
    assert pieces.signs[1] == -1


def test_a_statement_holds_no_empty_pieces() -> None:
    """A whole day is one read; an empty window is one too."""
    day = cut(MIDNIGHT, MIDNIGHT + 24 * HOUR, now=MIDNIGHT)
    nothing = cut(MIDNIGHT, MIDNIGHT, now=MIDNIGHT)

    for pieces in (day, nothing):
        told = sources("total_", "a", "SIGN * a", pieces=pieces, tenant="acme")
        assert told.count("SELECT") == 1
