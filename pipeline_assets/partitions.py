"""How tables are cut, one shared object each."""

import dagster as dg

from pipeline_assets.lake.partitioning import Partitioning

SPLITS = Partitioning("split", dg.StaticPartitionsDefinition(["train", "test"]))
