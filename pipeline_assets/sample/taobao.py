"""Taobao landing archives in the exact raw format, at any scale, with a truth to compare with.

See `taobao_lines` for what the data is like, `taobao_damage` for the faults it may have, and
`taobao_verdict` for what a correct pipeline does with each line.
"""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

import numpy as np
from isal import igzip_threaded

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.taobao_damage import COMMON_FILE, SKELETON_FILE, Spoiler, SpoiltRows
from pipeline_assets.sample.taobao_lines import COMMON, SKELETON, Batch, Rows, Shape, batches

IMPRESSIONS_PER_SCALE: Final = {"train": 5_000, "test": 2_500}
"""Impressions of each split at scale 1; the published train split is about scale 8,460."""


@dataclass(frozen=True)
class SplitTruth:
    """What a correct pipeline finds in one split.

    Attributes:
        skeleton_lines: Lines read from the skeleton.
        impressions: Accepted ones.
        clicks: Accepted impressions with a click.
        conversions: Accepted impressions with a conversion.
        conversions_without_click: Those of them that have no click.
        impressions_without_common_features: Accepted ones whose common line was rejected.
        core_tokens: Tokens of accepted impressions.
        core_tokens_per_field: The same by field; fields without tokens are left out.
        common_lines: Lines read from the common features.
        common_rows: Accepted ones.
        common_tokens: Tokens of accepted common lines.
        common_tokens_per_field: The same by field.
        rejected: Rejected lines by member and reason.
        feature_num_mismatches: Accepted lines whose number of features is wrong, by member.
    """

    skeleton_lines: int
    impressions: int
    clicks: int
    conversions: int
    conversions_without_click: int
    impressions_without_common_features: int
    core_tokens: int
    core_tokens_per_field: dict[str, int]
    common_lines: int
    common_rows: int
    common_tokens: int
    common_tokens_per_field: dict[str, int]
    rejected: dict[str, dict[str, int]]
    feature_num_mismatches: dict[str, int]


@dataclass(frozen=True)
class TaobaoTruth:
    """The truth of both splits."""

    train: SplitTruth
    test: SplitTruth


def write_taobao(
    landing: Path, scale: float = 1.0, seed: int = 0, damage: float = 0.0
) -> TaobaoTruth:
    """Write the landing files `taobao/taobao_{train,test}.tar.gz` and `taobao/truth.json`.

    Memory does not grow with the scale. An archive appears whole or not at all.

    Args:
        landing: The landing root; folders are made, files of an earlier call replaced.
        scale: 1 is 5,000 impressions in `train` and 2,500 in `test`.
        seed: Same arguments, same bytes.
        damage: Share of the lines that are spoilt, each kind of fault in turn. If it is above 0,
            both files of a split also end inside their last line.

    Returns:
        The truth, as also written to `truth.json`.

    Raises:
        PipelineError: A scale or share that makes no sense.
    """
    _check(scale, damage)
    root = landing / "taobao"
    root.mkdir(parents=True, exist_ok=True)
    splits = {
        split: _write_split(root, split, round(per_scale * scale), [seed, number], damage)
        for number, (split, per_scale) in enumerate(IMPRESSIONS_PER_SCALE.items())
    }
    truth = TaobaoTruth(**splits)
    (root / "truth.json").write_text(json.dumps(asdict(truth), indent=2), encoding="utf-8")
    return truth


def _check(scale: float, damage: float) -> None:
    if not 0 < scale < float("inf"):
        raise PipelineError(f"scale is {scale}: give a number above 0, 1 being 5,000 impressions")
    if not 0 <= damage <= 1:
        raise PipelineError(f"damage is {damage}: give a share of lines from 0 to 1")


def _write_split(
    root: Path, split: str, impressions: int, seed: list[int], damage: float
) -> SplitTruth:
    # A tar header names its file's size, so the files are written in full before they are packed.
    with TemporaryFile() as skeleton, TemporaryFile() as common:
        names = (f"sample_skeleton_{split}.csv", f"common_features_{split}.csv")
        tally = _write_lines(skeleton, common, max(1, impressions), seed, damage)
        _pack(root / f"taobao_{split}.tar.gz", dict(zip(names, (skeleton, common), strict=True)))
    return tally.truth(*names)


def _write_lines(
    skeleton: IO[bytes], common: IO[bytes], impressions: int, seed: list[int], damage: float
) -> "_SplitTally":
    tally = _SplitTally()
    spoilers = Spoiler(damage, SKELETON_FILE), Spoiler(damage, COMMON_FILE)
    for batch in batches(impressions, seed):
        cut_last = damage > 0 and tally.skeleton.lines + len(batch.click) == impressions
        impression_rows = spoilers[0].spoil(batch.skeleton, cut_last=cut_last)
        common_rows = spoilers[1].spoil(batch.common, cut_last=cut_last)
        skeleton.write(_text(impression_rows))
        common.write(_text(common_rows))
        tally.add(batch, impression_rows, common_rows)
    return tally


def _text(rows: SpoiltRows) -> memoryview:
    """All lines in a row: the buffer that Arrow keeps them in."""
    _, offsets, data = rows.lines.buffers()
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(data)[ends[0] : ends[len(rows.lines)]]


class _FileTally:
    """Counts the rows and tokens of one file."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._per_field = np.zeros(len(shape.fields), np.int64)
        self.lines = 0
        self.accepted = 0
        self.mismatches = 0
        self.rejected: Counter[str] = Counter()

    def add(self, rows: Rows, spoilt: SpoiltRows) -> None:
        self._per_field += rows.tokens_per_field(spoilt.accepted, len(self._per_field))
        self.lines += len(spoilt.accepted)
        self.accepted += int(spoilt.accepted.sum())
        self.mismatches += spoilt.mismatches
        self.rejected += spoilt.rejected

    def tokens_per_field(self) -> dict[str, int]:
        names = (field.name for field in self._shape.fields)
        counted = zip(names, self._per_field.tolist(), strict=True)
        return {name: tokens for name, tokens in counted if tokens}


class _SplitTally:
    """Counts what a correct pipeline finds in a split."""

    def __init__(self) -> None:
        self.skeleton = _FileTally(SKELETON)
        self.common = _FileTally(COMMON)
        self._labels: Counter[str] = Counter()

    def add(self, batch: Batch, skeleton: SpoiltRows, common: SpoiltRows) -> None:
        self.skeleton.add(batch.skeleton, skeleton)
        self.common.add(batch.common, common)
        marks = {
            "clicks": batch.click,
            "conversions": batch.conversion,
            "conversions_without_click": batch.conversion & ~batch.click,
            "impressions_without_common_features": ~common.accepted[batch.group],
        }
        for name, mark in marks.items():
            self._labels[name] += int((mark & skeleton.accepted).sum())

    def truth(self, skeleton_name: str, common_name: str) -> SplitTruth:
        files = {skeleton_name: self.skeleton, common_name: self.common}
        core, common = self.skeleton.tokens_per_field(), self.common.tokens_per_field()
        return SplitTruth(
            skeleton_lines=self.skeleton.lines,
            impressions=self.skeleton.accepted,
            **self._labels,
            core_tokens=sum(core.values()),
            core_tokens_per_field=core,
            common_lines=self.common.lines,
            common_rows=self.common.accepted,
            common_tokens=sum(common.values()),
            common_tokens_per_field=common,
            rejected={name: dict(sorted(file.rejected.items())) for name, file in files.items()},
            feature_num_mismatches={name: file.mismatches for name, file in files.items()},
        )


def _pack(path: Path, files: Mapping[str, IO[bytes]]) -> None:
    with (
        _replacing(path) as target,
        igzip_threaded.open(target, "wb") as gz,  # type: ignore[no-untyped-call]
        tarfile.open(fileobj=gz, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, file in files.items():
            info = tarfile.TarInfo(name)  # its owner and time are those of no machine
            info.size = file.tell()
            file.seek(0)
            tar.addfile(info, file)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place only when it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
