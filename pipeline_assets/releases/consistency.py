"""Whether the tables of a release were computed from one another."""

from collections.abc import Iterable, Iterator, Mapping

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.staleness.versions import input_version

Records = Mapping[str, PartitionRecord]


def contradictions(assets: Iterable[LakeAsset], records: Mapping[str, Records]) -> Iterator[str]:
    """Partitions that were computed from other versions of tables than those beside them.

    Args:
        assets: Of the tables.
        records: The published partitions of each asset by its name, as ``domain/name``.
    """
    for asset in assets:
        for key, record in records[asset.name].items():
            for spec in asset.inputs:
                beside = records.get(spec.upstream)
                if beside is None:
                    continue
                versions = {name: it.version for name, it in beside.items()}
                mapped = None
                if asset.partitioning and spec.partition_mapping:
                    mapping = spec.partition_mapping
                    partitioning = asset.partitioning
                    mapped = partitioning.upstream_keys(
                        key, partitioning, mapping, sorted(versions)
                    )
                if record.inputs.get(spec.name) != input_version(versions, key, mapped):
                    place = f"[{key}]" if key else ""
                    yield f"{asset.table}{place} was computed from another {spec.upstream}"
