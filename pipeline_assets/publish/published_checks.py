"""Evaluates checks on what is published: nothing is computed and no row is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.inputs import InputSpec, LazyTable
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.router import Engines
from pipeline_assets.publish.asset_audit import partition_checks
from pipeline_assets.publish.audit import build_audit
from pipeline_assets.publish.io_managers import lazy_table
from pipeline_assets.staleness.audits import audit_version
from pipeline_assets.staleness.versions import input_versions
from spark_resources.job import AuditResult, Destination, Job, fresh_token

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake

PUBLISHED: Final = "published"
"""The asset's own table among the tables that a check looks at."""
_NO_ROWS: Final = "SELECT 0 AS nothing WHERE FALSE"


@dataclass(frozen=True)
class PublishedChecks:
    """Evaluates checks of published tables on the engine that computes the asset.

    Attributes:
        lake: Says where tables lie.
        store: What an engine leaves behind is removed from there.
        engines: Compute.
    """

    lake: "Lake"
    store: ObjectStore
    engines: Engines

    def evaluate(
        self, asset: LakeAsset, checks: Iterable[Check], tables: Mapping[str, LazyTable], log: Log
    ) -> Mapping[str, AuditResult]:
        """Count the rows that break promises between published tables.

        Args:
            asset: Whose promises.
            checks: The promises.
            tables: The tables by name, the asset's own as ``published``.
            log: Told about progress.

        Raises:
            PipelineError: The engine failed.
        """
        engine = self.engines.for_asset(asset.name)
        rows = {name: loaded.rows for name, loaded in tables.items()}
        token = fresh_token()
        # Not beside the table's files, if its catalog has put them where nothing can be removed.
        home = self.lake.access.place(asset.table)
        location = f"{home}/data/{token}"
        job = Job(
            token=token,
            kind="query",
            inputs={it: at for loaded in tables.values() for it, at in loaded.sources.items()},
            sql=_NO_ROWS,
            schema={"nothing": "long"},
            destination=Destination(location),
            audit=build_audit(rows[PUBLISHED], rows, checks, {}, engine.dialect),
            labels={"asset": asset.name, "check": "published"},
        )
        try:
            return {result.name: result for result in engine.run(job, log).audits}
        finally:
            left = [found.uri for found in self.store.list(location)]
            self.store.delete(left, below=home)

    def audit_again(
        self, asset: LakeAsset, tables: Mapping[str, LakeTable], log: Log
    ) -> Mapping[str, AuditResult]:
        """Audit all published partitions of an asset, with the inputs they were computed from.

        A partition whose inputs have changed since is left out: it will be materialised anew. If no
        check that is an error fails, the partitions' records say that they have passed.

        Args:
            asset: The asset.
            tables: Lake table by asset key (``domain/name``).
            log: Told about progress.

        Raises:
            PipelineError: The lake cannot be read, or the engine failed.
        """
        # Loaded when it is needed: to define assets takes no pyiceberg.
        from pipeline_assets.iceberg.audits import note_audit

        records = self.lake.records(asset.table)
        read = self._inputs(asset, tables, tuple(records))
        audited = {
            key: record
            for key, record in records.items()
            if input_versions(asset, read, key).items() <= dict(record.inputs).items()
        }
        read = self._inputs(asset, tables, tuple(audited))
        own = lazy_table(
            self.lake, InputSpec(PUBLISHED, asset.key, "table"), asset.table, tuple(audited)
        )
        checks = (*asset.all_checks, *partition_checks(asset, tuple(audited)))
        results = self.evaluate(asset, checks, {**read, PUBLISHED: own}, log)
        if not any(results[check.name].failed for check in checks if check.severity == "error"):
            note_audit(self.lake, asset.table, audited, audit_version(asset, tables))
        return results

    def _inputs(
        self, asset: LakeAsset, tables: Mapping[str, LakeTable], keys: tuple[str, ...]
    ) -> dict[str, LazyTable]:
        """The tables that an asset reads: of those cut like it, the same partitions."""
        return {
            spec.name: lazy_table(
                self.lake,
                spec,
                tables[spec.upstream],
                keys if _is_aligned(asset, spec, tables[spec.upstream]) else None,
            )
            for spec in asset.reads
            if spec.is_table
        }


def _is_aligned(asset: LakeAsset, spec: InputSpec, upstream: LakeTable) -> bool:
    is_cut = asset.partitioning is not None and upstream.partition_column is not None
    return is_cut and spec.partition_mapping is None
