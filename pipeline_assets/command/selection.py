"""What `update` was asked for: some assets, a partition, or everything."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dagster as dg

from pipeline_assets.command.survey import Survey
from pipeline_assets.dagster_internals import AssetGraph
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.texts import nearest
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.zone import Listing

EXAMPLE: Final = "--select 'key:\"taobao/*\"'"


@dataclass(frozen=True)
class Selection:
    """The assets and the partition that somebody chose.

    Attributes:
        names: Of the assets.
        partition: A partition key; None for all.
    """

    names: frozenset[str]
    partition: str | None

    def holds(self, asset: LakeAsset, key: str) -> bool:
        """Whether a partition of an asset was chosen."""
        return asset.name in self.names and self.partition in (None, key)

    def assets(self, survey: Survey) -> list[LakeAsset]:
        """The chosen assets, in the order of their dependencies."""
        return [asset for asset in survey.in_order() if asset.name in self.names]

    def narrowed(self, survey: Survey) -> Survey:
        """A survey of only what was chosen and what that is computed from.

        So a vendor or a database that nobody asked about is neither listed nor waited for.
        """
        needed = set(self.names)
        for asset in reversed(survey.in_order()):
            if asset.name in needed:
                needed.update(spec.upstream for spec in asset.inputs)
        return replace(
            survey,
            assets=[asset for asset in survey.assets if asset.name in needed],
            sources=[it for it in survey.sources if it.key.to_user_string() in needed],
        )

    def of(self, listings: Mapping[str, Listing]) -> Mapping[str, Listing]:
        """What has landed of the chosen partition, and what might have been meant for it."""
        key = self.partition
        if key is None:
            return listings
        return {
            name: Listing(
                {it: found for it, found in listing.partitions.items() if it == key},
                tuple(problem for problem in listing.problems if key in problem),
                listing.is_whole,
            )
            for name, listing in listings.items()
        }

    def require_partition(self, survey: Survey, listings: Mapping[str, Listing]) -> None:
        """Refuse a key that is no partition of anything that was chosen.

        Raises:
            PipelineError: There is none; the message says what keys look like.
        """
        if self.partition is None or any(
            self.partition in listing.partitions for listing in listings.values()
        ):
            return
        chosen = [asset for asset in survey.assets if asset.name in self.names]
        partitionings = {
            it.partitioning.column: it.partitioning for it in chosen if it.partitioning
        }
        if not any(it.has_key(self.partition, survey.instance) for it in partitionings.values()):
            known = "; ".join(
                f"{column}: {_some(it.keys(survey.instance))}"
                for column, it in partitionings.items()
            )
            raise PipelineError(
                f"--partition '{self.partition}' is no partition of what was chosen; "
                f"there are {known or 'no partitions'}"
            )


def selection(
    assets: Iterable[LakeAsset],
    select: str | None,
    partition: str | None,
    graph: Callable[[], AssetGraph],
) -> Selection:
    """Understand what was asked for.

    Args:
        assets: All there are.
        select: A selection in Dagster's words; None for all.
        partition: A partition key; None for all.
        graph: Builds the graph, which only a selection needs.

    Raises:
        PipelineError: The selection cannot be read, or there is no such asset.
    """
    names = [asset.name for asset in assets]
    if select is None:
        return Selection(frozenset(names), partition)
    chosen = frozenset(_resolved(graph(), select, names)).intersection(names)
    if not chosen:
        raise PipelineError(f"--select {select!r} chooses no asset; {_hint(select, names)}")
    return Selection(chosen, partition)


def _resolved(graph: AssetGraph, select: str, names: Collection[str]) -> Collection[str]:
    try:
        keys = dg.AssetSelection.from_string(select).resolve(graph)
    except Exception as error:
        # Dagster's parser raises its own errors, those of its grammar, and plain ones.
        raise PipelineError(
            f"--select {select!r} is no selection of assets; {_hint(select, names)}"
        ) from error
    return [key.to_user_string() for key in keys]


def _hint(select: str, names: Collection[str]) -> str:
    meant = select.strip("\"'").removeprefix("key:").strip("\"'").replace(".", "/")
    near = nearest(meant, names)
    return f"did you mean --select {near}?" if near else f"write it like {EXAMPLE}"


def _some(keys: Sequence[str]) -> str:
    return f"{keys[0]} … {keys[-1]}" if len(keys) > 3 else ", ".join(keys) or "none yet"
