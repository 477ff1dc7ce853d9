"""Aggregates of a job's result that are taken from its rows while these are written.

They cost no second reading of the files. Spark counts a task's rows once, from the attempt whose
files are kept. How Spark hands the aggregates over is another matter: an overloaded driver may drop
the message. So they are only believed where they count as many rows as the footers of the files;
otherwise the caller reads the files.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as sf

PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Observed:
    """Aggregates of rows that Spark passes on to a writer.

    Attributes:
        expressions: Aggregate expressions in Spark's SQL, by name.
        observation: Where Spark puts their values.
    """

    expressions: Mapping[str, str]
    observation: Observation

    def values(self) -> Mapping[str, Any] | None:
        """The aggregates' values once the rows are written; None if Spark does not say them."""
        found: list[Mapping[str, Any]] = []
        # Spark's own call waits for ever; as a daemon its thread keeps no process from ending.
        waiting = threading.Thread(
            target=lambda: found.append(self.observation.get), name="observation", daemon=True
        )
        waiting.start()
        waiting.join(PATIENCE_SECONDS)
        return named(found[0], self.expressions) if found and found[0] else None


def observe(frame: DataFrame, expressions: Mapping[str, str]) -> tuple[DataFrame, Observed]:
    """The same rows, of which aggregates are taken as they pass."""
    observation = Observation()
    observed = frame.observe(observation, *map(sf.expr, numbered(expressions)))
    return observed, Observed(expressions, observation)


def numbered(expressions: Mapping[str, str]) -> list[str]:
    """The different expressions, each under the name of its place: many checks ask the same."""
    different = dict.fromkeys(expressions.values())
    return [f"{sql} AS {_name(place)}" for place, sql in enumerate(different)]


def named(values: Mapping[str, Any], expressions: Mapping[str, str]) -> dict[str, Any]:
    """The values of numbered expressions, by the names of the expressions."""
    places = {sql: place for place, sql in enumerate(dict.fromkeys(expressions.values()))}
    return {name: values[_name(places[sql])] for name, sql in expressions.items()}


def _name(place: int) -> str:
    return f"observed_{place}"
