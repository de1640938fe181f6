"""What to look at, in sentences, from the figures of a window.

Called by the summary. Pure. A sentence is only said where there is enough to say it of.
"""

from collections.abc import Sequence
from typing import Final

from goldseam.errors import ErrorCode, fix_for
from goldseam.storage.queries import ErrorFigures, ProviderFigures, Statistics

MIN_CALLS: Final = 20
"""A rate over fewer calls says little."""

_POOR_PERCENT: Final = 95.0
"""Of a provider's calls that should be answered in the end."""

_MENDS_FEW: Final = 0.5
_MIN_FAILURES: Final = 5
_SENTENCES: Final = 5


def recommendations(
    totals: Statistics, providers: Sequence[ProviderFigures], errors: Sequence[ErrorFigures]
) -> list[str]:
    """Return at most five sentences, the most urgent first; none where all is well."""
    said = [
        *(_on_provider(each) for each in providers if _is_poor(each)),
        *(_on_error(each) for each in errors if _is_unmended(each)),
        *([_on_abandoned(totals)] if totals.abandoned_count else []),
    ]
    return said[:_SENTENCES]


def _is_poor(provider: ProviderFigures) -> bool:
    return provider.total_requests >= MIN_CALLS and provider.success_rate < _POOR_PERCENT


def _is_unmended(error: ErrorFigures) -> bool:
    return (
        error.resolution_status == "open"
        and error.failed >= _MIN_FAILURES
        and error.recovered < error.count * _MENDS_FEW
    )


def _on_provider(provider: ProviderFigures) -> str:
    worst = max(provider.errors, key=lambda code: provider.errors[code], default=None)
    why = f", mostly with {worst}" if worst else ""
    return (
        f"{provider.provider} answered {provider.success_rate:.1f} % of "
        f"{provider.total_requests} calls{why}: name a fallback provider, or look at its status."
    )


def _on_error(error: ErrorFigures) -> str:
    code = ErrorCode.__members__.get(error.error_code, ErrorCode.UNKNOWN)
    advice = fix_for(code).suggested_actions[0]
    return (
        f"{error.error_code} at {error.provider} lost {error.failed} of {error.count} calls "
        f"(pattern {error.pattern_id}). {advice}"
    )


def _on_abandoned(totals: Statistics) -> str:
    return (
        f"{totals.abandoned_count} calls started and were never heard of again: look for killed "
        "processes and for exporters that do not flush at exit."
    )
