import hashlib
import json
import re
import tarfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from pipeline_assets.domains.taobao.archive import Extractor
from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.taobao import SplitTruth, write_taobao
from pipeline_assets.sample.taobao_lines import COMMON, SKELETON

SPLITS = ("train", "test")


def member_bytes(landing: Path, member: str) -> bytes:
    split = member.removesuffix(".csv").rpartition("_")[2]
    with tarfile.open(landing / f"taobao/taobao_{split}.tar.gz") as archive:
        content = archive.extractfile(member)
        assert content is not None
        return content.read()


def lines_of(landing: Path, member: str) -> list[str]:
    return member_bytes(landing, member).decode().removesuffix("\n").split("\n")


@dataclass
class Parsed:
    """What a plain reading of a file finds; shares no code with the generator."""

    lines: int = 0
    heads: list[list[str]] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    mismatches: int = 0


def parse(content: bytes, columns: int) -> Parsed:
    parsed = Parsed()
    raw_lines = content.split(b"\n")
    ended = raw_lines[-1] == b""
    for number, raw in enumerate(raw_lines[:-1] if ended else raw_lines, start=1):
        parsed.lines += 1
        reason, head, fields = judge(raw, columns)
        mismatch = not reason and len(fields) != int(head[-1])
        if number == len(raw_lines) and (reason or mismatch):
            reason = "cut_line"
        if reason:
            parsed.rejected[reason] += 1
            continue
        parsed.heads.append(head)
        parsed.tokens.update(fields)
        parsed.mismatches += mismatch
    return parsed


class RejectedError(Exception):
    pass


def require(sound: bool, reason: str) -> None:
    if not sound:
        raise RejectedError(reason)


def judge(raw: bytes, columns: int) -> tuple[str, list[str], list[str]]:
    """The reason to reject a line, its first columns and the fields of its tokens."""
    try:
        return "", *parse_line(raw.decode(), columns)
    except UnicodeDecodeError:
        return "undecodable", [], []
    except RejectedError as reason:
        return str(reason), [], []


def parse_line(line: str, columns: int) -> tuple[list[str], list[str]]:
    *head, tokens = line.split(",")
    require("\r" not in line, "undecodable")
    require(len(head) + 1 == columns, "field_count")
    if columns == 6:
        require(head[0].isdecimal(), "bad_sample_id")
        require({head[1], head[2]} <= {"0", "1"}, "bad_label")
    require(head[-2] != "", "bad_index")
    require(head[-1].isdecimal(), "bad_feature_num")
    try:
        return head, [
            field_of(token) for token in tokens.removesuffix("\x01").split("\x01") if tokens
        ]
    except ValueError as error:
        raise RejectedError("bad_token") from error


def field_of(token: str) -> str:
    name, rest = token.split("\x02")
    feature_id, value = rest.split("\x03")
    int(feature_id), float(value)
    return name


def expected_truth(landing: Path, split: str) -> SplitTruth:
    names = (f"sample_skeleton_{split}.csv", f"common_features_{split}.csv")
    skeleton = parse(member_bytes(landing, names[0]), columns=6)
    common = parse(member_bytes(landing, names[1]), columns=3)
    known = {index for index, _ in common.heads}
    return SplitTruth(
        skeleton_lines=skeleton.lines,
        impressions=len(skeleton.heads),
        clicks=sum(head[1] == "1" for head in skeleton.heads),
        conversions=sum(head[2] == "1" for head in skeleton.heads),
        conversions_without_click=sum(head[1:3] == ["0", "1"] for head in skeleton.heads),
        impressions_without_common_features=sum(h[3] not in known for h in skeleton.heads),
        core_tokens=skeleton.tokens.total(),
        core_tokens_per_field=dict(skeleton.tokens),
        common_lines=common.lines,
        common_rows=len(common.heads),
        common_tokens=common.tokens.total(),
        common_tokens_per_field=dict(common.tokens),
        rejected={names[0]: dict(skeleton.rejected), names[1]: dict(common.rejected)},
        feature_num_mismatches={names[0]: skeleton.mismatches, names[1]: common.mismatches},
    )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("clean")
    write_taobao(landing, seed=3)
    return landing


@pytest.mark.parametrize("damage", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("split", SPLITS)
def test_the_truth_is_what_a_plain_reading_finds(tmp_path: Path, damage: float, split: str) -> None:
    truth = write_taobao(tmp_path, scale=2, seed=1, damage=damage)
    assert getattr(truth, split) == expected_truth(tmp_path, split)


def test_the_truth_is_written_beside_the_archives(tmp_path: Path) -> None:
    truth = write_taobao(tmp_path, scale=0.1, damage=0.1)
    written = json.loads((tmp_path / "taobao/truth.json").read_text())
    assert written == asdict(truth)
    assert sorted(path.name for path in (tmp_path / "taobao").iterdir()) == [
        "taobao_test.tar.gz",
        "taobao_train.tar.gz",
        "truth.json",
    ]


def test_scale_one_has_the_advertised_size(clean: Path) -> None:
    assert len(lines_of(clean, "sample_skeleton_train.csv")) == 5_000
    assert len(lines_of(clean, "sample_skeleton_test.csv")) == 2_500


def test_damage_is_an_exact_share_and_has_every_reason(tmp_path: Path) -> None:
    truth = write_taobao(tmp_path, damage=0.02).train
    member = "sample_skeleton_train.csv"
    spoilt = sum(truth.rejected[member].values()) + truth.feature_num_mismatches[member]
    assert spoilt == pytest.approx(0.02 * truth.skeleton_lines, rel=0.05)
    assert set(truth.rejected[member]) == {
        *("undecodable", "field_count", "bad_sample_id", "bad_label", "bad_index"),
        *("bad_feature_num", "bad_token", "cut_line"),
    }
    assert truth.feature_num_mismatches[member] > 0


def digests(landing: Path) -> list[str]:
    archives = sorted((landing / "taobao").glob("*.tar.gz"))
    return [hashlib.sha256(archive.read_bytes()).hexdigest() for archive in archives]


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    for folder, seed in (("one", 5), ("two", 5), ("other", 6)):
        write_taobao(tmp_path / folder, scale=0.2, seed=seed, damage=0.1)
    one, two, other = (digests(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert not set(one) & set(other)
    assert len(set(one)) == 2


@pytest.mark.parametrize("split", SPLITS)
def test_sample_ids_restart_at_one_and_groups_stay_together(clean: Path, split: str) -> None:
    heads = [line.split(",")[:4] for line in lines_of(clean, f"sample_skeleton_{split}.csv")]
    assert [int(head[0]) for head in heads] == list(range(1, len(heads) + 1))
    groups = [index for index, _ in groupby(head[3] for head in heads)]
    common = [line.split(",")[0] for line in lines_of(clean, f"common_features_{split}.csv")]
    assert groups == common
    assert len(set(groups)) == len(groups) < len(heads) / 20


def test_the_quirks_of_the_real_data_occur(clean: Path) -> None:
    for member in ("sample_skeleton_train.csv", "common_features_train.csv"):
        lines = lines_of(clean, member)
        assert any(line.endswith("\x01") for line in lines)
        assert any(line.endswith(",0,") for line in lines)
    skeleton = lines_of(clean, "sample_skeleton_train.csv")
    assert any(line.count("\x01210\x02") == 3 for line in skeleton)
    assert any(line.count("\x01853\x02") >= 2 for line in skeleton)
    assert any(line.split(",")[1:3] == ["0", "1"] for line in skeleton)


def test_fields_and_values_look_like_the_real_ones(clean: Path) -> None:
    for member, shape in (("sample_skeleton", SKELETON), ("common_features", COMMON)):
        text = "\n".join(lines_of(clean, f"{member}_train.csv"))
        names = set(re.findall(r"([^,\x01\n]+)\x02", text))
        values = set(re.findall(r"\x03([^\x01\n]*)", text))
        assert names == {feature.name for feature in shape.fields}
        assert values >= {"1.0", "0.69315", "1.09861"}
        assert all(re.fullmatch(r"\d+\.\d{1,5}", value) for value in values)


def test_rates_are_like_the_published_ones(tmp_path: Path) -> None:
    truth = write_taobao(tmp_path, scale=10).train
    assert truth.core_tokens / truth.impressions == pytest.approx(13.35, rel=0.02)
    assert truth.common_tokens / truth.common_rows == pytest.approx(518, rel=0.05)
    assert truth.impressions / truth.common_rows == pytest.approx(58, rel=0.1)
    assert truth.clicks / truth.impressions == pytest.approx(0.04, rel=0.1)
    assert 0 < truth.conversions_without_click < truth.conversions < truth.clicks / 10


def test_the_archives_can_be_extracted(clean: Path) -> None:
    members = ("sample_skeleton_test.csv", "common_features_test.csv")
    path = clean / "taobao/taobao_test.tar.gz"
    with path.open("rb") as stream:
        rows = Extractor(put=lambda name, _data: name).extract(stream, str(path), members)
    assert sum(row["line_count"] for row in rows if row["member"] == members[0]) == 2_500
    assert rows[-1]["member_size_bytes"] == len(member_bytes(clean, members[1]))
    assert {row["unterminated_line"] for row in rows} == {0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale is 0: give a number above 0"),
        ({"scale": float("inf")}, "scale is inf: give a number above 0"),
        ({"damage": 1.5}, "damage is 1.5: give a share of lines from 0 to 1"),
    ],
)
def test_senseless_arguments_are_refused(
    tmp_path: Path, arguments: dict[str, float], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        write_taobao(tmp_path, **arguments)  # type: ignore[arg-type]
