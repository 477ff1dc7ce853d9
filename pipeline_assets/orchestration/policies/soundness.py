"""Asset checks that what is published is still there, and is still what was written.

Nobody else would notice a file that a disk, a person or a program has damaged before somebody reads
wrong rows. By default the checks compare lengths, which takes seconds; a run with the tag
:data:`DEEP_TAG` reads every file and compares its checksum.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.errors import PipelineError
from pipeline_assets.publish.io_managers import LakeIOManager
from pipeline_assets.publish.staging import Stager
from pipeline_assets.publish.verification import Verifier

NAME: Final = "files_sound"
DEEP_TAG: Final = "pipeline/deep"
LISTED: Final = 100
"""How many damages the metadata of a check lists."""


def soundness_checks(assets: Sequence[LakeAsset]) -> dg.AssetChecksDefinition:
    """One check for each asset."""
    watched = {asset.key: asset for asset in assets}

    @dg.multi_asset_check(
        name="soundness",
        description="Compares what is published with what is there.",
        specs=[
            dg.AssetCheckSpec(
                NAME,
                asset=key,
                description="Every published file, export and row in the warehouse is there.",
            )
            for key in watched
        ],
        can_subset=True,
        required_resource_keys={"lake_io_manager", "stager"},
    )
    def check_soundness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        manager: LakeIOManager = context.resources.lake_io_manager
        stager: Stager = context.resources.stager
        is_deep = DEEP_TAG in context.run.tags
        verifier = Verifier(manager.lake, stager.exporters, deep=is_deep)
        for selected in sorted(context.selected_asset_check_keys):
            yield _result(watched[selected.asset_key], verifier)

    return check_soundness


def _result(asset: LakeAsset, verifier: Verifier) -> dg.AssetCheckResult:
    damages, files, unsealed = list[str](), 0, 0
    try:
        found = verifier.verify(asset)
        damages, files, unsealed = [str(it) for it in found.damages], found.files, found.unsealed
    except PipelineError as error:
        damages = [str(error)]
    return dg.AssetCheckResult(
        passed=not damages,
        asset_key=asset.key,
        check_name=NAME,
        severity=dg.AssetCheckSeverity.ERROR,
        description=damages[0] if damages else f"{files} files are as they were published.",
        metadata={
            "files": files,
            "without_checksum": unsealed,
            "damages": len(damages),
            "damaged": damages[:LISTED],
        },
    )
