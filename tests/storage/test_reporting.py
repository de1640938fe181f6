"""The views that dashboards and people query."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, Role, writes
from goldseam.storage.engine import connect

WHO_USED_AI = """
SELECT user_id, COUNT(*), MAX(created_at)
FROM ai_request_logs
GROUP BY user_id
"""

ERRORS_OF_TWO_HOURS = """
SELECT
    DATE_TRUNC('hour', created_at) as hora,
    COUNT(*) as total,
    SUM(CASE WHEN status = 'error' THEN 1 ELSE 0 END) as errors,
    100.0 * SUM(CASE WHEN status = 'error' THEN 1 ELSE 0 END) / COUNT(*) as error_rate
FROM ai_request_logs
WHERE created_at > NOW() - INTERVAL '2 hours'
GROUP BY 1 ORDER BY 1 DESC
"""

TOKENS_BY_PROVIDER = """
SELECT
    provider_used,
    COUNT(*) as requests,
    AVG(tokens_used) as avg_tokens,
    SUM(tokens_used) as total_tokens
FROM ai_request_logs
WHERE created_at > NOW() - INTERVAL '7 days'
GROUP BY provider_used
ORDER BY total_tokens
"""

SUCCESS_BY_STRATEGY = """
SELECT
    strategy_name,
    COUNT(*) as attempts,
    SUM(CASE WHEN was_successful = 'true' THEN 1 ELSE 0 END) as successes,
    100.0 * SUM(CASE WHEN was_successful = 'true' THEN 1 ELSE 0 END) / COUNT(*) as success_rate
FROM ai_error_recovery
GROUP BY strategy_name
ORDER BY success_rate DESC
"""


@pytest.fixture
def reader(
    database: str,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_step: Callable[..., RecoveryRecord],
    make_batch: Callable[..., Batch],
) -> psycopg.Connection:
    """Give Grafana's connection to a database with two calls, one of them seen twice."""
    now = datetime.now(UTC)
    at = now - timedelta(minutes=1)
    failed = make_request(1, created_at=at, user_id="ana", status="error", provider_used="openai")
    answered = make_request(2, created_at=at, user_id="ana", provider_used="ollama", tokens_used=30)
    copy = make_request(3, created_at=at, user_id="ana", tokens_used=30, duplicate_of=answered.id)
    steps = [make_step(answered), make_step(failed, 2, was_successful=False)]
    writes.write(writer, make_batch(failed, answered, copy, recoveries=steps), now)
    connection = connect(database, Role.GRAFANA)
    connection.execute("SET search_path = reporting")
    return connection


def test_who_used_ai_and_when(reader: psycopg.Connection) -> None:
    """The audit statement of the original design counts each call once."""
    with reader:
        [(user, calls, _last)] = reader.execute(WHO_USED_AI).fetchall()

    assert (user, calls) == ("ana", 2)


def test_errors_of_the_last_two_hours(reader: psycopg.Connection) -> None:
    """The statement that finds trouble gives the error rate in percent."""
    with reader:
        [(_hour, total, failed, rate)] = reader.execute(ERRORS_OF_TWO_HOURS).fetchall()

    assert (total, failed, rate) == (2, 1, 50)


def test_tokens_by_provider(reader: psycopg.Connection) -> None:
    """The cost statement adds up tokens per provider, unknown ones apart."""
    with reader:
        rows = reader.execute(TOKENS_BY_PROVIDER).fetchall()

    assert rows == [("ollama", 1, 30, 30), ("openai", 1, None, None)]


def test_success_by_strategy(reader: psycopg.Connection) -> None:
    """The strategy statement compares a boolean column with the text 'true'."""
    with reader:
        rows = reader.execute(SUCCESS_BY_STRATEGY).fetchall()

    assert rows == [("retry", 2, 1, 50)]
