"""What a correct pipeline finds in the archives of a Taobao split, line by line."""

import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_assets_tests.truth.taobao_verdict import (
    COMMON,
    SKELETON,
    Column,
    has_all_features,
    rejection,
)


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
        core_tokens_per_field: Tokens of accepted impressions by field, where there are any.
        common_lines: Lines read from the common features.
        common_rows: Accepted ones.
        common_tokens_per_field: Tokens of accepted common lines by field.
        rejected: Rejected lines by member and reason.
        feature_num_mismatches: Accepted lines whose number of features is wrong, by member.
    """

    skeleton_lines: int
    impressions: int
    clicks: int
    conversions: int
    conversions_without_click: int
    impressions_without_common_features: int
    core_tokens_per_field: dict[str, int]
    common_lines: int
    common_rows: int
    common_tokens_per_field: dict[str, int]
    rejected: dict[str, dict[str, int]]
    feature_num_mismatches: dict[str, int]


def split_truth(landing: Path, split: str) -> SplitTruth:
    """Read both files of `taobao/taobao_{split}.tar.gz`."""
    names = (f"sample_skeleton_{split}.csv", f"common_features_{split}.csv")
    with tarfile.open(landing / f"taobao/taobao_{split}.tar.gz") as archive:
        contents = [archive.extractfile(name) or () for name in names]
        skeleton, common = map(_read, contents, (SKELETON, COMMON))
    known = {index for index, _ in common.heads}
    return SplitTruth(
        skeleton_lines=skeleton.lines,
        impressions=len(skeleton.heads),
        clicks=sum(head[1] == b"1" for head in skeleton.heads),
        conversions=sum(head[2] == b"1" for head in skeleton.heads),
        conversions_without_click=sum(head[1:3] == [b"0", b"1"] for head in skeleton.heads),
        impressions_without_common_features=sum(h[3] not in known for h in skeleton.heads),
        core_tokens_per_field=dict(skeleton.tokens_per_field),
        common_lines=common.lines,
        common_rows=len(common.heads),
        common_tokens_per_field=dict(common.tokens_per_field),
        rejected={names[0]: dict(skeleton.rejected), names[1]: dict(common.rejected)},
        feature_num_mismatches={names[0]: skeleton.mismatches, names[1]: common.mismatches},
    )


@dataclass
class _File:
    """What is in one file; a head is an accepted line up to its tokens."""

    lines: int = 0
    heads: list[list[bytes]] = field(default_factory=list)
    tokens_per_field: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    mismatches: int = 0


def _read(lines: Iterable[bytes], columns: Sequence[Column]) -> _File:
    found = _File()
    for text in lines:
        found.lines += 1
        reason = rejection(text, columns)
        if reason:
            found.rejected[reason] += 1
            continue
        *head, tokens = text.rstrip(b"\r\n").split(b",")
        found.heads.append(head)
        found.tokens_per_field.update(
            token.partition(b"\x02")[0].decode() for token in tokens.split(b"\x01") if token
        )
        found.mismatches += not has_all_features(text)
    return found
