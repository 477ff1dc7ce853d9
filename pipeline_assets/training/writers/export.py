"""Writing a release in one of the formats: whole, or not at all."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.release import Release
from pipeline_assets.training.writers import (
    fuxictr,
    parquet,
    recbole,
    torch_rechub,
    torcheasyrec,
)
from pipeline_assets.training.writers.options import Choice, Losses, Options
from pipeline_assets.training.writers.training_set import TrainingSet, training_set

FORMATS: Final[Mapping[str, Callable[[TrainingSet, Path, Options], Losses]]] = {
    "parquet": parquet.write,
    "recbole": recbole.write,
    "fuxictr": fuxictr.write,
    "torcheasyrec": torcheasyrec.write,
    "torch-rechub": torch_rechub.write,
}
MANIFEST: Final = "export.json"


@dataclass(frozen=True)
class Export:
    """What was written; it lies beside the files as ``export.json``.

    Attributes:
        release: The release.
        format: The format.
        table: The table of the rows.
        snapshots: The snapshot of each table of the release.
        rows: Rows of each part.
        lost: How much the format had no place for, by what it is.
    """

    release: str
    format: str
    table: str
    snapshots: Mapping[str, int]
    rows: Mapping[str, int]
    lost: Mapping[str, int]


def export(
    release: Release, lake: OpenLake, to: Path, format_: str, choice: Choice, options: Options
) -> Export:
    """Write the rows of a released table, and what they refer to, into a new folder.

    Args:
        release: The release.
        lake: Its lake.
        to: The folder, whose name is that of the data set; it appears when all is written.
        format_: One of :data:`FORMATS`.
        choice: What to write.
        options: How.

    Raises:
        PipelineError: The folder is there, there is no such format, or the table cannot be read.
    """
    if format_ not in FORMATS:
        raise PipelineError(f"There is no format {format_}; there are {', '.join(FORMATS)}")
    if to.exists():
        raise PipelineError(f"{to} is there already; name another folder, or remove it")
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as scratch:
        folder = Path(scratch, to.name)
        found = training_set(release, lake, choice, Path(scratch, ".cache"))
        losses = FORMATS[format_](found, folder, options)
        made = Export(
            release=release.name,
            format=format_,
            table=choice.table,
            snapshots={name: it.snapshot_id for name, it in release.tables.items()},
            rows={it.part: len(it.rows) for it in found.portions},
            lost=losses.counts,
        )
        (folder / MANIFEST).write_text(json.dumps(asdict(made), indent=1))
        folder.rename(to)
    return made
