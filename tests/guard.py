"""How much processor time a test may take."""

import os
import time

MOST_SECONDS = 20  # of processor time, that of started processes too: a busy machine fails no test
USUAL_SECONDS = 0.041  # of the sum in `slowness`, where the limit was set


def processor_seconds() -> float:
    """What this process and the processes that it waited for have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def slowness() -> float:
    """How many times as long as where the limit was set this machine takes for a sum, at least once."""
    times = []
    for _ in range(3):
        start = time.process_time()
        sum(number * number for number in range(1_000_000))
        times.append(time.process_time() - start)
    return max(1.0, min(times) / USUAL_SECONDS)


def too_long(slow: bool, seconds: float) -> str:
    """Why a test cannot stay as it is, if it cannot."""
    if slow or seconds <= MOST_SECONDS or seconds <= MOST_SECONDS * slowness():
        return ""
    return f"the test took {seconds:.0f} s of processor time: mark it slow, or let it take at most {MOST_SECONDS} s"
