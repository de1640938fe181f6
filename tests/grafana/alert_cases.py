"""For every Prometheus alert: what makes it fire, and what just does not.

`test_prometheus` turns each case into tests of `promtool`. Rates are per minute.
"""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge"]

Rates = tuple[float, ...]
"""Rate of a counter per minute, or value of a gauge, in each phase of a case."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """An alert and the series around its limit.

    Attributes:
        alert: Its name.
        minutes: Length of each phase; the alert fires at the end of the last but one, and has
            resolved at the end of the last.
        fires: Series that are just beyond the limit, by selector.
        quiet: Series just within it.
        little: Series beyond the limit with too little traffic, where traffic is asked for.
        every: Minutes between samples and evaluations; longer cases need fewer.
    """

    alert: str
    minutes: tuple[int, ...]
    fires: dict[str, Rates]
    quiet: dict[str, Rates]
    little: dict[str, Rates] | None = None
    every: int = 1
    kind: Kind = "counter"


_DURATION: Final = "gen_ai_client_operation_duration_seconds"
_OK: Final = f'{_DURATION}_count{{gen_ai_provider_name="openai"}}'
_LOST: Final = f'{_DURATION}_count{{gen_ai_provider_name="openai",error_type="TimeoutError"}}'
_GIVEN_UP: Final = f'{_DURATION}_count{{error_type="asyncio.exceptions.CancelledError"}}'
_QUICK: Final = f'{_DURATION}_bucket{{le="20.48"}}'
_ALL: Final = f"{_DURATION}_count"
_SENT: Final = 'goldseam_client_attempts_total{gen_ai_provider_name="openai"}'
_TOKENS: Final = "gen_ai_client_token_usage_sum"


def _failed(status: str) -> str:
    labels = f'error_type="x",http_response_status_code="{status}"'
    return f'goldseam_client_attempts_total{{gen_ai_provider_name="openai",{labels}}}'


def _recovery(outcome: str) -> str:
    return f'goldseam_recovery_requests_total{{goldseam_recovery_outcome="{outcome}"}}'


def _delivered(status: int) -> str:
    return f'goldseam_collector_requests_total{{instance="a",status="{status}"}}'


_QUEUE: Final = 'goldseam_collector_queue_bytes{instance="a"}'
_REFUSED: Final = 'goldseam_collector_rejected_total{instance="a",reason="no_id"}'
_DROPPED: Final = 'otelcol_exporter_send_failed_spans_total{exporter="otlphttp/goldseam"}'
_DATABASE: Final = 'goldseam_collector_database_up{instance="a"}'
_MIB: Final = 1024 * 1024

CASES: Final = (
    Case(
        alert="GoldseamLosingFast",
        minutes=(60, 10),
        fires={_OK: (84, 100), _LOST: (16, 0)},
        quiet={_OK: (86, 100), _LOST: (14, 0), _GIVEN_UP: (30, 30)},
        little={_OK: (0.4, 0.4), _LOST: (0.2, 0.2)},
    ),
    Case(
        alert="GoldseamLosing",
        minutes=(360, 40),
        every=5,
        fires={_OK: (93, 100), _LOST: (7, 0)},
        quiet={_OK: (95, 100), _LOST: (5, 0)},
        little={_OK: (0.1, 0.1), _LOST: (0.03, 0.03)},
    ),
    Case(
        alert="GoldseamLosingSlowly",
        minutes=(4380, 420),
        every=60,
        fires={_OK: (98, 100), _LOST: (2, 0)},
        quiet={_OK: (99.1, 100), _LOST: (0.9, 0)},
        little={_OK: (0.05, 0.05), _LOST: (0.05, 0.05)},
    ),
    Case(
        alert="GoldseamSlowFast",
        minutes=(60, 10),
        fires={_ALL: (100, 100), _QUICK: (25, 100)},
        quiet={_ALL: (100, 100), _QUICK: (30, 100)},
        little={_ALL: (0.5, 0.5), _QUICK: (0, 0)},
    ),
    Case(
        alert="GoldseamSlow",
        minutes=(360, 40),
        every=5,
        fires={_ALL: (100, 100), _QUICK: (65, 100)},
        quiet={_ALL: (100, 100), _QUICK: (75, 100)},
        little={_ALL: (0.1, 0.1), _QUICK: (0, 0)},
    ),
    Case(
        alert="GoldseamProviderDown",
        minutes=(10, 10),
        fires={_SENT: (40, 100), _failed("503"): (30, 0), _failed(""): (30, 0)},
        quiet={_SENT: (40, 100), _failed("503"): (20, 0), _failed("400"): (40, 40)},
        little={_SENT: (1, 1), _failed("503"): (2, 2)},
    ),
    Case(
        alert="GoldseamRateLimited",
        minutes=(15, 10),
        fires={_SENT: (75, 100), _failed("429"): (25, 0)},
        quiet={_SENT: (85, 100), _failed("429"): (15, 0)},
        little={_SENT: (1, 1), _failed("429"): (2, 2)},
    ),
    Case(
        alert="GoldseamRecoveryExhausted",
        minutes=(25, 20),
        fires={_recovery("recovered"): (4, 9), _recovery("failed"): (6, 0)},
        quiet={_recovery("recovered"): (6, 9), _recovery("failed"): (4, 0)},
        little={_recovery("recovered"): (0.1, 0.1), _recovery("failed"): (0.5, 0.5)},
    ),
    Case(
        alert="GoldseamRetryStorm",
        minutes=(30, 20),
        fires={_ALL: (10, 10), _SENT: (21, 10)},
        quiet={_ALL: (10, 10), _SENT: (19, 10)},
        little={_ALL: (3, 3), _SENT: (9, 9)},
    ),
    Case(
        alert="GoldseamTokensSpike",
        minutes=(1500, 80, 150),
        every=10,
        fires={_TOKENS: (2000, 7000, 2000)},
        quiet={_TOKENS: (2000, 5500, 2000)},
        little={_TOKENS: (100, 1000, 100)},
    ),
    Case(
        alert="GoldseamApplicationsAbsent",
        kind="gauge",
        minutes=(10, 5),
        fires={'up{job="goldseam-applications"}': (0, 1)},
        quiet={'up{job="goldseam-applications"}': (1, 1)},
    ),
    Case(
        alert="GoldseamCollectorAbsent",
        kind="gauge",
        minutes=(5, 5),
        fires={'up{job="goldseam-collector"}': (0, 1)},
        quiet={'up{job="goldseam-collector"}': (1, 1)},
    ),
    Case(
        alert="GoldseamCollectorWithoutDatabase",
        kind="gauge",
        minutes=(5, 5),
        fires={_DATABASE: (0, 1)},
        quiet={_DATABASE: (1, 1)},
    ),
    Case(
        alert="GoldseamCollectorLagging",
        kind="gauge",
        minutes=(10, 5),
        fires={_QUEUE: (49 * _MIB, 0)},
        quiet={_QUEUE: (47 * _MIB, 0)},
    ),
    Case(
        alert="GoldseamSpoolWaiting",
        kind="gauge",
        minutes=(10, 5),
        fires={'goldseam_collector_spool_age_seconds{instance="a"}': (901, 0)},
        quiet={'goldseam_collector_spool_age_seconds{instance="a"}': (900, 0)},
    ),
    Case(
        alert="GoldseamBodiesSetAside",
        kind="gauge",
        minutes=(5, 5),
        fires={'goldseam_collector_spool_set_aside{instance="a"}': (1, 0)},
        quiet={'goldseam_collector_spool_set_aside{instance="a"}': (0, 0)},
    ),
    Case(
        alert="GoldseamCollectorPushingBack",
        minutes=(15, 10),
        fires={_delivered(200): (88, 100), _delivered(503): (12, 0)},
        quiet={_delivered(200): (91, 100), _delivered(503): (9, 0)},
        little={_delivered(200): (1, 1), _delivered(503): (2, 2)},
    ),
    Case(
        alert="GoldseamSpansRefused",
        minutes=(25, 20),
        fires={_REFUSED: (2, 0)},
        quiet={_REFUSED: (1, 0)},
    ),
    Case(
        alert="GoldseamSpansDropped",
        minutes=(12, 10),
        fires={_DROPPED: (1, 0)},
        quiet={_DROPPED: (0, 0)},
    ),
)
