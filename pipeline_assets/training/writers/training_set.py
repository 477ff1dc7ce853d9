"""What writers get: the rows of each part of a release, and the users that they refer to.

Rows and users are flat files that are mapped into memory, so writers hold one batch at a time. Who
needs the features of users in every row gets them joined, batch by batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline_assets.dataset.training.conventions import PARTS
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.reading.release import Release
from pipeline_assets.training.batch import Batch, Longs, Ragged, offsets_of
from pipeline_assets.training.columns import Columns, prepare
from pipeline_assets.training.reader import Reader
from pipeline_assets.training.writers.options import Choice

PART: Final = "part"
SHORT_PARTS: Final = {"train": "train", "validation": "valid", "test": "test"}
"""The parts as other trainers call them."""
USER_ROW: Final = "user_row"
BATCH_ROWS: Final = 8_192
Role: TypeAlias = Literal["label", "id", "number"]
Bools: TypeAlias = npt.NDArray[np.bool_]
_IDS: Final = ("_row", "_index", "_id")


@dataclass(frozen=True)
class Field:
    """A feature, as it is in all parts together.

    Attributes:
        name: Its column.
        is_list: Whether a row may have any number of tokens; else it has one, or index 0 for none.
        of_user: Whether it is in the users' table.
        size: One more than its greatest index.
        longest: The most tokens that a row has.
        weights: How many tokens weigh something else than 1.
    """

    name: str
    is_list: bool
    of_user: bool
    size: int = 1
    longest: int = 0
    weights: int = 0

    @property
    def is_weighted(self) -> bool:
        """Whether any token weighs something else than 1."""
        return self.weights > 0

    @property
    def weight(self) -> str:
        """The column of its weights."""
        return f"{self.name}_weight"

    def seen_in(self, ragged: Ragged) -> "Field":
        """The same with further rows looked at."""
        if not len(ragged.ids):
            return self
        unlike_one = (ragged.weights != 1) & (ragged.ids > 0)
        return replace(
            self,
            size=max(self.size, int(ragged.ids.max()) + 1),
            longest=max(self.longest, int(ragged.lengths.max())),
            weights=self.weights + int(unlike_one.sum()),
        )


@dataclass(frozen=True)
class Portion:
    """The rows of one part.

    Attributes:
        part: ``train``, ``validation`` or ``test``.
        partition: Of the tables; users are numbered within it.
        rows: The rows.
        users: All users of the partition, if the rows refer to any.
    """

    part: str
    partition: str
    rows: Columns
    users: Columns | None

    def batches(self) -> Iterator[Batch]:
        """The rows as they are."""
        return iter(Reader(self.rows, BATCH_ROWS, "no"))

    def joined(self) -> Iterator[Batch]:
        """The rows with the features of their users."""
        for batch in self.batches():
            of_users = _of_users(self.users, batch.keys[USER_ROW]) if self.users else {}
            yield Batch(batch.keys, {**batch.fields, **of_users})

    def user_batches(self) -> Iterator[Batch]:
        """The users of the partition, row 1 first."""
        return iter(Reader(self.users, BATCH_ROWS, "no")) if self.users else iter(())


@dataclass(frozen=True)
class TrainingSet:
    """All that is written.

    Attributes:
        portions: One for each part.
        chosen: The fields to write; none stands for all.
    """

    portions: tuple[Portion, ...]
    chosen: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns of one number that are no features."""
        return self.portions[0].rows.layout.keys

    def keys_of(self, *roles: Role) -> tuple[str, ...]:
        """Those with one of some roles, which their names tell."""
        return tuple(name for name in self.keys if role_of(name) in roles)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The features to write, after one look at all rows and users.

        Raises:
            PipelineError: One was chosen that there is none of.
        """
        found: dict[str, Field] = {}
        users = {it.partition: it.users for it in self.portions if it.users}
        for of_user, columns in (
            *((False, it.rows) for it in self.portions),
            *((True, it) for it in users.values()),
        ):
            lists = columns.layout.lists
            for name in (*columns.layout.ones, *lists):
                found.setdefault(name, Field(name, name in lists, of_user))
            for batch in Reader(columns, BATCH_ROWS, "no"):
                found |= {name: found[name].seen_in(it) for name, it in batch.fields.items()}
        if unknown := sorted(set(self.chosen) - set(found)):
            raise PipelineError(
                f"There is no field {', '.join(unknown)}; there are {', '.join(found)}"
            )
        return tuple(found[name] for name in self.chosen or found)


def role_of(name: str) -> Role:
    """What a column that is no feature stands for."""
    if name.endswith("_label"):
        return "label"
    return "id" if name.endswith(_IDS) else "number"


def training_set(release: Release, lake: OpenLake, choice: Choice, cache: Path) -> TrainingSet:
    """The rows of a released table by part, and the users that it refers to.

    Args:
        release: The release.
        lake: Its lake.
        choice: The table has a column ``part``. If it also has ``user_row``, the users are in the
            table ``encoded_users`` of the same domain.
        cache: A folder for the flat files.

    Raises:
        PipelineError: The table has no parts, or two of its partitions have the same one, or it
            cannot be read.
    """
    table = release.table(lake, choice.table)
    if PART not in {column.name for column in table.columns}:
        raise PipelineError(
            f"{choice.table} has no column `part`, so nobody knows what to train on"
        )
    portions: dict[str, Portion] = {}
    for key in choice.partitions or table.partitions:
        for portion in _portions(release, lake, choice.table, key, cache):
            if other := portions.get(portion.part):
                raise PipelineError(
                    f"{portion.part} is in partitions {other.partition} and {key}, which number "
                    "their users each from 1: choose one of them"
                )
            portions[portion.part] = portion
    if not portions:
        raise PipelineError(f"{choice.table} has no rows in this release")
    ordered = sorted(portions.values(), key=lambda it: PARTS.index(it.part))
    return TrainingSet(tuple(ordered), tuple(choice.fields))


def _portions(
    release: Release, lake: OpenLake, name: str, key: str, cache: Path
) -> Iterator[Portion]:
    table, users = release.table(lake, name, partition=key or None), None
    if USER_ROW in {column.name for column in table.columns}:
        beside = f"{name.rpartition('.')[0]}.encoded_users"
        released = release.table(lake, beside, partition=key or None)
        users = prepare(released, cache, order_by=[USER_ROW])
    for part in _parts(table):
        rows = prepare(table, cache, order_by=_order(table), where={PART: part})
        yield Portion(part, key, rows, users)


def _parts(table: PublishedTable) -> list[str]:
    if not table.files:
        return []
    sql = f"SELECT DISTINCT {PART} FROM ({table.sql}) ORDER BY 1"  # noqa: S608 - our own query
    with table.lake.connection.cursor() as cursor:
        return [str(part) for (part,) in cursor.execute(sql).fetchall()]


def _order(table: PublishedTable) -> list[str]:
    """The columns that tell rows apart, users first, so that their rows lie together."""
    names = [column.name for column in table.columns if column.type in ("int", "long")]
    ids = [name for name in names if role_of(name) == "id"]
    return sorted(ids, key=lambda name: not name.startswith("user_"))


def _of_users(users: Columns, user_row: Longs) -> dict[str, Ragged]:
    """The features of each row's user; a row without a user has none."""
    rows = user_row.astype(np.int64) - 1
    known = rows >= 0
    lists = users.layout.lists
    found = users.take(rows[known]).fields
    return {name: _placed(it, known, is_list=name in lists) for name, it in found.items()}


def _placed(field: Ragged, known: Bools, *, is_list: bool) -> Ragged:
    """The tokens of known rows between rows without any; index 0 stands for none."""
    if is_list:
        lengths = np.zeros(len(known), np.int64)
        lengths[known] = field.lengths
        return Ragged(field.ids, field.weights, offsets_of(lengths))
    ids, weights = np.zeros(len(known), np.int32), np.zeros(len(known), np.float32)
    ids[known], weights[known] = field.ids, field.weights
    return Ragged(ids, weights, np.arange(len(known) + 1, dtype=np.int64))
