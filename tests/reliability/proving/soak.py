"""Steady load for a long time, and the collector's memory by the minute."""

import statistics
import time
from collections.abc import Sequence
from typing import Final

from proving.judging import judge
from proving.outages import STEADY_SPANS_PER_S
from proving.sending import Writers, over_http
from proving.servers import collector, is_drained, postgres, wait_until
from proving.trial import Outcome, Task, say

WARM_UP_SHARE: Final = 0.3
"""Of the run: caches fill, allocators take what they keep."""

MAX_SLOPE_MIB_PER_H: Final = 30.0
"""28 bytes a span at this load; noise of a ten-minute run stays below a third of it."""

JUDGED_FROM_S: Final = 300.0
"""A shorter run tells nothing about growth."""

_SAMPLE_S: Final = 0.5


def run(task: Task) -> Outcome:
    """Write at a steady rate; the collector's memory must not climb once it is warm."""
    soak_s = task.scale.soak_s
    with (
        postgres(task.folder / "pg") as server,
        collector(server.url, task.folder / "data") as running,
    ):
        writers = Writers(over_http(running.port), STEADY_SPANS_PER_S)
        samples: list[tuple[float, float]] = []
        began_s, told_s = time.monotonic(), 0.0
        with writers.running():
            while (at_s := time.monotonic() - began_s) < soak_s:
                samples.append((at_s, running.resident_mib))
                if at_s - told_s > 60:
                    told_s = at_s
                    say(f"{at_s:.0f} s, {samples[-1][1]:.1f} MiB")
                time.sleep(_SAMPLE_S)
        wait_until(lambda: is_drained(running.port), "an empty spool")
        warm = [sample for sample in samples if sample[0] >= WARM_UP_SHARE * soak_s]
        slope = slope_per_s(warm) * 3_600
        is_judged = soak_s >= JUDGED_FROM_S
        broken = []
        if is_judged and slope > MAX_SLOPE_MIB_PER_H:
            broken.append(f"memory climbs by {slope:.0f} MiB an hour")
        rate = len(writers.acknowledged) / soak_s
        if rate < 0.95 * STEADY_SPANS_PER_S and is_judged:
            broken.append(f"only {rate:.0f} spans/s were taken")
        figures = (
            f"{rate:.0f} spans/s; memory {warm[0][1]:.1f} MiB when warm, {warm[-1][1]:.1f} at the "
            f"end, slope {slope:+.1f} MiB an hour"
            + ("" if is_judged else " (too short to judge the slope)")
        )
        tried = f"{soak_s:.0f} s at {STEADY_SPANS_PER_S:.0f} spans/s; 4 writers"
        return judge(server.url, writers, tried=tried, figures=figures, broken=broken)


def slope_per_s(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the straight line that fits the samples best."""
    at_s, values = zip(*samples, strict=True)
    return statistics.linear_regression(at_s, values).slope
