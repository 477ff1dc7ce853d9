"""Exports are what the libraries that they are written for read, in an environment of their own.

`make test-trainers` installs them below `.trainers/`; they want other versions of NumPy and pandas
than we do, and torch.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.release import Release
from pipeline_assets.training.writers.export import export
from pipeline_assets.training.writers.options import Choice, Options
from pipeline_assets_tests.training.writers.shop import expected, published, rows_of

pytestmark = pytest.mark.trainers

TRAINERS = Path(__file__).parents[3] / ".trainers"
PARTS = ("train", "validation", "test")

RECBOLE = """
from recbole.config import Config
from recbole.data import create_dataset
given = {"data_path": str(folder.parent), "ITEM_ID_FIELD": "f1", "use_gpu": False,
         "eval_args": {"mode": "labeled"}, "normalize_all": False}
config = Config("DeepFM", folder.name, [str(folder / f"{folder.name}.yaml")], given)
dataset = create_dataset(config)
def tokens(name, row):
    ids = row[name].tolist()
    texts = dataset.id2token(name, ids)
    return [int(it) for it in texts if it != "[PAD]"] if isinstance(ids, list) else str(texts)
def rows(part):
    joined = part.join(part.inter_feat)
    for row in (joined[place] for place in range(len(part))):
        names = ("user_row", "f1", "f3", "f9", "f2", "f7", "f8")
        found = {name: tokens(name, row) for name in names}
        for name in ("f2", "f7"):
            found[f"{name}_weight"] = row[f"{name}_weight"].tolist()[: len(found[name])]
        yield found | {"click_label": row["click_label"].item()}
answer = [list(rows(part)) for part in dataset.build()]
"""
FUXICTR = """
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
features = FeatureMap(folder.name, str(folder))
features.load(str(folder / "feature_map.json"), {"embedding_dim": 4})
where = {f"{it}_data": str(folder / it) for it in ("train", "valid", "test")}
options = dict(batch_size=16, shuffle=False, data_format="parquet")
loaders = [*RankDataLoader(features, stage="train", **where, **options),
           RankDataLoader(features, stage="test", **where, **options)]
names = ("f1", "f2", "f3", "f7", "f8", "f9", "click_label")
answer = [[{name: batch[name][row].tolist() for name in names} for batch in loader
           for row in range(len(batch["click_label"]))] for loader in loaders]
"""
DATASETS = """
from datasets import load_dataset
files = json.loads(sys.argv[2])
cache = str(folder / "cache")
kept = load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
streamed = load_dataset("parquet", data_files=files, split="train", streaming=True)
answer = [list(kept), list(streamed)]
"""


def answered(library: str, script: str, folder: Path, *arguments: str) -> Any:  # noqa: ANN401
    python = TRAINERS / library / "bin/python"
    if not python.exists():
        pytest.skip(f"{library} is not installed below .trainers; `make test-trainers` does that")
    head = "import json, sys\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
    tail = "\nPath(folder, 'answer').write_text(json.dumps(answer))"
    command = [str(python), "-c", head + script + tail, str(folder), *arguments]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    return json.loads((folder / "answer").read_text())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, OpenLake]:
    return published(tmp_path_factory.mktemp("shop"))


def test_recbole_reads_every_token_and_weight(
    shop: tuple[Release, OpenLake], tmp_path: Path
) -> None:
    to = tmp_path / "shop"
    export(*shop, to, "recbole", Choice("shop.shown"), Options())
    for part, rows in zip(PARTS, answered("recbole", RECBOLE, to), strict=True):
        split = "test" if part == "test" else "train"
        wanted = [
            {name: str(row[name] or "[PAD]") for name in ("f1", "f3", "f9")}
            | {name: row[name] for name in ("f2", "f7", "f8", "f2_weight", "f7_weight")}
            | {"user_row": f"{split}-{row['user_row']}", "click_label": row["click_label"]}
            for row in expected(part)
        ]
        assert rows == wanted


def test_fuxictr_reads_every_row(shop: tuple[Release, OpenLake], tmp_path: Path) -> None:
    to = tmp_path / "shop"
    export(*shop, to, "fuxictr", Choice("shop.shown"), Options(files=2))
    rows = [row for part in PARTS for row in expected(part)]
    widths = {name: max(len(row[name]) for row in rows) for name in ("f2", "f7", "f8")}
    for part, found in zip(PARTS, answered("fuxictr", FUXICTR, to), strict=True):
        wanted = [
            {name: row[name] for name in ("f1", "f3", "f9", "click_label")}
            | {name: (row[name] + [0] * width)[:width] for name, width in widths.items()}
            for row in expected(part)
        ]
        # An export promises no order of rows, and these have no key.
        assert sorted(found, key=_columns) == sorted(wanted, key=_columns)


def _columns(row: dict[str, Any]) -> str:
    return str(sorted(row.items()))


def test_datasets_reads_the_files_of_a_snapshot_as_they_are(
    shop: tuple[Release, OpenLake], tmp_path: Path
) -> None:
    release, lake = shop
    files = release.table(lake, "shop.shown", partition="train").files
    kept, streamed = answered("datasets", DATASETS, tmp_path, json.dumps(files))
    (wanted, _) = rows_of("train")
    assert kept == streamed
    assert sorted(kept, key=lambda row: row["sample_id"]) == wanted
