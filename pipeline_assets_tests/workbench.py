"""A lake, its definitions and a Dagster instance, ready for runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.reading.query import query
from pipeline_assets.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

Result = dg.ExecuteInProcessResult


@dataclass(frozen=True)
class Workbench:
    settings: Settings
    definitions: dg.Definitions
    assets: Sequence[LakeAsset]
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    @property
    def deployment(self) -> Deployment:
        return Deployment(self.settings)

    @property
    def lake(self) -> Lake:
        return self.deployment.lake

    @property
    def store(self) -> ObjectStore:
        return self.deployment.store(self.settings.lake_uri)

    @property
    def tables(self) -> dict[str, LakeTable]:
        return {str(asset.table): asset.table for asset in self.assets}

    def run(
        self, *keys: str, only: Iterable[str] = (), tags: Mapping[str, str] = MappingProxyType({})
    ) -> Result:
        """Make one partition, or the range from the first key to the last, in one run.

        Args:
            keys: None for tables without partitions.
            only: Tables to make; by default all that have partitions, or have none, as the keys.
            tags: Of the run.
        """
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[
                asset.key
                for asset in self.assets
                if (str(asset.table) in only if only else bool(keys) == bool(asset.partitioning))
            ],
            partition_key=keys[0] if len(keys) == 1 else None,
            tags={**tags, **({_FIRST: keys[0], _LAST: keys[-1]} if len(keys) > 1 else {})},
            run_config=_QUIET,
            raise_on_error=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with query(sql, self.lake, self.tables.values(), self.deployment.embedded) as answer:
            return list(answer.rows)

    def content(self, *names: str) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of tables, in a stable order."""
        return {name: self.query(f"SELECT * FROM {name} ORDER BY ALL") for name in names}


def failures(result: Result) -> list[str]:
    """What each failed step says, in Dagster's own field for it."""
    data = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return [str(item.user_failure_data and item.user_failure_data.description) for item in data]
