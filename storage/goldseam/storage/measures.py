"""What is counted of each request and recovery step: one table of names, SQL and meanings.

`rollup_tables` makes columns of it, `rollup_statements` adds it up for the writer, `figures` reads
either the sums or, where no whole hour is asked for, the rows. All of them count alike because
there is only this list. Duplicates are never counted; whoever uses an expression leaves them out.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from goldseam.storage.transitions import FINAL

NAMES_PER_DAY: Final = 200
"""Names of a kind (providers, models, …) that are told apart of a tenant and day; whatever comes
after them counts as `OTHER`, so that no sender can make the roll-ups as large as the rows."""

OTHER: Final = "other"

UNKNOWN: Final = "unknown"
"""Model of a request that names none."""

EVERYBODY: Final = "*"
"""`tenant_id` of the all-tenant copies; their row security shows them to nobody else."""

BIN_RATIO: Final = 1.105
"""Upper edge of a latency bin over its lower edge."""

BIN_LAST: Final = 132
"""Bins run from 0 (under 1 ms) to this one (from 480 s on)."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a request or step.

    Attributes:
        name: Column of the roll-ups that hold the sum.
        condition: Which rows count; of requests it asks for columns of `ALIKE` only.
        value: What such a row adds; NULL adds nothing.
        comment: Meaning and unit.
        kind: `count` fits 64 bits. `micro` and `nano` are decimals with 3 and 9 places, added up
            as whole numbers (a row's value is rounded to them), so that what is taken away again
            leaves no rounding behind. `histogram` is a whole number of any length.
    """

    name: str
    condition: str
    value: str
    comment: str
    kind: Literal["count", "micro", "nano", "histogram"] = "count"

    @property
    def sql(self) -> str:
        """What one row adds; NULL adds nothing."""
        cast = "" if self.kind == "count" else "::numeric"
        return f"CASE WHEN {self.condition} THEN {self.value}{cast} END"

    @property
    def whole(self) -> str:
        """What a row that counts adds, as a whole number."""
        if self.kind in ("count", "histogram"):
            return self.value
        scale, most = 10 ** _PLACES[self.kind], _MOST[self.kind]
        # least() would take no value for the most.
        return (
            f"(CASE WHEN {self.value} > {most} THEN {most} ELSE {self.value} END * {scale})::bigint"
        )

    @property
    def whole_type(self) -> str:
        """Type of the sum of whole numbers."""
        return "numeric" if self.kind == "histogram" else "bigint"

    def of_whole(self, total: str) -> str:
        """Return the SQL of the measure, given that of the sum of its whole numbers."""
        if self.kind in ("count", "histogram"):
            return total
        return f"{total} * {10 ** -_PLACES[self.kind]:.{_PLACES[self.kind]}f}"


_PLACES: Final = {"micro": 3, "nano": 9}

_MOST: Final = {"micro": "1e12", "nano": "1e5"}
"""Milliseconds (31 years) and dollars that one row adds at most: so no sum of a batch overflows."""


_FINAL: Final = "status IN ({})".format(", ".join(f"'{status}'" for status in FINAL))
ANSWERED: Final = "status IN ('success', 'error')"
"""Condition of `total_requests`, and of a row that has a duration worth comparing."""

_RECOVERED: Final = f"{_FINAL} AND recovery_outcome = 'recovered'"
_MENDED: Final = f"{_RECOVERED} AND first_error_code IS NOT NULL"
_SPARED: Final = f"{_RECOVERED} AND first_error_code IS NULL"
_FIRST_TRY: Final = (
    "status = 'success' AND first_error_code IS NULL AND retry_count = 0"
    " AND recovery_outcome IS DISTINCT FROM 'recovered'"
)
_LOST: Final = "status = 'error'"

STRATEGIES: Final = ("retry", "simplify", "fallback", "cache")


def _count(name: str, condition: str, comment: str) -> Measure:
    return Measure(name, condition, "1", comment)


def _sum(name: str, value: str, condition: str, comment: str) -> Measure:
    return Measure(name, condition, value, comment)


def _ms(name: str, value: str, condition: str, comment: str) -> Measure:
    return Measure(name, condition, value, comment, "micro")


def _usd(name: str, value: str, condition: str, comment: str) -> Measure:
    return Measure(name, condition, value, comment, "nano")


MEASURES: Final = (
    _count("success_count", "status = 'success'", "Calls that were answered, mended ones too"),
    _count("error_count", _LOST, "Calls that failed for good, time-outs included"),
    _count(
        "timeout_count",
        f"{_LOST} AND error_code = 'TIMEOUT'",
        "Calls that failed for good with a time-out",
    ),
    _count("pending_count", "status = 'pending'", "Calls that have started and not ended"),
    _count("cancelled_count", "status = 'cancelled'", "Calls that the application gave up"),
    _count("abandoned_count", "status = 'abandoned'", "Calls of which no end was ever heard"),
    _count(
        "first_try_count", _FIRST_TRY, "Calls that were answered by the first request that was sent"
    ),
    _count(
        "recovered_count",
        _RECOVERED,
        "Calls that the asked provider did not answer, and another attempt did",
    ),
    _count(
        "spared_count",
        _SPARED,
        "Those of recovered_count that never failed: the asked provider was failing and left alone",
    ),
    *(
        _count(
            f"recovered_by_{strategy}",
            f"{_RECOVERED} AND recovery_strategy = '{strategy}'",
            f"Calls that {strategy} mended",
        )
        for strategy in STRATEGIES
    ),
    _count("degraded_count", f"{_FINAL} AND degraded", "Calls answered at lower quality"),
    _count("cache_hit_count", f"{_FINAL} AND cache_hit", "Calls that Goldseam's cache answered"),
    _sum(
        "attempt_count",
        "1::bigint + retry_count",
        _FINAL,
        "Requests sent to providers, first tries too",
    ),
    _sum("input_tokens", "input_tokens", _FINAL, "Tokens read"),
    _sum("output_tokens", "output_tokens", _FINAL, "Tokens written"),
    _sum("tokens_used", "tokens_used", _FINAL, "Tokens read and written"),
    _sum("tokens_known_count", "num_nonnulls(tokens_used)", _FINAL, "Calls whose tokens are known"),
    _sum("wasted_tokens", "tokens_used", _LOST, "Tokens of calls that failed for good"),
    _usd("cost_usd", "cost_usd", _FINAL, "US dollars"),
    _sum("cost_known_count", "num_nonnulls(cost_usd)", _FINAL, "Calls whose cost is known"),
    _usd("wasted_cost_usd", "cost_usd", _LOST, "US dollars for calls that failed for good"),
    _ms(
        "duration_ms",
        "processing_time_ms",
        ANSWERED,
        "Milliseconds of calls that ended in success or error",
    ),
    _ms("first_try_ms", "processing_time_ms", _FIRST_TRY, "Milliseconds of first_try_count"),
    _ms(
        "recovered_ms",
        "processing_time_ms",
        _MENDED,
        "Milliseconds of recovered_count without spared_count",
    ),
    _ms(
        "recovery_time_ms",
        "recovery_time_ms",
        _MENDED,
        "Milliseconds from first failure to answer of recovered_count without spared_count",
    ),
    _ms("recovery_wait_ms", "recovery_wait_ms", _FINAL, "Milliseconds waited between attempts"),
    _ms("wasted_ms", "processing_time_ms", _LOST, "Milliseconds of calls that failed for good"),
)

BIN: Final = (
    f"least({BIN_LAST}, floor(ln(greatest(processing_time_ms, 0.95))"
    f" / ln({BIN_RATIO}::float8)) + 1)::smallint"
)
"""Latency bin of one row."""

BIN_DIGITS: Final = 12
"""Decimal digits of a bin in a histogram: room for any count, so no bin runs into the next."""

DURATIONS: Final = Measure(
    "durations",
    ANSWERED,
    f"('1e' || {BIN_DIGITS} * {BIN})::numeric",
    f"Histogram of duration_ms as one number: how many calls lie in bin n stand in its decimal "
    f"digits {BIN_DIGITS}n to {BIN_DIGITS}n+{BIN_DIGITS - 1}. Bin 0: under 1 ms; n: from "
    f"{BIN_RATIO}^(n-1) to {BIN_RATIO}^n ms; {BIN_LAST}: all above",
    "histogram",
)
"""How many calls took how long; histograms add up like any other sum, and cost one column."""

TOTALS: Final = (*MEASURES, DURATIONS)

ERROR_MEASURES: Final = (
    _count(
        "occurrence_count", "error_pattern IS NOT NULL", "Calls that met the pattern, mended or not"
    ),
    _count(
        "recovered_count",
        "error_pattern IS NOT NULL AND recovery_outcome = 'recovered'",
        "Those of them that were mended",
    ),
    _count("failed_count", _LOST, "Those of them that failed for good"),
    _ms("wasted_ms", "processing_time_ms", _LOST, "Milliseconds of failed_count"),
    _sum("wasted_tokens", "tokens_used", _LOST, "Tokens of failed_count"),
    _usd("wasted_cost_usd", "cost_usd", _LOST, "US dollars for failed_count"),
)
"""What is counted of a request that met an error, once it is over."""

STEP_MEASURES: Final = (
    _count("attempt_count", "true", "Recovery steps that ran"),
    _count("success_count", "was_successful", "Those of them that mended their call"),
    _ms("recovery_time_ms", "recovery_time_ms", "true", "Milliseconds of steps, waits included"),
)
"""What is counted of a recovery step."""

_ALIKE: Final = (
    "status",
    "error_code",
    "first_error_code",
    "recovery_outcome",
    "recovery_strategy",
    "degraded",
    "cache_hit",
    "least(retry_count, 1) AS retry_count",
)
_VALUES: Final = tuple(dict.fromkeys(measure.value for measure in TOTALS))

ALIKE: Final = ", ".join(
    (*_ALIKE, *(f"sum({value}) AS value_{number}" for number, value in enumerate(_VALUES)))
)
"""Rows that the conditions cannot tell apart, added up; to be grouped by the first columns."""

ALIKE_COLUMNS: Final = len(_ALIKE)


def sql_of_alike(measure: Measure) -> str:
    """Return what a row of `ALIKE` adds to a measure: the same as its rows, four times as fast."""
    cast = "bigint" if measure.kind == "count" else "numeric"
    value = _VALUES.index(measure.value)
    return f"CASE WHEN {measure.condition} THEN value_{value}::{cast} END"


MET_ERROR: Final = f"{_FINAL} AND (error_pattern IS NOT NULL OR {_LOST})"

MODEL: Final = f"coalesce(model_requested, '{UNKNOWN}')"
PATTERN: Final = "coalesce(error_pattern, '')"
CODE: Final = "coalesce(error_code, '')"
STEP_PROVIDER: Final = f"coalesce(provider, '{UNKNOWN}')"


def bins_of(durations: Decimal | int) -> dict[int, int]:
    """Return how many calls lie in each bin of a histogram, empty bins left out."""
    rest, bins, number = int(durations), {}, 0
    while rest:
        rest, count = divmod(rest, 10**BIN_DIGITS)
        if count:
            bins[number] = count
        number += 1
    return bins


def bin_value_ms(number: int) -> float:
    """Return the duration that stands for a bin, within 5 % of every duration in it.

    That is the harmonic mean of its edges. Bin 0 stands for half a millisecond, and the last bin,
    which has no upper edge, for its lower one.
    """
    if number == 0:
        return 0.5
    lower = BIN_RATIO ** (number - 1)
    return lower if number == BIN_LAST else lower * 2 * BIN_RATIO / (1 + BIN_RATIO)


BIN_VALUE_MS: Final = (
    f"CASE bin WHEN 0 THEN 0.5 WHEN {BIN_LAST} THEN power({BIN_RATIO}::float8, bin - 1)"
    f" ELSE power({BIN_RATIO}::float8, bin - 1) * {2 * BIN_RATIO / (1 + BIN_RATIO):.6f} END"
)
"""The same as SQL, of a column `bin`."""
