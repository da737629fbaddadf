"""How much processor time a test may take."""

import os

MOST_SECONDS = 20  # of processor time, that of started processes too: a busy machine fails no test


def processor_seconds() -> float:
    """What this process and the processes that it waited for have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def too_long(slow: bool, seconds: float) -> str:
    """Why a test cannot stay as it is, if it cannot."""
    if slow or seconds <= MOST_SECONDS:
        return ""
    return f"the test took {seconds:.0f} s of processor time: mark it slow, or let it take at most {MOST_SECONDS} s"
