"""How tables are cut, one shared object each."""

import dagster as dg

from pipeline_assets.lake.partitioning import Partitioning

SPLITS = Partitioning("split", dg.StaticPartitionsDefinition(["train", "test"]))
CATEGORIES = Partitioning("category", dg.DynamicPartitionsDefinition(name="category"))
SNAPSHOTS = Partitioning("snapshot", dg.DynamicPartitionsDefinition(name="snapshot"))
