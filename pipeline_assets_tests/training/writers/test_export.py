"""Each format is read back by a reader that shares no code with its writer."""

import csv
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.release import Release
from pipeline_assets.training.writers.export import FORMATS, export
from pipeline_assets.training.writers.options import Choice, Options
from pipeline_assets_tests.training.writers.shop import NOTHING, Row, expected, published

PARTS = ("train", "validation", "test")
KEYS = ("sample_id", "click_label", "conversion_label", "user_row")
Shop = tuple[Release, OpenLake]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return published(tmp_path_factory.mktemp("shop"))


def exported(
    shop: Shop,
    folder: Path,
    format_: str,
    files: int = 1,
    max_length: int = 50,
    fields: Sequence[str] = (),
) -> Path:
    to = folder / "shop"
    chosen = Choice("shop.shown", (), fields)
    made = export(*shop, to, format_, chosen, Options(files, max_length))
    assert made.rows == {part: len(expected(part)) for part in PARTS}
    assert json.loads((to / "export.json").read_text())["lost"] == made.lost
    assert [it.name for it in folder.iterdir()] == ["shop"]
    return to


def columns(rows: list[Row], names: list[str]) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows]


def parquet(folder: Path) -> list[Row]:
    files = sorted(folder.glob("*.parquet"))
    rows: list[Row] = pa.concat_tables([pq.read_table(file) for file in files]).to_pylist()
    return rows


def test_parquet_keeps_users_beside_rows(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "parquet", files=4)
    for part in PARTS:
        users = {row["user_row"]: row for row in parquet(to / f"users/{_partition(part)}")}
        users[0] = NOTHING
        joined = [
            users[row["user_row"]] | row | {"part": part, "split": _partition(part)}
            for row in parquet(to / f"rows/{part}")
        ]
        assert joined == expected(part)


@pytest.mark.parametrize(("files", "sizes"), [(4, [23, 23, 22, 22]), (200, [1] * 90)])
def test_files_are_equal_but_for_one_row(
    shop: Shop, tmp_path: Path, files: int, sizes: list[int]
) -> None:
    to = exported(shop, tmp_path, "torcheasyrec", files=files)
    written = sorted((to / "test").iterdir())
    assert [pq.read_metadata(file).num_rows for file in written] == sizes


def _partition(part: str) -> str:
    return "test" if part == "test" else "train"


def test_torcheasyrec_has_every_token_and_weight(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "torcheasyrec")
    for part in PARTS:
        wanted = [
            {name: row[name] for name in (*KEYS, "f3", "f8", "f9")}
            | {name: _pairs(row[name], row[f"{name}_weight"]) for name in ("f1", "f2", "f7")}
            for row in expected(part)
        ]
        assert parquet(to / part) == wanted
    config = (to / "features.config").read_text()
    assert 'label_fields: "conversion_label"' in config
    assert config.count("weighted: true") == 3
    assert 'feature_name: "f9"\n        num_buckets: 10\n' in config


def _pairs(ids: object, weights: object) -> list[tuple[object, object]]:
    """A field's tokens as a map; of a field of one value, none for index 0."""
    if isinstance(ids, list) and isinstance(weights, list):
        return list(zip(ids, weights, strict=True))
    return [(ids, weights)] if ids else []


def test_recbole_has_every_token_and_weight(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "recbole")
    users = {row["user_row"]: row for row in _atomic(to / "shop.user")}
    assert len(users) == 24
    for part, name in zip(PARTS, ("train", "valid", "test"), strict=True):
        split = _partition(part)
        nobody = {"f7": [], "f7_weight": [], "f8": [], "f9": ""}
        found = []
        for row in _atomic(to / f"shop.{name}.inter"):
            place = int(row["user_row"].removeprefix(f"{split}-"))
            user = users[f"{split}-{place}"] if place else nobody
            found.append(user | row | {"user_row": place})
        assert found == [_as_atomic(row) for row in expected(part)]
    assert "benchmark_filename: [train, valid, test]" in (to / "shop.yaml").read_text()


def _atomic(file: Path) -> list[Row]:
    header, *lines = file.read_text().splitlines()
    names = [it.split(":") for it in header.split("\t")]
    return [
        {
            name: _value(kind, text)
            for (name, kind), text in zip(names, line.split("\t"), strict=True)
        }
        for line in lines
    ]


def _value(kind: str, text: str) -> object:
    if kind.endswith("_seq"):
        return [_value(kind.removesuffix("_seq"), it) for it in text.split()]
    return float(text) if kind == "float" else text


def _as_atomic(row: Row) -> Row:
    def text(index: int) -> str:
        return str(index) if index else ""

    return {
        **{name: row[name] for name in ("user_row", "click_label", "conversion_label")},
        "sample_id": str(row["sample_id"]),
        **{name: text(row[name]) for name in ("f1", "f3", "f9")},
        **{name: [str(it) for it in row[name]] for name in ("f2", "f7", "f8")},
        **{f"{name}_weight": row[f"{name}_weight"] for name in ("f1", "f2", "f7")},
    }


def _padded(ids: list[int], width: int) -> list[int]:
    return [*islice([*ids, *[0] * width], width)]


def test_fuxictr_has_equally_long_lists_and_tells_what_it_lost(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "fuxictr", files=2, max_length=4)
    for part, name in zip(PARTS, ("train", "valid", "test"), strict=True):
        wanted = [
            {it: row[it] for it in ("click_label", "conversion_label", "f1", "f3", "f9")}
            | {it: _padded(row[it], 4) for it in ("f2", "f7")}
            | {"f8": _padded(row["f8"], 3)}
            for row in expected(part)
        ]
        assert parquet(to / name) == wanted
    described = json.loads((to / "feature_map.json").read_text())
    assert described["dataset_id"] == "shop"
    features = {name: it for each in described["features"] for name, it in each.items()}
    assert features["f8"]["max_len"] == 3
    assert features["f7"]["vocab_size"] == 21
    assert features["f9"] == {
        "source": "user",
        "type": "categorical",
        "padding_idx": 0,
        "vocab_size": 10,
    }


def test_what_a_format_has_no_place_for_is_counted(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "torch-rechub", max_length=4)
    rows = [row for part in PARTS for row in expected(part)]
    lost = json.loads((to / "export.json").read_text())["lost"]
    assert {name: count for name, count in lost.items() if name.startswith("tokens")} == {
        f"tokens of {name} beyond 4": sum(max(len(row[name]) - 4, 0) for row in rows)
        for name in ("f2", "f7")
    }
    assert lost["weights of f2"] == sum(it != 1 for row in rows for it in row["f2_weight"])
    assert not any("f8" in name or "f9" in name for name in lost)


def test_torch_rechub_has_a_column_for_each_number(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "torch-rechub", max_length=4)
    for part in PARTS:
        with (to / f"{part}.csv").open() as stream:
            found = [{name: int(it) for name, it in row.items()} for row in csv.DictReader(stream)]
        for row, want in zip(found, expected(part), strict=True):
            assert {name: row[name] for name in KEYS} == {name: want[name] for name in KEYS}
            assert [row[f"f7_{place}"] for place in range(4)] == _padded(want["f7"], 4)
            assert "f7_4" not in row
            assert row["f9"] == want["f9"]


def test_only_chosen_fields_are_written(shop: Shop, tmp_path: Path) -> None:
    to = exported(shop, tmp_path, "torcheasyrec", fields=("f9", "f2"))
    names = {"click_label", "conversion_label", "user_row", "sample_id", "f9", "f2"}
    assert set(parquet(to / "train")[0]) == names


def test_mistakes_are_told_and_leave_nothing_behind(shop: Shop, tmp_path: Path) -> None:
    mistakes = {
        "There is no format csv; there are parquet": ("csv", Choice("shop.shown")),
        "There is no field f5; there are f1, f3": ("recbole", Choice("shop.shown", (), ("f5",))),
        "has no table shop.other": ("recbole", Choice("shop.other")),
    }
    for told, (format_, choice) in mistakes.items():
        with pytest.raises(PipelineError, match=told):
            export(*shop, tmp_path / "shop", format_, choice, Options())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "shop").mkdir()
    with pytest.raises(PipelineError, match="is there already"):
        export(*shop, tmp_path / "shop", next(iter(FORMATS)), Choice("shop.shown"), Options())
