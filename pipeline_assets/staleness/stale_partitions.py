"""Which partitions are stale, and why.

A partition's record holds the versions of its inputs and of the code that it was materialised from.
The partition is stale when one of them differs from today's version, or when an input is stale
itself. Dates are never compared: a restored input with an old date counts as well as a new one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pipeline_assets.dagster_internals import DynamicPartitionsStore
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import ABSENT, InputSpec
from pipeline_assets.dataset.values.table import WHOLE_TABLE, PartitionRecord
from pipeline_assets.staleness.configs import config_change
from pipeline_assets.staleness.outside_systems import EMPTY, OutsideVersions
from pipeline_assets.staleness.versions import (
    code_version,
    digest,
    former_code_version,
    input_version,
    prefix_digests,
)

NEVER: Final = "never published"
CODE: Final = "its code changed"
FORCED: Final = "asked for again"

IsForced: TypeAlias = Callable[[LakeAsset, str], bool]


def nothing_forced(_asset: LakeAsset, _key: str) -> bool:
    """The default: no partition is materialised unless it is stale."""
    return False


@dataclass(frozen=True)
class Stale:
    """A partition that has to be materialised.

    Attributes:
        asset: The asset.
        key: The partition key.
        reason: Why it is stale, for people.
        stage: A run can materialise the partitions of one key and one stage together; stages follow
            one another. The stage rises where an input's partition of another key comes first.
    """

    asset: LakeAsset
    key: str
    reason: str
    stage: int = 0


@dataclass(frozen=True)
class GraphState:
    """What is published and what has landed, at one moment.

    Attributes:
        assets: All assets in the order of their dependencies.
        code_versions: Code version by asset name.
        records: Record of each published partition, by asset name, then by partition key.
        landed: Version of each landing source's partitions, by asset name, then by partition key.
        instance: Knows the dynamic partitions, as a Dagster instance does.
        outside: The versions of systems outside the lake.
        is_forced: Whether somebody asked to materialise a partition although it is not stale.
        keeps_overrides: Whether the config that a run has asked for stays in force.
    """

    assets: Sequence[LakeAsset]
    code_versions: Mapping[str, str]
    records: Mapping[str, Mapping[str, PartitionRecord]]
    landed: Mapping[str, Mapping[str, str]]
    instance: DynamicPartitionsStore
    outside: OutsideVersions = field(default_factory=OutsideVersions)
    is_forced: IsForced = nothing_forced
    keeps_overrides: bool = True


def stale_partitions(state: GraphState) -> list[Stale]:
    """All stale partitions in the order of their dependencies."""
    survey = _Survey(state)
    for asset in state.assets:
        survey.visit(asset)
    return survey.stale


class _Survey:
    """Visits the assets in order, so that it knows what becomes of their inputs."""

    def __init__(self, state: GraphState) -> None:
        self._state = state
        self._tables = {asset.name: asset.table for asset in state.assets}
        self._partitionings = {asset.name: asset.partitioning for asset in state.assets}
        self._available = {name: set(keys) for name, keys in state.landed.items()}
        self._stale: dict[str, dict[str, Stale]] = {}
        self._stages: dict[str, set[int]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._versions: dict[str, Mapping[str, str]] = {}
        self._histories: dict[str, tuple[list[str], list[str]]] = {}
        self._mapped: dict[tuple[str, str], tuple[str, Sequence[str]]] = {}
        self._former_code_versions: dict[str, str] = {}
        self._configured_versions: dict[tuple[str, str], str] = {}

    @property
    def stale(self) -> list[Stale]:
        return [stale for found in self._stale.values() for stale in found.values()]

    def visit(self, asset: LakeAsset) -> None:
        published = self._state.records.get(asset.name, {})
        wanted = self._wanted_keys(asset)
        for key in sorted(wanted):
            reason = self._reason(asset, key, published.get(key))
            if reason:
                found = Stale(asset, key, reason, self._stage(asset, key))
                self._stale.setdefault(asset.name, {})[key] = found
                self._stages.setdefault(asset.name, set()).add(found.stage)
        # Assets downstream may count on the partitions that this update will materialise.
        self._available[asset.name] = set(published) | wanted

    def _wanted_keys(self, asset: LakeAsset) -> set[str]:
        """Partitions whose required inputs exist or will exist; of optional ones alone, any."""
        if asset.name in self._state.outside.idle or asset.keeps_newest:
            return set()
        cut, found = asset.partitioning, self._available
        own = [spec.around(cut, found.get(spec.upstream, set())) for spec in asset.inputs]
        if asset.name in self._state.outside.versions:
            return self._windows_of_system(asset) if all(own) else set()
        if asset.partitioning is None:
            return {WHOLE_TABLE} if all(own) else set()
        aligned = [
            (spec, available)
            for spec, available in zip(asset.inputs, own, strict=True)
            if self._is_aligned(asset, spec)
        ]
        if aligned:
            required = [available for spec, available in aligned if not spec.optional]
            return set.intersection(*required) if required else set.union(*dict(aligned).values())
        if any(spec.partition_mapping for spec in asset.inputs):
            # With mapped and unmapped inputs: where any input has the partition of the same key.
            return asset.partitioning.known(set.union(*own), self._state.instance)
        return set(asset.partitioning.keys(self._state.instance)) if all(own) else set()

    def _windows_of_system(self, asset: LakeAsset) -> set[str]:
        """Windows for which the asset's system is to be read.

        Besides those that the system knows of, there are those of other systems and of what has
        landed: every table of a day exists, even if that day only had reviews. One that holds rows
        of a system that knows nothing of it any more stays as it is.
        """
        known = self._state.outside.versions[asset.name]
        if not known:
            return set()
        published = self._state.records.get(asset.name, {})
        others = {
            key
            for name, keys in self._keys_from_outside().items()
            if self._partitionings.get(name) is asset.partitioning
            for key in keys
        }
        empty = {
            key
            for key in others - set(known)
            if key not in published or published[key].inputs.get(asset.system or "") == EMPTY
        }
        return set(known) | empty

    def _keys_from_outside(self) -> Mapping[str, Collection[str]]:
        """By the name of an asset that reads the outside world, the partitions it finds there."""
        landed = {
            asset.name: self._state.landed[spec.upstream]
            for asset in self._state.assets
            for spec in asset.inputs
            if spec.upstream in self._state.landed
        }
        return {**landed, **self._state.outside.versions}

    def _reason(self, asset: LakeAsset, key: str, record: PartitionRecord | None) -> str | None:
        if record is None:
            return NEVER
        if self._state.is_forced(asset, key):
            return FORCED
        changed = None if asset.refreshes_on_request else self._changed_input(asset, key, record)
        keeps_overrides = self._state.keeps_overrides
        changed = changed or config_change(asset, key, record, keeps_overrides=keeps_overrides)
        if changed or record.code_version == self._code_version(asset, key, record):
            return changed
        # Lakes of version 0.1 recorded another hash of the same code.
        return None if record.code_version == self._former_code_version(asset) else CODE

    def _code_version(self, asset: LakeAsset, key: str, record: PartitionRecord) -> str:
        """The version of today's code with the config that is in force for a partition."""
        config = asset.config(key, record.override)
        if config == asset.config():
            return self._state.code_versions[asset.name]
        at = asset.name, repr(config)
        if at not in self._configured_versions:
            self._configured_versions[at] = code_version(asset, self._tables, config)
        return self._configured_versions[at]

    def _former_code_version(self, asset: LakeAsset) -> str:
        """Compiled once per asset, because every partition of an old lake asks for it."""
        if asset.name not in self._former_code_versions:
            version = former_code_version(asset, self._tables)
            self._former_code_versions[asset.name] = version
        return self._former_code_versions[asset.name]

    def _changed_input(self, asset: LakeAsset, key: str, record: PartitionRecord) -> str | None:
        for spec in asset.inputs:
            keys = self._upstream_keys(asset, spec, key)
            # A stale input will get a new version, which nobody knows yet.
            if not self._stale.get(spec.upstream, {}).keys().isdisjoint(keys):
                return f"{spec.name} is materialised again"
            if self._version(asset, spec, key, keys) != record.inputs.get(spec.name):
                return f"{spec.name} changed"
        if asset.system and self._outside(asset, key) != record.inputs.get(asset.system):
            return f"the {asset.system} database changed"
        return None

    def _outside(self, asset: LakeAsset, key: str) -> str | None:
        """The version that a record written now would hold for the asset's outside system."""
        outside = self._state.outside
        if asset.name in outside.versions:
            return outside.versions[asset.name].get(key, EMPTY)
        return outside.destinations.get(asset.name)

    def _stage(self, asset: LakeAsset, key: str) -> int:
        stages = [
            self._latest(spec.upstream, self._upstream_keys(asset, spec, key))
            + (not self._is_aligned(asset, spec))
            for spec in asset.inputs
            if spec.upstream in self._stale
        ]
        return max([0, *stages])

    def _latest(self, upstream: str, keys: Sequence[str]) -> int:
        """The latest stage in which one of some partitions is made; before the first if none is."""
        stale = self._stale[upstream]
        stages = self._stages[upstream]
        if stale.keys().isdisjoint(keys):
            return -1
        # Mostly all are made in the same stage, and nobody has to go through thousands.
        return (
            min(stages) if len(stages) == 1 else max(stale[it].stage for it in keys if it in stale)
        )

    def _version(self, asset: LakeAsset, spec: InputSpec, key: str, keys: Iterable[str]) -> str:
        """The version that a record written now would hold for this input."""
        versions = self._versions_of(spec.upstream)
        if spec.optional and self._is_aligned(asset, spec):
            return versions.get(key, ABSENT)
        read = [upstream for upstream in keys if upstream in versions]
        if asset.partitioning is not None and spec.partition_mapping is not None:
            return self._digest(spec.upstream, read)
        return input_version({name: versions[name] for name in read}, key, None)

    def _digest(self, upstream: str, read: Sequence[str]) -> str:
        """Of the versions of some partitions; quick for the first ones up to any of them."""
        versions = self._versions_of(upstream)
        if upstream not in self._histories:
            self._histories[upstream] = sorted(versions), prefix_digests(versions)
        names, digests = self._histories[upstream]
        if names[: len(read)] == read:
            return digests[len(read)]
        return digest({name: versions[name] for name in read})

    def _versions_of(self, upstream: str) -> Mapping[str, str]:
        if upstream not in self._versions:
            records = self._state.records.get(upstream, {})
            self._versions[upstream] = self._state.landed.get(upstream) or {
                key: record.version for key, record in records.items()
            }
        return self._versions[upstream]

    def _upstream_keys(self, asset: LakeAsset, spec: InputSpec, key: str) -> Sequence[str]:
        if self._is_aligned(asset, spec):
            return [key]
        if spec.upstream not in self._sorted:
            self._sorted[spec.upstream] = sorted(self._available.get(spec.upstream, ()))
        available = self._sorted[spec.upstream]
        upstream = self._partitionings.get(spec.upstream)
        if upstream is None or asset.partitioning is None or spec.partition_mapping is None:
            return available
        at = asset.name, spec.name
        # Whoever asks for a partition asks twice; to keep the answers for all would fill memory.
        if self._mapped.get(at, ("", ()))[0] != key:
            mapping, instance = spec.partition_mapping, self._state.instance
            keys = asset.partitioning.upstream_keys(key, upstream, mapping, available, instance)
            self._mapped[at] = key, keys
        return self._mapped[at][1]

    def _is_aligned(self, asset: LakeAsset, spec: InputSpec) -> bool:
        """Whether exactly the input's partition of the same key feeds a partition."""
        is_landed = spec.upstream in self._state.landed
        is_partitioned = is_landed or self._partitionings.get(spec.upstream) is not None
        return is_partitioned and asset.partitioning is not None and spec.partition_mapping is None
