"""Whether a partition was materialised with the config that is in force for it today."""

from typing import Final

from pipeline_assets.dataset.asset import NO_FIELDS, LakeAsset
from pipeline_assets.dataset.values.config import changes, plain
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.staleness.versions import partition_version

UNKNOWN: Final = "nothing tells which config made it"


def config_change(
    asset: LakeAsset, key: str, record: PartitionRecord, *, keeps_overrides: bool = True
) -> str | None:
    """How the config of a published partition differs from today's, in words; None if it is it.

    Args:
        asset: The asset.
        key: The partition.
        record: What it was materialised from.
        keeps_overrides: Whether what a run has asked for stays in force.
    """
    config = asset.config(key, record.override if keeps_overrides else NO_FIELDS)
    if config is None:
        return None
    today = plain(config)
    if record.config is None:
        # Version 0.1 recorded the config only as a part of the version.
        same = partition_version(record.code_version, today, record.inputs)
        return None if record.version == same else UNKNOWN
    found = changes(type(config), record.config, today)
    told = ", ".join(f"{name} from {old} to {new}" for name, (old, new) in found.items())
    return f"its config changed: {told}" if told else None
