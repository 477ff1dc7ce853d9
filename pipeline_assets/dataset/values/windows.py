"""What settings may say of windows of time; the partitionings themselves need Dagster."""

from datetime import date
from typing import Final, Literal, TypeAlias

Granularity: TypeAlias = Literal["daily", "hourly"]
FIRST_DAY: Final = date(2005, 1, 1)
"""The first window, unless the settings say otherwise."""
LAST_DAY: Final = date(9998, 12, 31)
"""The last window of the year after it would end at a moment that Python has no date for."""
FIRST_EVENT_DAY: Final = date(2025, 12, 1)
"""The first day of hourly events, likewise; Dagster counts all hours since."""
FIRST_MONTH: Final = date(2026, 1, 1)
"""The first month of page views, likewise; each month costs requests, so it is a recent one."""
