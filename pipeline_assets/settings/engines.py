"""Which engine computes an asset, and the two that run on this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import AliasChoices, Field

from pipeline_assets.settings.values import Group

EngineName: TypeAlias = Literal["embedded", "spark", "emr", "emr-serverless", "athena"]


class EngineSettings(Group):
    """Which engine computes an asset, and the two that run on this machine."""

    engine: EngineName = Field("embedded", description="Engine that computes every asset.")
    engine_overrides: Mapping[str, EngineName] = Field(
        default_factory=dict,
        description='Engine per asset, as JSON of glob to engine: `{"taobao/*": "emr"}`.',
    )
    memory_limit_mib: int = Field(2048, ge=256, description="Embedded engine's memory, in MiB.")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Embedded engine's threads."
    )
    spill_dir: Path | None = Field(
        None, description="Where the embedded engine spills; a temporary folder by default."
    )
    java_home: str | None = Field(
        None,
        validation_alias=AliasChoices("java_home", "PIPELINE_JAVA_HOME", "JAVA_HOME"),
        description="Java 17 or 21 for local Spark; JAVA_HOME sets it too.",
    )
    spark_memory_mib: int = Field(2048, ge=512, description="Local Spark's heap, in MiB.")
    spark_conf: Mapping[str, str] = Field(
        default_factory=dict, description="Spark properties of every job, as JSON."
    )
