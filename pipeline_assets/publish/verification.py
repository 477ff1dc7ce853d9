"""Whether what is published is there and sound, in the lake and at destinations outside it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from pipeline_assets.exports.exporter import Exporter
    from pipeline_assets.iceberg.tables import Lake
    from pipeline_assets.iceberg.upkeep.verification import Verified


@dataclass(frozen=True)
class Verifier:
    """Verifies tables and exports.

    Attributes:
        lake: The published tables.
        exporters: Imports and makes them, by the kind of destination.
        deep: Read every file instead of comparing lengths.
    """

    lake: "Lake"
    exporters: "Callable[[], Mapping[str, Exporter[Any]]]"
    deep: bool

    def verify(self, asset: LakeAsset) -> "Verified":
        """Verify an asset's table, and what it has exported.

        Raises:
            PipelineError: Catalog, storage, metadata or destination cannot be read.
        """
        found = self.verify_table(asset.table)
        # The list of what was exported is read only if its own files are sound.
        if asset.export is None or found.damages:
            return found
        listed = self._listed(asset.table)
        if not listed:
            return found
        exporter = self.exporters()[asset.export.kind]
        damages = exporter.damages(asset.export, listed, deep=self.deep)
        return replace(found, damages=tuple(damages))

    def verify_table(self, table: LakeTable) -> "Verified":
        """Verify a table that no asset computes.

        Raises:
            PipelineError: Catalog, storage or metadata cannot be read.
        """
        from pipeline_assets.iceberg.upkeep.verification import verify

        return verify(self.lake, table, deep=self.deep)

    def verify_all(
        self, assets: Iterable[LakeAsset]
    ) -> Iterator[tuple[LakeAsset, "Verified | PipelineError"]]:
        """Verify one asset after the other; one that cannot be does not keep the others."""
        for asset in assets:
            try:
                yield asset, self.verify(asset)
            except PipelineError as error:
                yield asset, error

    def _listed(self, table: LakeTable) -> dict[str, Mapping[str, Any]]:
        """What a table lists as exported, by partition key."""
        state = self.lake.read(table)
        # Rows load Arrow, and pandas with it: not for a list of which nothing is published.
        rows = self.lake.rows(table, state).to_pylist() if state.files else []
        column = table.partition_column
        return {str(row[column]) if column else "": row for row in rows}
