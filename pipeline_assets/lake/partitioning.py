"""How a table is cut into partitions."""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class Partitioning:
    """A partition column and the Dagster definition of its keys.

    Attributes:
        column: Carried physically by every table cut this way; its text is the partition key.
        definition: One shared object per partitioning, so that Dagster maps partitions one to one.
    """

    column: str
    definition: dg.PartitionsDefinition[str]
