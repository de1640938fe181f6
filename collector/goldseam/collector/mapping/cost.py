"""What a call cost, where its span does not say: tokens times the price list of `genai-prices`.

The list is part of the package: nothing is downloaded. A model that is not on it, a local one
above all, has no price, which is not a price of 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

from goldseam.storage.records import RequestRecord

UNPRICED: Final = "unpriced"

PRICES_KEPT: Final = 4_096
"""Prices of a model on a day that are remembered: finding one takes a millisecond."""

_PROVIDERS: Final = {
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
"""Names of the price list where they differ from the tables'."""

_KINDS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
"""Kinds of tokens that have a price, as the columns are called."""

_PER_MTOK: Final = 1_000_000
_PER_KCOUNT: Final = 1_000

_Steps: TypeAlias = tuple[tuple[int, float], ...]
"""Prices from more than so many input tokens on, in rising order; () is unknown."""


@dataclass(frozen=True, slots=True)
class _Price:
    """What the list says of a model, in US dollars: a request per thousand, tokens per million."""

    request: _Steps
    plain: _Steps
    output: _Steps
    cache_read: _Steps
    cache_write: _Steps


def cost_usd(
    provider: str,
    models: Iterable[str | None],
    created_at: datetime,
    tokens: Mapping[str, int | None],
) -> float | None:
    """Return the price of the tokens that a call used, None where no price is known.

    Args:
        provider: Who answered.
        models: Names of the model, the answering one first.
        created_at: When the call was made; prices change.
        tokens: Counts under the names of their columns.
    """
    day = created_at.date().toordinal()
    for model in dict.fromkeys(models):
        price = _price(provider, model, day) if model else None
        if price is not None:
            return _cost(price, tokens)
    return None


def priced(record: RequestRecord) -> RequestRecord:
    """Return `record` with its cost, as it is where it has one or none is known."""
    if record.cost_usd is not None or not record.tokens_used:
        return record
    models = record.provider_model, record.model_requested
    tokens = {name: getattr(record, name) for name in _KINDS}
    cost = cost_usd(record.provider_used, models, record.created_at, tokens)
    return record if cost is None else replace(record, cost_usd=cost)


def is_unpriced(record: RequestRecord) -> bool:
    """Return whether a call used tokens whose price is not known."""
    return bool(record.tokens_used) and record.cost_usd is None


@lru_cache(maxsize=PRICES_KEPT)
def _price(provider: str, model: str, day: int) -> _Price | None:
    try:
        _, found = get_snapshot().find_provider_model(
            model, None, _PROVIDERS.get(provider, provider), None
        )
    except LookupError:
        return None
    listed = found.get_prices(datetime.combine(date.fromordinal(day), time(12), UTC))
    plain = listed.input_mtok
    return _Price(
        request=_steps(listed.requests_kcount),
        plain=_steps(plain),
        output=_steps(listed.output_mtok),
        cache_read=_steps(listed.cache_read_mtok or plain),
        cache_write=_steps(listed.cache_write_mtok or plain),
    )


def _steps(rate: Decimal | TieredPrices | None) -> _Steps:
    if rate is None:
        return ()
    if not isinstance(rate, TieredPrices):
        return ((-1, float(rate)),)
    return (
        (-1, float(rate.base)),
        *((tier.start, float(tier.price)) for tier in rate.tiers),
    )


def _cost(price: _Price, tokens_of: Mapping[str, int | None]) -> float | None:
    """Return the price of a usage, None if a kind of token that it has is not on the list.

    A plain sum: the list's own way, which also knows images and searches, takes a hundred times as
    long.
    """
    got, gave, cached, written = (tokens_of[kind] or 0 for kind in _KINDS)
    total = (_rate(price.request, got) or 0.0) / _PER_KCOUNT
    for tokens, steps in (
        (max(0, got - cached - written), price.plain),
        (gave, price.output),
        (cached, price.cache_read),
        (written, price.cache_write),
    ):
        if not tokens:
            continue
        rate = _rate(steps, got)
        if rate is None:
            return None
        total += tokens * rate / _PER_MTOK
    return total


def _rate(steps: _Steps, input_tokens: int) -> float | None:
    """Return a rate for a call of this size: beyond a threshold all of its tokens cost more."""
    if len(steps) == 1:
        return steps[0][1]
    return next((usd for above, usd in reversed(steps) if input_tokens > above), None)
