"""The result of preparing a job: one last query.

Every kind of job is a function that prepares it, for example by training a model. The engine then
writes the rows of the last query, whatever the kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import duckdb

from pipeline_assets.dataset.values.progress import Log
from spark_resources.job import Job


@dataclass(frozen=True)
class Prepared:
    """The query whose rows become the output, and facts about the preparation for the manifest."""

    sql: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Prepare: TypeAlias = Callable[[duckdb.DuckDBPyConnection, Job, Log], Prepared]
