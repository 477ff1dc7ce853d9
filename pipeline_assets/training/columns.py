"""A published table as flat files that are mapped into memory, so that any row is at hand.

Parquet is read once, in batches; what follows is a lookup of numbers. What one row has once lies
together, so that a shuffled row costs one access to memory and not one for each column. A folder
is named after the snapshot and what was chosen of it, and is whole or not there.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_assets.engines.standard_sql import identifier, literal
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.training.batch import Batch, Ints, Longs, Ragged

_LAYOUT: Final = "layout.json"
_WEIGHT: Final = "_weight"
_BATCH_ROWS: Final = 50_000
_SCANNED_ROWS: Final = 1 << 20


@dataclass(frozen=True)
class Layout:
    """What there is of each row.

    Attributes:
        snapshot_id: What it was read from.
        rows: How many there are.
        order_by: What they are ordered by.
        ints: Columns of one 32-bit number: keys, and fields of one value.
        longs: Columns of one 64-bit number.
        ones: Fields of one value.
        lists: Fields of any number of values.
    """

    snapshot_id: int
    rows: int
    order_by: tuple[str, ...]
    ints: tuple[str, ...]
    longs: tuple[str, ...]
    ones: tuple[str, ...]
    lists: tuple[str, ...]

    @property
    def fixed(self) -> tuple[str, ...]:
        """The columns of the matrix of 32-bit numbers."""
        return (*self.ints, *self.ones, *(name + _WEIGHT for name in self.ones))

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that are no features."""
        return (*self.ints, *self.longs)


@dataclass(frozen=True)
class Columns:
    """Rows on disk, mapped into memory.

    Attributes:
        folder: Where they are.
        layout: What there is of each.
    """

    folder: Path
    layout: Layout

    @classmethod
    def open(cls, folder: Path) -> "Columns":
        """What :func:`prepare` has written."""
        read = json.loads((folder / _LAYOUT).read_text())
        found: dict[str, Any] = {
            name: tuple(it) if isinstance(it, list) else it for name, it in read.items()
        }
        return cls(folder, Layout(**found))

    def __len__(self) -> int:
        """Number of rows."""
        return self.layout.rows

    def take(self, rows: Longs) -> Batch:
        """Some rows, in that order."""
        # One row of the matrix for each, then one array for each column.
        taken = np.ascontiguousarray(self._fixed[rows].T)
        fixed = dict(zip(self.layout.fixed, taken, strict=True))
        each = np.arange(len(rows) + 1, dtype=np.int64)
        keys: dict[str, npt.NDArray[Any]] = {name: fixed[name] for name in self.layout.ints}
        keys |= {name: np.asarray(it[rows]) for name, it in self._longs.items()}
        fields = {
            name: Ragged(fixed[name], fixed[name + _WEIGHT].view(np.float32), each)
            for name in self.layout.ones
        }
        return Batch(keys, fields | {name: it.take(rows) for name, it in self._lists.items()})

    def resident(self) -> Mapping[str, Ragged]:
        """All features in memory, row ``n`` of the table as row ``n`` of each field.

        The rows are numbered from 1 by the column they are ordered by; row 0 has no tokens.

        Raises:
            PipelineError: They are not.
        """
        fixed = dict(zip(self.layout.fixed, np.ascontiguousarray(self._fixed.T), strict=True))
        numbers = fixed[self.layout.order_by[0]]
        if not np.array_equal(numbers, np.arange(1, len(self) + 1)):
            raise PipelineError(f"{self.layout.order_by[0]} does not number the rows from 1")
        each = np.arange(len(self) + 1, dtype=np.int64)
        fields = {
            name: Ragged(fixed[name], fixed[name + _WEIGHT].view(np.float32), each)
            for name in self.layout.ones
        }
        fields |= self._lists
        return {name: _after_an_empty_row(field) for name, field in fields.items()}

    @cached_property
    def group_bounds(self) -> Longs:
        """First row of each run of equal values of the first column they are ordered by.

        The value 0 stands for nothing in common, so each of its rows is a run. The last bound is
        the number of rows.
        """
        place = self.layout.fixed.index(self.layout.order_by[0])
        found, last = [], -1
        for start in range(0, len(self), _SCANNED_ROWS):
            values = np.asarray(self._fixed[start : start + _SCANNED_ROWS, place])
            before = np.concatenate([[last], values[:-1]])
            found.append(start + np.flatnonzero((values != before) | (values == 0)))
            last = int(values[-1])
        return np.concatenate([*found, [len(self)]]).astype(np.int64)

    @cached_property
    def _fixed(self) -> Ints:
        width = len(self.layout.fixed)
        return _mapped(self.folder / "fixed", np.int32).reshape(len(self), width)

    @cached_property
    def _longs(self) -> dict[str, Longs]:
        return {name: _mapped(self.folder / f"{name}.long", np.int64) for name in self.layout.longs}

    @cached_property
    def _lists(self) -> dict[str, Ragged]:
        return {
            name: Ragged(
                _mapped(self.folder / f"{name}.ids", np.int32),
                _mapped(self.folder / f"{name}.weights", np.float32),
                _mapped(self.folder / f"{name}.offsets", np.int64),
            )
            for name in self.layout.lists
        }


def prepare(
    table: PublishedTable,
    folder: Path,
    *,
    order_by: Sequence[str],
    where: Mapping[str, str] | None = None,
) -> Columns:
    """Write a table, or some rows of it, to flat files in a folder, unless they are there.

    Args:
        table: One snapshot; it may lie in a folder or on S3.
        folder: On a disk of this machine; several processes may use it.
        order_by: Columns that decide the order of all rows, so that it is the same everywhere.
        where: The only value of a column, such as ``{"part": "train"}``.

    Raises:
        PipelineError: The table cannot be read.
    """
    chosen = json.dumps([table.keys, list(order_by), where], sort_keys=True)
    digest = hashlib.sha256(chosen.encode()).hexdigest()[:16]
    target = folder / f"{table.name}-{table.snapshot_id}-{digest}"
    if target.exists():
        return Columns.open(target)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder))
    try:
        layout = _written(table, fresh, tuple(order_by), where or {})
        (fresh / _LAYOUT).write_text(json.dumps(asdict(layout)))
        if not target.exists():
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Columns.open(target)


def _written(
    table: PublishedTable, folder: Path, order_by: tuple[str, ...], where: Mapping[str, str]
) -> Layout:
    types = {column.name: column.type.replace(" ", "") for column in table.columns}
    fields = [name for name in types if name + _WEIGHT in types]
    layout = Layout(
        snapshot_id=table.snapshot_id,
        rows=0,
        order_by=order_by,
        ints=tuple(it for it in types if types[it] == "int" and it not in fields),
        longs=tuple(it for it in types if types[it] == "long"),
        ones=tuple(it for it in fields if types[it] == "int"),
        lists=tuple(it for it in fields if types[it] == "list<int>"),
    )
    rows = 0
    with ExitStack() as stack:
        writer = _Writer(folder, layout, stack)
        for batch in _batches(table, layout, where):
            writer.write(batch)
            rows += batch.num_rows
    return Layout(**{**asdict(layout), "rows": rows})


def _batches(
    table: PublishedTable, layout: Layout, where: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    lists = [each for name in layout.lists for each in (name, name + _WEIGHT)]
    columns = ", ".join(map(identifier, (*layout.fixed, *layout.longs, *lists)))
    conditions = [f"{identifier(name)} = {literal(value)}" for name, value in where.items()]
    order = ", ".join(map(identifier, layout.order_by))
    sql = (
        f"SELECT {columns} FROM ({table.sql}) WHERE {' AND '.join(conditions) or 'true'} "  # noqa: S608
        f"ORDER BY {order}"
    )
    with table.lake.connection.cursor() as cursor:
        yield from cursor.execute(sql).to_arrow_reader(_BATCH_ROWS)


class _Writer:
    """Appends batches to the files of a layout."""

    def __init__(self, folder: Path, layout: Layout, stack: ExitStack) -> None:
        self._layout = layout
        self._ends = dict.fromkeys(layout.lists, 0)
        names = ["fixed", *(f"{name}.long" for name in layout.longs)]
        kinds = ("ids", "weights", "offsets")
        names += [f"{name}.{kind}" for name in layout.lists for kind in kinds]
        self._files: dict[str, IO[bytes]] = {
            name: stack.enter_context((folder / name).open("wb")) for name in names
        }
        for name in layout.lists:
            self._append(f"{name}.offsets", np.zeros(1, np.int64))

    def write(self, batch: pa.RecordBatch) -> None:
        """Append one batch."""
        fixed = [_numbers(batch[name]).view(np.int32) for name in self._layout.fixed]
        self._append("fixed", np.stack(fixed, axis=1))
        for name in self._layout.longs:
            self._append(f"{name}.long", _numbers(batch[name]))
        for name in self._layout.lists:
            lists, weights = batch[name], batch[name + _WEIGHT]
            lengths = _numbers(lists.value_lengths())
            self._append(f"{name}.ids", _numbers(lists.flatten()))
            self._append(f"{name}.weights", _numbers(weights.flatten()))
            offsets = self._ends[name] + np.cumsum(lengths, dtype=np.int64)
            self._append(f"{name}.offsets", offsets)
            self._ends[name] = int(offsets[-1]) if len(offsets) else self._ends[name]

    def _append(self, name: str, values: npt.NDArray[Any]) -> None:
        self._files[name].write(np.ascontiguousarray(values).tobytes())


def _numbers(array: pa.Array) -> npt.NDArray[Any]:
    numbers: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return numbers


def _mapped(path: Path, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A file as an array; an empty file cannot be mapped."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype, mode="r"))


def _after_an_empty_row(field: Ragged) -> Ragged:
    offsets = np.concatenate([[0], field.offsets]).astype(np.int64)
    return Ragged(np.array(field.ids), np.array(field.weights), offsets)
