"""What every kind of job comes down to on the embedded engine: one last query."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import duckdb

from pipeline_assets.dataset.values.progress import Log
from spark_resources.job import Job


@dataclass(frozen=True)
class Prepared:
    """The query whose rows become the output, and facts about how it came to be."""

    sql: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Prepare: TypeAlias = Callable[[duckdb.DuckDBPyConnection, Job, Log], Prepared]
