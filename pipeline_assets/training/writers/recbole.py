"""RecBole: atomic files, with the features of users in a file of their own.

``NAME.train.inter``, ``NAME.valid.inter`` and ``NAME.test.inter`` hold the rows, ``NAME.user`` the
users and ``NAME.yaml`` the names that RecBole must know. Users are numbered within a partition of
the lake, so here each is called by both, as in ``train-7``. Nothing is lost; an unknown token is
the token ``1``, and no token is an empty one. RecBole reads all files into memory.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.training.batch import Batch, Ragged
from pipeline_assets.training.writers.options import Losses, Options
from pipeline_assets.training.writers.text import joined_by_blanks, write_text
from pipeline_assets.training.writers.training_set import (
    SHORT_PARTS,
    USER_ROW,
    Field,
    Portion,
    Role,
    TrainingSet,
    role_of,
)

_TYPES: Final[dict[Role, str]] = {"label": "float", "number": "float", "id": "token"}
_TAB: Final = "\t"


def write(training_set: TrainingSet, folder: Path, _: Options) -> Losses:
    """Write all parts; see the module."""
    folder.mkdir()
    of_rows = [it for it in training_set.fields if not it.of_user]
    of_users = [it for it in training_set.fields if it.of_user]
    keys = [f"{name}:{_TYPES[role_of(name)]}" for name in training_set.keys]
    for portion in training_set.portions:
        file = folder / f"{folder.name}.{SHORT_PARTS[portion.part]}.inter"
        rows = _rows(portion, portion.batches(), training_set.keys, of_rows)
        write_text(file, [*keys, *_header(of_rows)], rows, _TAB)
    if of_users:
        header = [f"{USER_ROW}:token", *_header(of_users)]
        write_text(folder / f"{folder.name}.user", header, _users(training_set, of_users), _TAB)
    (folder / f"{folder.name}.yaml").write_text("".join(_config(training_set, of_rows, of_users)))
    return Losses()


def _header(fields: Iterable[Field]) -> Iterator[str]:
    for field in fields:
        suffix = "_seq" if field.is_list else ""
        yield f"{field.name}:token{suffix}"
        if field.is_weighted:
            yield f"{field.weight}:float{suffix}"


def _users(training_set: TrainingSet, fields: Iterable[Field]) -> Iterator[dict[str, pa.Array]]:
    portions = {it.partition: it for it in training_set.portions}
    for portion in portions.values():
        yield from _rows(portion, portion.user_batches(), [USER_ROW], fields)


def _rows(
    portion: Portion, batches: Iterable[Batch], keys: Iterable[str], fields: Iterable[Field]
) -> Iterator[dict[str, pa.Array]]:
    for batch in batches:
        columns = {name: pa.array(batch.keys[name]) for name in keys}
        if USER_ROW in columns:
            columns[USER_ROW] = _names(portion.partition, columns[USER_ROW])
        for field in fields:
            columns |= _tokens(field, batch.fields[field.name])
        yield columns


def _names(partition: str, rows: pa.Array) -> pa.Array:
    """Rows of users as names. Nobody, row 0, has one as well: RecBole drops rows without users."""
    return pc.binary_join_element_wise(partition, rows.cast(pa.string()), "-")


def _tokens(field: Field, tokens: Ragged) -> dict[str, pa.Array]:
    ids, weights = pa.array(tokens.ids), pa.array(tokens.weights)
    if field.is_list:
        offsets = pa.array(tokens.offsets.astype("int32"))
        columns = {field.name: joined_by_blanks(offsets, ids)}
        if field.is_weighted:
            columns[field.weight] = joined_by_blanks(offsets, weights)
        return columns
    texts = pc.if_else(pc.equal(ids, 0), "", ids.cast(pa.string()))
    return {field.name: texts} | ({field.weight: weights} if field.is_weighted else {})


def _config(
    training_set: TrainingSet, of_rows: Iterable[Field], of_users: Iterable[Field]
) -> Iterator[str]:
    """What RecBole must be told; the field of the item is the user's to choose."""
    labels = training_set.keys_of("label")
    users = [it for it in training_set.keys_of("id") if it.startswith("user_")]
    items = [it for it in training_set.keys_of("id") if it.startswith("item_")]
    parts = [SHORT_PARTS[portion.part] for portion in training_set.portions]
    yield f"benchmark_filename: [{', '.join(parts)}]\n"
    yield from (f"USER_ID_FIELD: {it}\n" for it in users[:1])
    yield from (f"ITEM_ID_FIELD: {it}\n" for it in items[:1])
    yield from (f"LABEL_FIELD: {it}\n" for it in labels[:1])
    chosen = [it for it in training_set.keys if it in {*labels, *users, *items}]
    names = [*chosen, *(it.partition(":")[0] for it in _header(of_rows))]
    yield f"load_col:\n  inter: [{', '.join(names)}]\n"
    if header := list(_header(of_users)):
        users = [USER_ROW, *(it.partition(":")[0] for it in header)]
        yield f"  user: [{', '.join(users)}]\n"
