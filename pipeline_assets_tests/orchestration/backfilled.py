"""The project's own definitions, where nothing runs unless it is asked for."""

import dagster as dg

from pipeline_assets.definitions import build_definitions
from pipeline_assets.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    whole = build_definitions(Settings.from_environment())
    return dg.Definitions(
        assets=whole.assets, resources=whole.resources, executor=dg.in_process_executor
    )
