"""A thousand calls in flight are cancelled at any point: nothing goes on behind their backs."""

import asyncio
from collections import Counter
from functools import partial

from goldseam.recovery import Policy, RecoveryConfig, Step, Target, arecover

CALLS = 1000
POINTS = 60
"""Turns of the event loop over which the cancels are spread: before, in and between attempts."""


async def turns(count: int) -> None:
    """Let others run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _cancel_all() -> tuple[list[object], Counter[int], Counter[int]]:
    sent: Counter[int] = Counter()
    config = RecoveryConfig(mode="on", policy=Policy(max_attempts=8, max_attempts_per_provider=8))

    async def send(number: int, _step: Step) -> str:
        sent[number] += 1
        await turns(3)
        raise TimeoutError

    async def call(number: int) -> str:
        return await arecover(
            TimeoutError(),
            send=partial(send, number),
            asked=Target("main", "gpt-4o"),
            started_s=0.0,
            timeout_s=None,
            config=config,
            clock=lambda: 0.0,
            sleep=lambda _seconds: turns(3),
        )

    tasks = [asyncio.create_task(call(number)) for number in range(CALLS)]
    before: Counter[int] = Counter()
    for point in range(POINTS):
        for number in range(point, CALLS, POINTS):
            before[number] = sent[number]
            tasks[number].cancel()
        await turns(1)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    await turns(10)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return list(ends), before, sent


def test_no_attempt_follows_a_cancel_and_no_task_is_left() -> None:
    """Every call ends by its cancel or had ended before, and sends nothing after it."""
    ends, before, sent = asyncio.run(_cancel_all())
    kinds = Counter(type(end) for end in ends)

    assert set(kinds) <= {asyncio.CancelledError, TimeoutError}
    assert kinds[asyncio.CancelledError] > CALLS // 2
    assert len(set(before.values())) > 3
    assert sent == +before
