"""How other libraries read joined rows; `make test-trainers` installs them, each by itself.

Each script is given a file and how many rows a batch has, and prints how many rows and bytes it
has turned into arrays or tensors, and the seconds of the clock and of the CPU this took. Importing
the library is not counted.
"""

import json
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

TRAINERS: Final = Path(__file__).parents[2] / ".trainers"
LONGEST_LIST: Final = 50
"""As many tokens of a list as exports for torch-rechub keep by default."""

_FRAME: Final = """
import json, sys, time
file, batch_rows = sys.argv[1], int(sys.argv[2])
{imports}
started, cpu = time.perf_counter(), time.process_time()
rows = size = 0
for arrays, count in {batches}:
    rows += count
    size += sum(it.nbytes for it in arrays)
print(json.dumps([rows, size, time.perf_counter() - started, time.process_time() - cpu]))
"""
_DATASETS: Final = """
import os
import numpy as np
from datasets import Dataset, disable_progress_bars, load_dataset
disable_progress_bars()
def flat(batch):
    for name, column in batch.items():
        if isinstance(column, np.ndarray) and column.dtype != object:
            yield column
        else:
            yield np.concatenate(list(column))
def read(dataset):
    for batch in dataset.with_format("numpy").iter(batch_rows):
        yield list(flat(batch)), len(batch["sample_id"])
def streamed():
    return load_dataset("parquet", data_files=file, split="train", streaming=True)
def shuffled():
    return Dataset.from_parquet(file, cache_dir=os.path.dirname(file)).shuffle(seed=1)
"""
_RECHUB: Final = """
import pandas as pd
from torch_rechub.utils.data import DataGenerator
def read():
    frame = pd.read_csv(file)
    label = frame.pop("click_label").to_numpy()
    x = {name: frame[name].to_numpy() for name in frame}
    none = {name: it[:0] for name, it in x.items()}
    loader, *_ = DataGenerator(x, label).generate_dataloader(
        x_val=none, y_val=label[:0], x_test=none, y_test=label[:0], batch_size=batch_rows)
    for features, labels in loader:
        yield [*features.values(), labels], len(labels)
"""


class Peer(NamedTuple):
    """A library that reads joined rows.

    Attributes:
        name: What the table calls it.
        environment: Its folder below ``.trainers``.
        imports: What its script begins with.
        batches: The expression that gives arrays and number of rows, batch after batch.
        is_text: Whether it reads CSV instead of Parquet.
    """

    name: str
    environment: str
    imports: str
    batches: str
    is_text: bool = False


PEERS: Final = (
    Peer(
        "joined Parquet, `datasets`, streamed in order", "datasets", _DATASETS, "read(streamed())"
    ),
    Peer("joined Parquet, `datasets`, fully shuffled", "datasets", _DATASETS, "read(shuffled())"),
    Peer("joined CSV, torch-rechub, fully shuffled", "fuxictr", _RECHUB, "read()", is_text=True),
)


class Figures(NamedTuple):
    """What a peer has read."""

    rows: int
    size: int
    seconds: float
    cpu_seconds: float


def measured(peer: Peer, joined: Path, batch_rows: int) -> Figures | None:
    """What it takes the peer to read a file of joined rows; nothing where it is not installed."""
    python = TRAINERS / peer.environment / "bin/python"
    if not python.exists():
        return None
    file = _as_text(joined) if peer.is_text else joined
    script = _FRAME.format(imports=peer.imports, batches=peer.batches)
    command = [str(python), "-c", script, str(file), str(batch_rows)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return Figures(*json.loads(told.stdout.splitlines()[-1]))


def _as_text(joined: Path) -> Path:
    """The same rows with a column for each of the first tokens of a list, and no weights."""
    file = joined.with_suffix(".csv")
    columns: dict[str, pa.Array] = {}
    for name, column in pq.read_table(joined).to_pydict().items():
        if name.endswith("_weight"):
            continue
        if isinstance(column[0], list):
            padded = np.array([(it + [0] * LONGEST_LIST)[:LONGEST_LIST] for it in column])
            columns |= {f"{name}_{place}": padded[:, place] for place in range(LONGEST_LIST)}
        else:
            columns[name] = pa.array(column)
    pyarrow.csv.write_csv(pa.table(columns), file)
    return file
