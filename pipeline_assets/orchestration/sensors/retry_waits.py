"""When a run that failed while nobody looked is tried again; no I/O here.

Dagster itself tries again at once, and only what crashed. An outage may last for hours, though,
and objects that landed meanwhile would stay unmade until somebody noticed. So what failed is tried
again a few times, each time after a longer wait. What is broken for good fails a few times more and
is given up.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

GRACE: Final = 86_400.0
"""For how long a retry that is due is still made, in seconds: the daemon may have been down."""


def is_time(number: int, ended: float, waits: Sequence[float], now: float) -> bool:
    """Whether a failed run is to be tried again now.

    Args:
        number: How often it was tried before.
        ended: When it failed, in seconds since 1970.
        waits: Before each further try, in seconds.
        now: In seconds since 1970.
    """
    if number >= len(waits):
        return False
    return waits[number] <= now - ended <= waits[number] + GRACE


def left(
    wanted: Collection[str], made: Collection[str], newer: Iterable[Collection[str]]
) -> frozenset[str]:
    """What a failed run has left to make.

    Args:
        wanted: The assets it should have made.
        made: Those that it has made.
        newer: The assets of each run that was started after it for the same partitions. However
            they end, it is they that count from then on.
    """
    return frozenset(wanted).difference(made, *newer)
