"""The project's own definitions, where failed ranges are divided and nothing else starts runs."""

import dagster as dg

from pipeline_assets.definitions import DATASETS, build_definitions
from pipeline_assets.orchestration.sensors.division_sensor import division_sensor
from pipeline_assets.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    whole = build_definitions(Settings.from_environment())
    return dg.Definitions(
        assets=whole.assets,
        resources=whole.resources,
        sensors=[division_sensor(DATASETS.assets, seconds=1)],
        executor=dg.in_process_executor,
    )
