"""What a call cost: the price list of a package, tokens of four kinds, no network."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from genai_prices import Usage, calc_price

from goldseam.collector.mapping.cost import is_unpriced, priced
from goldseam.storage.records import RequestRecord

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def call(provider: str, model: str, **values: Any) -> RequestRecord:
    """Make the row of a call."""
    return RequestRecord(
        tenant_id="acme",
        created_at=NOON,
        id=UUID(int=1),
        request_id="1",
        trace_id="a" * 32,
        span_id="b" * 16,
        status="success",
        provider_used=provider,
        provider_model=model,
        **values,
    )


@pytest.mark.parametrize("input_tokens", [1_000, 250_000], ids=["short", "beyond-a-threshold"])
@pytest.mark.parametrize(
    ("provider", "listed_as", "model"),
    [
        ("openai", "openai", "gpt-4o-2024-08-06"),
        ("anthropic", "anthropic", "claude-sonnet-4-5"),
        ("gcp.gemini", "google", "gemini-2.5-pro"),
    ],
)
def test_the_sum_is_the_price_lists_own(
    provider: str, listed_as: str, model: str, input_tokens: int
) -> None:
    """Input, cached input and output cost what the list's own calculation says, tiers included."""
    usage = {"input_tokens": input_tokens, "output_tokens": 300, "cache_read_tokens": 200}
    expected = calc_price(
        Usage(**usage), model, provider_id=listed_as, genai_request_timestamp=NOON
    ).total_price

    record = priced(call(provider, model, tokens_used=1_300, **usage))

    assert record.cost_usd == pytest.approx(float(expected))


def test_the_requested_model_is_priced_where_the_answering_one_is_unknown() -> None:
    """Gateways answer with names of their own."""
    tokens = {"input_tokens": 10, "tokens_used": 10}
    aliased = priced(call("openai", "alias-7", model_requested="gpt-4o", **tokens))

    assert aliased.cost_usd == priced(call("openai", "gpt-4o", **tokens)).cost_usd
    assert aliased.cost_usd


def test_a_cost_that_the_span_tells_is_kept() -> None:
    """The sender knows its own prices best."""
    record = call("openai", "gpt-4o", input_tokens=10, tokens_used=10, cost_usd=0.5)

    assert priced(record) == record


@pytest.mark.parametrize(("provider", "model"), [("ollama", "llama3.1"), ("openai", "mine")])
def test_a_model_without_a_price_costs_nothing_that_is_known(provider: str, model: str) -> None:
    """Null, not 0, and counted."""
    record = priced(call(provider, model, input_tokens=10, tokens_used=10))

    assert record.cost_usd is None
    assert is_unpriced(record)


def test_a_call_without_tokens_is_not_unpriced() -> None:
    """There is nothing to price."""
    assert not is_unpriced(priced(call("openai", "gpt-4o")))
