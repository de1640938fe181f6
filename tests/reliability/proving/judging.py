"""Holds the tables against what the writers were told."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import psycopg
from proving.sending import Writers
from proving.trial import Outcome

_COUNTED: Final = """
    SELECT
        (SELECT coalesce(sum(occurrence_count), 0) FROM ai_error_analysis),
        (SELECT count(*) FROM ai_request_logs WHERE error_pattern IS NOT NULL),
        (SELECT coalesce(sum(success_count + error_count), 0) FROM ai_stats_hour_all),
        (SELECT coalesce(sum(success_count + error_count), 0) FROM ai_stats_total_day),
        (SELECT count(*) FROM ai_request_logs)
"""
"""Errors as counted and as stored; requests as counted by the hour, by the day, and as stored."""


def judge(
    url: str, writers: Writers, *, tried: str, figures: str = "", broken: Sequence[str] = ()
) -> Outcome:
    """Return what became of the writers' spans; sums that differ from the rows are broken, too."""
    with psycopg.connect(url, options="-c role=goldseam_writer") as connection:
        found = connection.execute("SELECT request_id FROM ai_request_logs")
        rows = Counter(str(row[0]) for row in found)
        counted = connection.execute(_COUNTED).fetchone() or ()
    lost = len(writers.acknowledged - rows.keys())
    phantom = len(rows.keys() - writers.sent)
    duplicate = sum(times > 1 for times in rows.values())
    occurrences, failed, hours, days, stored = map(int, counted)
    promises = {
        f"{lost} acknowledged spans are lost": not lost,
        f"{phantom} rows are of spans that nobody sent": not phantom,
        f"{duplicate} spans have several rows": not duplicate,
        f"{occurrences} errors counted, {failed} stored": occurrences == failed,
        f"{hours} and {days} requests counted, {stored} stored": hours == days == stored,
        "nothing was acknowledged": bool(writers.acknowledged),
        f"{writers.unfinished} writers never got their last answer": not writers.unfinished,
    }
    repeated = f"{writers.repeated:,} bodies repeated"
    return Outcome(
        tried=tried,
        acknowledged=len(writers.acknowledged),
        lost=lost,
        phantom=phantom,
        duplicate=duplicate,
        figures="; ".join(filter(None, (figures, repeated))),
        broken=[*broken, *(wrong for wrong, holds in promises.items() if not holds)],
    )
