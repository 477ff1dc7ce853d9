"""The whole way from a damaged sample to encoded tables, beside a plain reading of the files."""

import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.command.update import Updater
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains.taobao.assets import ARCHIVES
from pipeline_assets.domains.taobao.contracts import ITEM_FIELDS, USER_FIELDS
from pipeline_assets.reading.open_lake import open_lake
from pipeline_assets.reading.release import open_release
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets_tests.domains.taobao.test_assets import ALL_ASSETS, workbench
from pipeline_assets_tests.domains.taobao.training.reference import encode
from pipeline_assets_tests.updating import update
from pipeline_assets_tests.workbench import Workbench, failures

SPLITS = ("train", "test")
BEFORE = ("user_groups", "token_counts")
TRAINING = ("vocabulary", "encoded_users", "encoded_impressions", "vocabulary_coverage")


@dataclass(frozen=True)
class Encoded:
    bench: Workbench
    landing: Path
    known: dict[tuple[str, int], int]


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    folder = tmp_path_factory.mktemp("training")
    write_taobao(folder / "landing", scale=0.1, damage=0.02)
    bench = workbench(folder, folder / "landing", ALL_ASSETS)
    tables = [it for it in bench.tables if it.split(".")[1] not in {*BEFORE, *TRAINING}]
    assert failures(bench.run(*SPLITS, only=tables)) == []
    for split in SPLITS:
        assert failures(bench.run(split, only=[f"taobao.{it}" for it in BEFORE])) == []
    assert failures(bench.run(only=["taobao.vocabulary"])) == []
    for name in TRAINING[1:]:
        for split in SPLITS:
            assert failures(bench.run(split, only=[f"taobao.{name}"])) == []
    rows = bench.query('SELECT feature_name, feature_id, "index" FROM taobao.vocabulary')
    return Encoded(bench, folder / "landing", {(it[0], it[1]): it[2] for it in rows})


def lines(landing: Path, split: str, member: str) -> Iterator[list[str]]:
    """The fields of the lines of a file that can be read at all."""
    with tarfile.open(landing / f"taobao/taobao_{split}.tar.gz") as archive:
        content = archive.extractfile(f"{member}_{split}.csv")
        assert content
        for line in content:
            try:
                yield line.decode().rstrip("\n").split(",")
            except UnicodeDecodeError:
                continue


def rows_of(bench: Workbench, table: str, split: str) -> list[dict[str, Any]]:
    names = [column.name for column in bench.tables[f"taobao.{table}"].contract.columns]
    found = bench.query(f"SELECT * FROM taobao.{table} WHERE split = '{split}'")
    return [dict(zip(names, row, strict=True)) for row in found]


@pytest.mark.parametrize("split", SPLITS)
def test_every_impression_is_what_its_line_says(encoded: Encoded, split: str) -> None:
    found = {row["sample_id"]: row for row in rows_of(encoded.bench, "encoded_impressions", split)}
    rows = encoded.bench.query(
        f"SELECT common_features_index, user_row FROM taobao.user_groups WHERE split = '{split}'"
    )
    users = dict(rows)
    accepted = encoded.bench.query(
        f"SELECT sample_id FROM taobao.impressions WHERE split='{split}'"
    )
    assert found.keys() == {row[0] for row in accepted}
    compared = 0
    for line in lines(encoded.landing, split, "sample_skeleton"):
        if not line[0].isdigit() or (row := found.get(int(line[0]))) is None:
            continue
        _, click, bought, index, _, features = line
        expected = encode(features, ITEM_FIELDS, encoded.known)
        keys = {"click_label": int(click), "conversion_label": int(bought)}
        expected |= keys | {"user_row": users[index], "part": split}
        assert {name: row[name] for name in expected} == expected
        compared += 1
    assert compared == len(found) > 50


@pytest.mark.parametrize("split", SPLITS)
def test_every_user_is_what_his_line_says(encoded: Encoded, split: str) -> None:
    found = {row["user_row"]: row for row in rows_of(encoded.bench, "encoded_users", split)}
    rows = encoded.bench.query(
        "SELECT common_features_index, user_row FROM taobao.user_groups "
        f"WHERE split = '{split}' AND user_row > 0 ORDER BY common_features_index"
    )
    assert [row for _, row in rows] == list(range(1, len(found) + 1))
    compared = 0
    for line in lines(encoded.landing, split, "common_features"):
        if (user_row := dict(rows).get(line[0])) is None:
            continue
        expected = encode(line[-1], USER_FIELDS, encoded.known)
        assert {name: found[user_row][name] for name in expected} == expected
        compared += 1
    assert compared == len(found) > 1


def test_indices_follow_the_counts_in_train(encoded: Encoded) -> None:
    tokens = encoded.bench.query(
        "SELECT feature_name, feature_id FROM taobao.core_features WHERE split = 'train' UNION ALL "
        "SELECT feature_name, feature_id FROM taobao.common_features WHERE split = 'train'"
    )
    expected: dict[tuple[str, int], int] = {}
    for name in (*ITEM_FIELDS, *USER_FIELDS):
        counts = Counter(feature_id for field, feature_id in tokens if field == name)
        ordered = sorted(counts, key=lambda it: (-counts[it], it))
        expected |= {(name, it): place for place, it in enumerate(ordered, start=2)}
    assert encoded.known == expected


def test_unknown_tokens_of_test_are_counted(encoded: Encoded) -> None:
    query = "SELECT sum(unknown), sum(tokens) FROM taobao.vocabulary_coverage WHERE part = '{}'"
    ((in_train, _),) = encoded.bench.query(query.format("train"))
    ((unknown, tokens),) = encoded.bench.query(query.format("test"))
    assert in_train == 0
    assert 0 < unknown < tokens


def test_training_sets_are_released_with_what_was_decided(encoded: Encoded) -> None:
    session = Session(encoded.bench.settings)
    told = CliRunner().invoke(cli, ["release", "create", "spring"], obj=session)
    assert told.exit_code == 0, told.output
    listed = CliRunner().invoke(cli, ["release", "list"], obj=session).output
    assert listed.startswith("spring: 5 tables, ")
    to = encoded.landing.parent / "ali"
    command = ["release", "export", "spring", "--format", "recbole", "--to", str(to)]
    told = CliRunner().invoke(cli, command, obj=session)
    assert re.fullmatch(r"train: \d+ rows\ntest: \d+ rows\n", told.output), told.output
    assert (to / "ali.test.inter").exists()
    with open_lake(encoded.bench.settings.lake_uri) as lake:
        release = open_release(lake, "spring")
        assert len(release.table(lake, "taobao.vocabulary")) == len(encoded.known)
    policy = release.tables["taobao.user_groups"].partitions["train"].config
    assert policy == {"policy": "official", "share": 0.05, "salt": ""}


def test_a_corrected_delivery_leaves_every_index_as_it_is(encoded: Encoded, tmp_path: Path) -> None:
    """The vocabulary grows; what a model has learnt about an index stays true."""
    write_taobao(tmp_path / "other", scale=0.05, damage=0, seed=8)
    archive = "taobao/taobao_train.tar.gz"
    (encoded.landing / archive).write_bytes((tmp_path / "other" / archive).read_bytes())
    bench = encoded.bench
    definitions = build_definitions(bench.settings, assets=ALL_ASSETS)
    updater = Updater(
        ALL_ASSETS, [ARCHIVES], bench.deployment, bench.instance, definitions=definitions
    )
    assert update(updater, accepts=True).failures == ()
    rows = bench.query('SELECT feature_name, feature_id, "index" FROM taobao.vocabulary')
    now = {(it[0], it[1]): it[2] for it in rows}
    assert now.items() > encoded.known.items()
    assert update(updater).made == ()
