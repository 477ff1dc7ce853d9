"""Taobao landing archives in the exact raw format, at any scale.

`taobao_lines` draws the lines and `taobao_damage` spoils a share of them. This module packs both
files of a split into one archive, as the vendor does.
"""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

import numpy as np
import pyarrow as pa
from isal import igzip_threaded

from pipeline_assets.sample.arguments import check_arguments
from pipeline_assets.sample.taobao_damage import COMMON_FAULTS, SKELETON_FAULTS, Spoiler
from pipeline_assets.sample.taobao_lines import batches

IMPRESSIONS_PER_SCALE: Final = {"train": 5_000, "test": 2_500}
"""Impressions of each split at scale 1; the published train split is about scale 8,460."""


def write_taobao(landing: Path, scale: float = 1.0, seed: int = 0, damage: float = 0.0) -> None:
    """Write the landing files `taobao/taobao_{train,test}.tar.gz`.

    Memory does not grow with the scale.

    Args:
        landing: The landing root; its folders are created, files of an earlier call replaced.
        scale: 1 is 5,000 impressions in `train` and 2,500 in `test`.
        seed: Same arguments, same bytes.
        damage: Share of the lines that are spoilt, each kind of fault in turn. If it is above 0,
            both files of a split also end inside their last line.

    Raises:
        PipelineError: The scale is not positive, or the damage is no share.
    """
    check_arguments(scale, damage, "5,000 impressions")
    root = landing / "taobao"
    root.mkdir(parents=True, exist_ok=True)
    for number, (split, per_scale) in enumerate(IMPRESSIONS_PER_SCALE.items()):
        impressions = max(1, round(per_scale * scale))
        _write_split(root, split, impressions, [seed, number], damage)


def _write_split(root: Path, split: str, impressions: int, seed: list[int], damage: float) -> None:
    # A tar header names its file's size, so the files are written in full before they are packed.
    with TemporaryFile() as skeleton, TemporaryFile() as common:
        _write_lines(skeleton, common, impressions, seed, damage)
        names = (f"sample_skeleton_{split}.csv", f"common_features_{split}.csv")
        _pack(root / f"taobao_{split}.tar.gz", dict(zip(names, (skeleton, common), strict=True)))


def _write_lines(
    skeleton: IO[bytes], common: IO[bytes], impressions: int, seed: list[int], damage: float
) -> None:
    skeleton_spoiler = Spoiler(damage, SKELETON_FAULTS)
    common_spoiler = Spoiler(damage, COMMON_FAULTS)
    written = 0
    for batch in batches(impressions, seed):
        written += len(batch.skeleton.lines)
        cut_last = damage > 0 and written == impressions
        skeleton.write(_text(skeleton_spoiler.spoil(batch.skeleton, cut_last=cut_last)))
        common.write(_text(common_spoiler.spoil(batch.common, cut_last=cut_last)))


def _text(lines: pa.BinaryArray) -> memoryview:
    """All lines one after the other, as a view of the buffer in which Arrow holds them."""
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(data)[ends[0] : ends[len(lines)]]


def _pack(path: Path, files: Mapping[str, IO[bytes]]) -> None:
    with (
        igzip_threaded.open(path, "wb") as gz,  # type: ignore[no-untyped-call]
        tarfile.open(fileobj=gz, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, file in files.items():
            # Owner and time stay at their defaults, so that the bytes are the same on any machine.
            info = tarfile.TarInfo(name)
            info.size = file.tell()
            file.seek(0)
            tar.addfile(info, file)
