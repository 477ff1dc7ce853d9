import hashlib
import re
import tarfile
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import mean

import pytest

from pipeline_assets.domains.taobao.archive import Extractor
from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.sample.taobao_damage import SKELETON_FAULTS
from pipeline_assets.sample.taobao_lines import COMMON, SKELETON
from pipeline_assets_tests.truth.taobao import split_truth

SPLITS = ("train", "test")


def member_bytes(landing: Path, member: str) -> bytes:
    split = member.removesuffix(".csv").rpartition("_")[2]
    with tarfile.open(landing / f"taobao/taobao_{split}.tar.gz") as archive:
        content = archive.extractfile(member)
        assert content is not None
        return content.read()


def lines_of(landing: Path, member: str) -> list[str]:
    return member_bytes(landing, member).decode().removesuffix("\n").split("\n")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("clean")
    write_taobao(landing, seed=3)
    return landing


def test_nothing_but_archives_is_written(clean: Path) -> None:
    assert sorted(path.name for path in clean.rglob("*") if path.is_file()) == [
        "taobao_test.tar.gz",
        "taobao_train.tar.gz",
    ]


def test_scale_one_has_the_advertised_size(clean: Path) -> None:
    assert len(lines_of(clean, "sample_skeleton_train.csv")) == 5_000
    assert len(lines_of(clean, "sample_skeleton_test.csv")) == 2_500


def test_damage_is_an_exact_share_and_has_every_reason(tmp_path: Path) -> None:
    write_taobao(tmp_path, damage=0.02)
    truth = split_truth(tmp_path, "train")
    member = "sample_skeleton_train.csv"
    spoilt = sum(truth.rejected[member].values()) + truth.feature_num_mismatches[member]
    assert spoilt == pytest.approx(0.02 * truth.skeleton_lines, rel=0.05)
    planted = {fault.reason for fault in SKELETON_FAULTS if fault.reason}
    assert set(truth.rejected[member]) == {*planted, "cut_line"}
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
    write_taobao(tmp_path, scale=5)
    truth = split_truth(tmp_path, "train")
    core, common = truth.core_tokens_per_field, truth.common_tokens_per_field
    assert sum(core.values()) / truth.impressions == pytest.approx(13.35, rel=0.02)
    assert sum(common.values()) / truth.common_rows == pytest.approx(518, rel=0.05)
    assert truth.impressions / truth.common_rows == pytest.approx(58, rel=0.1)
    assert truth.clicks / truth.impressions == pytest.approx(0.04, rel=0.1)
    assert 0 < truth.conversions_without_click < truth.conversions < truth.clicks / 10


WEIGHED = re.compile("\x01?109_14\x02(\\d+)\x03([^\x01]+)")
Weights = list[tuple[str, str]]
POPULAR = {str(450_000 + number) for number in range(20)}


def weighs_the_popular(tokens: Weights) -> bool:
    found = [float(weight) for name, weight in tokens if name in POPULAR]
    return bool(found) and mean(found) > 4


def weighs_the_last(tokens: Weights) -> bool:
    return bool(tokens) and float(tokens[-1][1]) > 1


def times_more_clicks(landing: Path, is_keen: Callable[[Weights], bool]) -> float:
    """How many times as often those users click who are keen by what they weigh."""
    commons = (line.split(",", 2) for line in lines_of(landing, "common_features_train.csv"))
    keen = {index for index, _, rest in commons if is_keen(WEIGHED.findall(rest))}
    heads = [line.split(",", 4) for line in lines_of(landing, "sample_skeleton_train.csv")]
    of_keen = [int(head[1]) for head in heads if head[3] in keen]
    of_others = [int(head[1]) for head in heads if head[3] not in keen]
    return mean(of_keen) / mean(of_others)


def test_clicks_follow_all_that_a_user_weighs_and_not_the_last_value(tmp_path: Path) -> None:
    write_taobao(tmp_path, scale=10)
    assert times_more_clicks(tmp_path, weighs_the_popular) > 3
    assert 0.7 < times_more_clicks(tmp_path, weighs_the_last) < 1.4


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
        ({"damage": 1.5}, "damage is 1.5: give a share of rows from 0 to 1"),
    ],
)
def test_senseless_arguments_are_refused(
    tmp_path: Path, arguments: dict[str, float], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        write_taobao(tmp_path, **arguments)  # type: ignore[arg-type]
