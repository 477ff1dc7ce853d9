"""Schedules: the nightly maintenance of tables, and the search for missing time windows."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.publish.io_managers import LakeIOManager
from pipeline_assets.publish.verification import Verifier

HOURLY_CHECK: Final = "55 * * * *"
DAILY_CHECK: Final = "30 8 * * *"
"""Some minutes after the last layer is due, so that nothing on time is reported missing."""
MAINTENANCE: Final = "15 3 * * *"
LENGTHS: Final = "45 3 * * *"
CONTENTS: Final = "0 1 * * 0"
"""At the quietest hour of the week: it reads the whole lake."""
LISTED: Final = 100
"""How many damages the metadata of a failed verification lists."""
KEPT: Final = timedelta(days=7)
"""How far back tables can be restored. A run that lasts longer could lose files it reads."""


def maintenance_schedule(
    tables: Sequence[LakeTable], compacted: Collection[LakeTable]
) -> dg.ScheduleDefinition:
    """The schedule that expires old snapshots and removes what was found to be garbage before.

    Args:
        tables: The tables to clean.
        compacted: Those of them that grow by many small files.
    """

    @dg.op(
        description="Compacts the profiles, expires snapshots, condemns orphans and removes those "
        "that were condemned a week before, table by table.",
        required_resource_keys={"lake_io_manager"},
    )
    def clean_lake(context: dg.OpExecutionContext) -> None:
        from pipeline_assets.iceberg.upkeep.cleaning import clean

        manager: LakeIOManager = context.resources.lake_io_manager
        before, problems = datetime.now(UTC) - KEPT, list[str]()
        for cleaned in clean(manager.lake, manager.store, tables, before, compacted=compacted):
            context.log.info(str(cleaned))
            problems += [cleaned.problem] if cleaned.problem else []
        if problems:
            raise dg.Failure("; ".join(problems), allow_retries=False)

    @dg.job(description="What `pipeline-assets clean` does, on a schedule.")
    def maintenance() -> None:
        clean_lake()

    return dg.ScheduleDefinition(
        name="maintenance",
        job=maintenance,
        cron_schedule=MAINTENANCE,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Expires snapshots older than a week, lists files that nothing names, "
        "and removes those that an earlier run has listed.",
    )


def completeness_schedule(
    checks: dg.AssetChecksDefinition, *, is_hourly: bool
) -> dg.ScheduleDefinition:
    """The schedule that looks for missing windows once the last one is due in every layer."""
    return dg.ScheduleDefinition(
        name="completeness",
        target=dg.AssetSelection.checks(checks),
        cron_schedule=HOURLY_CHECK if is_hourly else DAILY_CHECK,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks for time windows that are due and not published.",
    )


def verification_schedules(assets: Sequence[LakeAsset]) -> list[dg.ScheduleDefinition]:
    """The schedules that compare lengths every day, and read everything once a week.

    They are jobs and no asset checks, which Dagster would evaluate with every materialisation.
    """
    return [
        _verification("verification", LENGTHS, assets, deep=False),
        _verification("deep_verification", CONTENTS, assets, deep=True),
    ]


def _verification(
    name: str, cron: str, assets: Sequence[LakeAsset], *, deep: bool
) -> dg.ScheduleDefinition:
    how = "compares checksums of all that is published" if deep else "compares lengths"

    @dg.op(
        name=f"{name}_of_tables",
        description=f"Looks for damaged files, exports and warehouse rows: {how}.",
        required_resource_keys={"lake_io_manager", "stager"},
    )
    def verify_tables(context: dg.OpExecutionContext) -> None:
        lake, stager = context.resources.lake_io_manager.lake, context.resources.stager
        damages: list[str] = []
        for asset, found in Verifier(lake, lambda: stager.exporters, deep=deep).verify_all(assets):
            context.log.info(str(found))
            own = [found] if isinstance(found, PipelineError) else found.damages
            damages += [f"{asset.table}: {damage}" for damage in own]
        if damages:
            more = f" and {len(damages) - 1} more" if damages[1:] else ""
            raise dg.Failure(
                f"{damages[0]}{more}; to mend it: pipeline-assets update --repair",
                metadata={"damages": dg.MetadataValue.json(damages[:LISTED])},
                allow_retries=False,
            )

    @dg.job(name=name, description="What `pipeline-assets verify` does, on a schedule.")
    def verification() -> None:
        verify_tables()

    return dg.ScheduleDefinition(
        name=name,
        job=verification,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Looks for damage: {how}.",
    )
