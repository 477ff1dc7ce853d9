"""When a failed run is retried, and which of its assets; no I/O here.

Dagster retries a crashed run at once. An outage may last for hours, however, and nobody would
materialise what has landed meanwhile. So a failed run is retried a few times, after longer and
longer waits. A run that fails every time is given up.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

GRACE: Final = 86_400.0
"""For how many seconds a due retry may be late: the daemon may have been down."""


def is_due(number: int, ended: float, waits: Sequence[float], now: float) -> bool:
    """Whether a failed run is to be retried now.

    Args:
        number: How many retries came before.
        ended: When the run failed, in seconds since 1970.
        waits: Seconds to wait before each retry.
        now: In seconds since 1970.
    """
    if number >= len(waits):
        return False
    return waits[number] <= now - ended <= waits[number] + GRACE


def remaining_assets(
    selected: Collection[str], materialised: Collection[str], newer: Iterable[Collection[str]]
) -> frozenset[str]:
    """The assets of a failed run that a retry has to materialise.

    Args:
        selected: The assets of the run.
        materialised: Those that the run has materialised before it failed.
        newer: The assets of each run that was started later for the same partitions. However such
            a run ends, its own failure and its own retries count from then on.
    """
    return frozenset(selected).difference(materialised, *newer)
