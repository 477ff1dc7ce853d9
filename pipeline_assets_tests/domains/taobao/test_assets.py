import gzip
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from pipeline_assets import domains
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.dataset.inputs import RawLines
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains.taobao import assets as taobao
from pipeline_assets.iceberg.checksums import CHECKSUMS
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings
from pipeline_assets_tests.truth.taobao import SplitTruth, split_truth
from pipeline_assets_tests.workbench import Result, Workbench, failures

ALL_ASSETS = datasets_in(domains.taobao).assets
ASSETS = tuple(it for it in ALL_ASSETS if "training" not in it.function.__module__)
"""What an archive becomes; training sets have tests of their own."""
SPLITS = ("train", "test")
MEMBERS = ("sample_skeleton", "common_features")
RAW = {"source_uri": "a#f", "split": "train", "line_number": 1, "unterminated_line": 0}
TOKENS = "205\x0214\x031.0\x01210\x0215\x030.5\x01210\x0216\x030.25"


@dataclass(frozen=True)
class Delivered:
    """Both archives with faults in them, and what one run of both splits made of them."""

    bench: Workbench
    truths: Mapping[str, SplitTruth]
    result: Result


def workbench(folder: Path, landing: Path, assets: Sequence[LakeAsset] = ASSETS) -> Workbench:
    places = {"lake_uri": str(folder / "lake"), "landing_uri": str(landing)}
    small = {"memory_limit_mib": 512, "threads": 2, "raw_part_mib": 1}
    settings = Settings.model_validate({**places, **small})
    definitions = build_definitions(settings, assets=assets)
    return Workbench(settings, definitions, assets)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    folder = tmp_path_factory.mktemp("taobao")
    write_taobao(folder / "landing", scale=0.5, damage=0.02)
    truths = {split: split_truth(folder / "landing", split) for split in SPLITS}
    bench = workbench(folder, folder / "landing")
    return Delivered(bench, truths, bench.run(*SPLITS))


@pytest.fixture
def bench(delivered: Delivered) -> Workbench:
    return delivered.bench


def lines(member: str, *texts: str) -> ibis.Table:
    read = [
        RAW | {"member": member, "line": text, "line_number": number}
        for number, text in enumerate(texts, start=1)
    ]
    return ibis.memtable(pa.Table.from_pylist(read))


NOTHING_REJECTED = ibis.memtable(
    pa.table({name: pa.array([], pa.string()) for name in ("member", "raw", "split", "reason")})
)


def rows(table: ibis.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return found


def test_impressions_are_the_first_columns_of_a_skeleton_line() -> None:
    skeleton = lines("sample_skeleton", f"7,1,0,9f3a,3,{TOKENS}", "8,0,0,9f3a,0,")
    assert rows(taobao.impressions(skeleton, NOTHING_REJECTED)) == [
        {
            "split": "train",
            "sample_id": sample_id,
            "click_label": click,
            "conversion_label": 0,
            "common_features_index": "9f3a",
            "num_features": num_features,
        }
        for sample_id, click, num_features in ((7, 1, 3), (8, 0, 0))
    ]


def test_core_features_are_the_tokens_of_a_skeleton_line() -> None:
    skeleton = lines("sample_skeleton", f"7,1,0,9f3a,3,{TOKENS}", "8,0,0,9f3a,0,")
    found = rows(taobao.core_features(skeleton, NOTHING_REJECTED))
    expected = [("205", 14, 1.0), ("210", 15, 0.5), ("210", 16, 0.25)]
    names = ("feature_name", "feature_id", "feature_value")
    assert [tuple(row[name] for name in names) for row in found] == expected
    assert {(row["sample_id"], row["split"]) for row in found} == {(7, "train")}


def test_common_lines_make_the_other_two_tables() -> None:
    common = lines("common_features", f"9f3a,3,{TOKENS}")
    assert rows(taobao.common_features_summary(common, NOTHING_REJECTED)) == [
        {"split": "train", "common_features_index": "9f3a", "num_features": 3}
    ]
    found = rows(taobao.common_features(common, NOTHING_REJECTED))
    assert Counter(row["feature_name"] for row in found) == {"205": 1, "210": 2}


def test_each_table_reads_its_own_file() -> None:
    common = lines("common_features", "9f3a,0,")
    skeleton = lines("sample_skeleton", "7,1,0,9f3a,0,")
    assert rows(taobao.impressions(common, NOTHING_REJECTED)) == []
    assert rows(taobao.common_features_summary(skeleton, NOTHING_REJECTED)) == []


def test_rejected_lines_are_in_no_other_table() -> None:
    both = lines("sample_skeleton", "7,1,0,9f3a,0,", "8,2,0,9f3a,0,")
    damaged = taobao.rejected_rows(both)
    assert [row["reason"] for row in rows(damaged)] == ["bad_label"]
    assert [row["sample_id"] for row in rows(taobao.impressions(both, damaged))] == [7]


def test_a_line_that_is_cut_in_one_split_may_be_whole_in_the_other() -> None:
    text = "7,1,0,9f3a,2,205\x0214\x031.0"
    train = lines("sample_skeleton", text).mutate(unterminated_line=ibis.literal(1, "int64"))
    both = train.union(lines("sample_skeleton", text).mutate(split=ibis.literal("test")))
    damaged = taobao.rejected_rows(both)
    assert [(row["split"], row["reason"]) for row in rows(damaged)] == [("train", "cut_line")]
    assert [row["split"] for row in rows(taobao.impressions(both, damaged))] == ["test"]


def test_a_run_of_both_splits_succeeds_on_damaged_archives(delivered: Delivered) -> None:
    assert failures(delivered.result) == []


@pytest.mark.parametrize("split", SPLITS)
def test_the_tables_hold_what_the_truth_says(delivered: Delivered, split: str) -> None:
    query, truth = delivered.bench.query, delivered.truths[split]
    where = f"WHERE split = '{split}'"
    labels = query(f"""
        SELECT count(*), sum(click_label), sum(conversion_label),
               count(*) FILTER (conversion_label = 1 AND click_label = 0)
        FROM taobao.impressions {where}""")
    assert labels == [
        (truth.impressions, truth.clicks, truth.conversions, truth.conversions_without_click)
    ]
    for table, expected in (
        ("core_features", truth.core_tokens_per_field),
        ("common_features", truth.common_tokens_per_field),
    ):
        counted = query(f"SELECT feature_name, count(*) FROM taobao.{table} {where} GROUP BY ALL")
        assert dict(counted) == expected
    summaries = query(f"SELECT count(*) FROM taobao.common_features_summary {where}")
    assert summaries == [(truth.common_rows,)]


@pytest.mark.parametrize("split", SPLITS)
def test_rejected_lines_are_what_the_truth_says(delivered: Delivered, split: str) -> None:
    counted = delivered.bench.query(f"""
        SELECT member, reason, count(*) FROM taobao.rejected_rows
        WHERE split = '{split}' GROUP BY ALL""")
    found: dict[str, dict[str, int]] = {f"{member}_{split}.csv": {} for member in MEMBERS}
    for member, reason, count in counted:
        found[f"{member}_{split}.csv"][reason] = count
    assert found == delivered.truths[split].rejected


def test_raw_files_tell_what_the_archive_holds(delivered: Delivered) -> None:
    for split in SPLITS:
        counted = delivered.bench.query(f"""
            SELECT member, sum(line_count), any_value(member_size_bytes), any_value(member_sha256)
            FROM taobao.raw_files WHERE split = '{split}' GROUP BY member ORDER BY member""")
        truth = delivered.truths[split]
        assert [lines_ for _, lines_, *_ in counted] == [truth.common_lines, truth.skeleton_lines]
        assert all(size > 0 and len(digest) == 64 for *_, size, digest in counted)


def test_checks_that_warn_count_what_the_truth_says(delivered: Delivered) -> None:
    evaluations = {
        (evaluation.asset_key.path[-1], evaluation.check_name): evaluation
        for evaluation in delivered.result.get_asset_check_evaluations()
    }
    failed = {
        name: evaluation.metadata["failed_rows"].value
        for name, evaluation in evaluations.items()
        if not evaluation.passed
    }
    both = [delivered.truths[split] for split in SPLITS]
    mismatches = Counter[str]()
    for truth in both:
        for file, count in truth.feature_num_mismatches.items():
            mismatches[file.rpartition("_")[0]] += count
    expected = {
        ("raw_files", "last_line_is_terminated"): 4,
        ("impressions", "every_index_is_known"): sum(
            truth.impressions_without_common_features for truth in both
        ),
        ("impressions", "conversion_implies_click"): sum(
            truth.conversions_without_click for truth in both
        ),
        ("core_features", "num_features_equals_core_tokens"): mismatches["sample_skeleton"],
        ("common_features", "num_features_equals_common_tokens"): mismatches["common_features"],
    }
    assert failed == {name: count for name, count in expected.items() if count}
    assert len(failed) > 3
    assert all(
        evaluation.severity == dg.AssetCheckSeverity.WARN
        for evaluation in evaluations.values()
        if not evaluation.passed
    )


def test_a_run_of_one_split_makes_what_the_run_of_both_made(delivered: Delivered) -> None:
    bench = delivered.bench
    tables = [name for name in bench.tables if name != "taobao.raw_files"]  # has new places
    before = bench.content(*tables), versions(bench)
    assert failures(bench.run("test")) == []
    assert (bench.content(*tables), versions(bench)) == before


def versions(bench: Workbench) -> dict[str, dict[str, str]]:
    records = {name: bench.lake.read(table).records for name, table in bench.tables.items()}
    return {
        name: {key: made.version for key, made in all_.items()} for name, all_ in records.items()
    }


def test_every_column_names_the_columns_it_comes_from(delivered: Delivered) -> None:
    tables = {asset.key: asset.table for asset in ASSETS}
    for asset in ASSETS[1:]:
        node = asset.key.to_python_identifier()
        event = delivered.result.asset_materializations_for_node(node)[0]
        metadata = event.metadata["dagster/column_lineage"]
        assert isinstance(metadata, dg.TableColumnLineageMetadataValue)
        lineage = metadata.column_lineage.deps_by_column
        assert set(lineage) == set(asset.table.contract.schema)
        for column, deps in lineage.items():
            assert deps or column == "reason"
            for dep in deps:
                # A field of a line of text is named by its place or name within the line.
                name = dep.column_name.partition(".")[0]
                assert name in {*tables[dep.asset_key].contract.schema, "line"}


Member = tuple[str, bytes]


def archive(*members: Member | tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return packed.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def claims(name: str, size: int) -> bytes:
    """An archive whose only header promises more than will ever come."""
    info = tarfile.TarInfo(name)
    info.size = size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"1,0,0,a,0,\n")


SKELETON: Member = ("sample_skeleton_train.csv", b"1,0,0,a,0,\n")
COMMON: Member = ("common_features_train.csv", b"a,0,\n")
HOSTILE = {
    "no archive": (b"<html><body>Not Found</body></html>", "is corrupt"),
    "truncated": (archive(SKELETON, COMMON)[:-20], "truncated"),
    "empty": (b"", "truncated|corrupt|no sound|lacks"),
    "outside": (archive(SKELETON, COMMON, ("../x", b"x")), r"unexpected member '\.\./x'"),
    "absolute": (archive(SKELETON, COMMON, ("/etc/x", b"x")), "unexpected member '/?etc/x'"),
    "symlink": (archive(SKELETON, link(COMMON[0], "/etc/passwd")), "as a symbolic link"),
    "bomb": (claims(SKELETON[0], 10 << 30), "truncated: member"),
    "unexpected": (archive(SKELETON, COMMON, ("a.txt", b"x")), "unexpected member 'a.txt'"),
    "other split": (archive(("sample_skeleton_test.csv", b""), COMMON), "unexpected member"),
    "incomplete": (archive(SKELETON), "lacks common_features_train.csv"),
}


@pytest.fixture
def archive_path(bench: Workbench) -> Iterator[Path]:
    """The train archive, to be replaced; afterwards it is there again."""
    path = Path(bench.settings.landing_uri) / "taobao" / "taobao_train.tar.gz"
    good = path.read_bytes()
    yield path
    path.write_bytes(good)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_the_last_good_partition_stays(
    bench: Workbench, archive_path: Path, name: str
) -> None:
    content, complaint = HOSTILE[name]
    before = bench.lake.read(bench.tables["taobao.raw_files"])
    archive_path.write_bytes(content)
    result = bench.run("train", only=["taobao.raw_files"])
    (told,) = failures(result)
    assert told.startswith(str(archive_path))
    assert "\n" not in told
    assert re.search(complaint, told)
    assert bench.lake.read(bench.tables["taobao.raw_files"]) == before
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_an_archive_that_is_gone_is_told(bench: Workbench, archive_path: Path) -> None:
    archive_path.unlink()
    (told,) = failures(bench.run("train", only=["taobao.raw_files"]))
    assert told.startswith("Nothing has landed for split train: expected ")


def test_a_landing_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    bench = workbench(tmp_path, tmp_path / "nowhere")
    (told,) = failures(bench.run("train", only=["taobao.raw_files"]))
    assert told.startswith(f"Folder {tmp_path}/nowhere does not exist; create it")


def only_long(raw_files: RawLines, rejected_rows: ir.Table) -> ir.Table:
    """Another filter of ``common_features_summary``."""
    summary: ir.Table = taobao.common_features_summary(raw_files, rejected_rows)
    return summary.filter(summary.num_features > 1)


def stale(bench: Workbench, assets: Sequence[LakeAsset]) -> set[tuple[str, str]]:
    definitions = build_definitions(bench.settings, assets=assets)
    sources = datasets_in(domains.taobao).landing
    updater = Updater(assets, sources, bench.deployment, bench.instance, definitions=definitions)
    return {(item.asset.name, item.key) for item in updater.stale(updater.listings())}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A small lake that was materialised once."""
    folder = tmp_path_factory.mktemp("small")
    write_taobao(folder / "landing", scale=0.02)
    bench = workbench(folder, folder / "landing")
    assert failures(bench.run(*SPLITS)) == []
    return bench


def test_a_comparison_leaves_nothing_behind_in_the_lake(small: Workbench) -> None:
    for asset in (asset for asset in ASSETS if asset.comparisons):
        data = f"{small.lake.location(asset.table)}/data"
        files = set(small.lake.read(asset.table).files)
        attempts = {file.removeprefix(f"{data}/").partition("/")[0] for file in files}
        checksums = {f"{data}/{attempt}/{CHECKSUMS}" for attempt in attempts}
        assert {it.uri for it in small.store.list(data)} == files | checksums


def test_another_filter_of_one_table_makes_no_other_stale(small: Workbench) -> None:
    assert stale(small, ASSETS) == set()
    changed = replace(taobao.common_features_summary, function=only_long)
    assets = [changed if it.key == changed.key else it for it in ASSETS]
    assert stale(small, assets) == {(changed.name, split) for split in SPLITS}
