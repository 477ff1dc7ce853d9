"""How time is cut into partitions; settings choose it without knowing Dagster."""

from datetime import date
from typing import Final, Literal, TypeAlias

Granularity: TypeAlias = Literal["daily", "hourly"]
FIRST_DAY: Final = date(2005, 1, 1)
