"""How a table is cut into partitions."""

from collections.abc import Sequence
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

    def keys(self, instance: dg.DagsterInstance) -> Sequence[str]:
        """All keys there are now."""
        return self.definition.get_partition_keys(dynamic_partitions_store=instance)

    def upstream_keys(
        self,
        key: str,
        upstream: "Partitioning",
        mapping: dg.PartitionMapping,
        instance: dg.DagsterInstance,
    ) -> Sequence[str]:
        """The partitions of an input that feed one partition."""
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
            self.definition.subset_with_partition_keys([key]),
            self.definition,
            upstream.definition,
            dynamic_partitions_store=instance,
        )
        return list(mapped.partitions_subset.get_partition_keys())
