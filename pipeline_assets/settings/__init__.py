"""All settings of the project, one module for each group of them."""

from pipeline_assets.settings.engines import EngineName
from pipeline_assets.settings.settings import GROUPS, PREFIX, Settings

__all__ = ["GROUPS", "PREFIX", "EngineName", "Settings"]
