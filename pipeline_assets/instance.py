"""The Dagster instance that the command line and the UI share."""

from pathlib import Path
from typing import Final

import dagster as dg

from pipeline_assets.lake.catalog import told_in_one_line

CONFIG_FILE: Final = "dagster.yaml"
_MINIMAL: Final = "telemetry:\n  enabled: false\n"


def open_instance(home: Path, project: Path) -> dg.DagsterInstance:
    """Open the instance below a Dagster home, made ready if it is new.

    Args:
        home: The Dagster home.
        project: Folder whose ``dagster.yaml`` a new home links to; without one, telemetry is off
            and everything else is Dagster's default.

    Raises:
        PipelineError: Dagster's storage cannot be read or written, as on a disk that is full.
    """
    home = home.resolve()
    with told_in_one_line(f"open Dagster's storage in {home}"):
        _make(home, project)
        return dg.DagsterInstance.from_config(str(home))


def _make(home: Path, project: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    config = home / CONFIG_FILE
    if not config.exists():
        shared = (project / CONFIG_FILE).resolve()
        if shared.exists():
            config.symlink_to(shared)
        else:
            config.write_text(_MINIMAL)
