"""Which config a run materialises a partition with.

It is what the deployment declares, and above it what a run has asked for. The partition's record
remembers that, so the next run of whoever it may be uses it, too, until somebody asks for something
else or wants the declared config back.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.config import Fields, plain
from pipeline_assets.dataset.values.table import PartitionRecord

DECLARED_TAG: Final = "pipeline/declared_config"
"""Of a run that forgets what runs before it have asked for."""


@dataclass(frozen=True)
class RunConfig:
    """The config of one run for one partition.

    Attributes:
        config: All fields; None if the asset has no config.
        override: The fields that differ from the declared config because a run has asked for it.
    """

    config: dg.Config | None = None
    override: Fields = field(default_factory=dict)


def run_config(
    asset: LakeAsset, key: str, given: Fields, record: PartitionRecord | None
) -> RunConfig:
    """Put the config of a run together.

    Args:
        asset: The asset.
        key: The partition.
        given: The fields that the run itself brings.
        record: What the partition is published from, if what runs have asked for counts.
    """
    config = asset.config(key, {**(record.override if record else {}), **given})
    declared = asset.config(key)
    if config is None or declared is None:
        return RunConfig()
    before = plain(declared)
    override = {name: it for name, it in plain(config).items() if it != before[name]}
    return RunConfig(config, override)


def given_fields(context: dg.AssetExecutionContext, config: dg.Config) -> dict[str, Any]:
    """The fields that somebody has typed into the run's config; Dagster has filled in the rest."""
    step = context.op_execution_context.op.name
    launched: Any = context.run.run_config
    typed = launched.get("ops", {}).get(step, {}).get("config", {})
    return {name: value for name, value in plain(config).items() if name in typed}
