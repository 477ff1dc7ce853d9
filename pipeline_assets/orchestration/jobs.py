"""The jobs whose runs `pipeline-assets update` starts: a line each on the UI's timeline.

A job of Dagster's has one partitioning, so there is one job for each column that tables are divided
by, such as `update_insert_date`, and `update_whole_tables` for tables that are not divided.
"""

import warnings
from collections.abc import Iterable
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import UnresolvedAssetJobDefinition
from pipeline_assets.dataset.asset import LakeAsset

UPDATE: Final = "update"
COMMAND_TAG: Final = "pipeline/command"


def update_job_name(column: str | None) -> str:
    """The job that updates tables divided by a column; None stands for tables that are not."""
    return f"{UPDATE}_{column or 'whole_tables'}"


def update_jobs(assets: Iterable[LakeAsset]) -> list[UnresolvedAssetJobDefinition]:
    """The jobs of all assets; each run takes those that are stale."""
    # The assets of a partitioning differ in how many partitions a run may take, and the command
    # sees to that itself.
    warnings.filterwarnings("ignore", "Asset job update_.* varying BackfillPolicies")
    divided: dict[str | None, list[dg.AssetKey]] = {}
    for asset in assets:
        divided.setdefault(asset.table.partition_column, []).append(asset.key)
    return [
        dg.define_asset_job(
            update_job_name(column),
            selection=dg.AssetSelection.assets(*keys),
            description="What `pipeline-assets update` runs: the assets and partitions that are "
            "stale. The command finds them; started here, the job takes all its assets.",
            tags={COMMAND_TAG: UPDATE},
        )
        for column, keys in divided.items()
    ]
