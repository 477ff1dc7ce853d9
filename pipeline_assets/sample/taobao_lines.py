r"""Lines of the Taobao files with the fields, multiplicities and values of the published data.

Impressions come in groups that share a common feature index, and a batch is some hundred groups.
All tokens of a batch are drawn and written at once as NumPy and Arrow arrays: more than a million
tokens a second, ten times as many as a Python loop writes.

Clicks can be learnt. Some users are keen: they weigh a few things of field 109_14 that everybody
has much more than others do, and click more often; and some categories of items, field 206,
attract. So a model that sees all weighted values of a user knows more than one that sees the last.

Field names, their multiplicities and the means (13.35 tokens an impression, 518 a common row, 58
impressions a group, 4 % clicks) are those published for Ali-CCP; ids lie in similar ranges.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

IMPRESSIONS_PER_GROUP: Final = 58
GROUPS_PER_BATCH: Final = 200
CLICK_RATE: Final = 0.04
CONVERSION_RATE: Final = 0.02
"""Share of clicks that end in a conversion: four times the published one, or samples have none."""

KEEN: Final = 0.3
"""Share of users who click more often than others."""
_KEEN_TWENTIETHS: Final = round(KEEN * 20)
_KEEN_TIMES: Final = 2.4
_KEEN_FIELD: Final = "109_14"
_KEEN_IDS: Final = 20
_KEEN_VALUE: Final = 200  # how often a keen user has had to do with such a thing
_ATTRACTIVE_FIELD: Final = "206"
_ATTRACTIVE_IDS: Final = 100
_ATTRACTIVE: Final = 0.12
"""Share of impressions with one of these ids, because small ids are the popular ones."""
_ATTRACTIVE_TIMES: Final = 4.0

# Rare cases stand at fixed places, so that even the smallest sample has them.
NO_CLICK_CONVERSION_EVERY: Final = 997

_LONGEST_FIELD: Final = 674  # four such fields make the longest published row, of 2,706 tokens
_LOGARITHMS: Final = 399
_OTHERS: Final = 2_000
_SPREAD: Final = 0.9  # of the lognormal number of tokens of a multi-valued field


class Field(NamedTuple):
    """A feature field.

    Attributes:
        name: Its id in the data, which is text.
        first_id: Smallest feature id.
        ids: Number of feature ids.
        mean: Mean number of tokens in a row; if it is up to 1, the field has one value with this
            probability.
        real: Whether values are ln(1 + n) and other real numbers; otherwise they are 1.0.
    """

    name: str
    first_id: int
    ids: int
    mean: float
    real: bool = False


class Shape(NamedTuple):
    """What the lines of a file are like.

    Attributes:
        fields: The fields of its tokens, in the order they are written.
        trailing_every: One row in so many ends in a separator.
        empty_list_every: One row in so many has no tokens.
    """

    fields: tuple[Field, ...]
    trailing_every: int
    empty_list_every: int


_CORE_FIELDS: Final = (
    Field("205", 4_350_000, 467_298, 1.0),
    Field("206", 8_316_000, 6_929, 1.0),
    Field("207", 8_700_000, 263_942, 1.0),
    Field("210", 9_020_000, 106_399, 3.45),
    Field("216", 9_250_000, 101_000, 0.98),
    Field("301", 9_351_665, 3, 1.0),
    Field("508", 9_352_000, 5_888, 0.82, real=True),
    Field("509", 9_360_000, 104_830, 0.85, real=True),
    Field("702", 9_470_000, 51_878, 0.72, real=True),
    Field("853", 9_530_000, 37_148, 2.53, real=True),
)
_COMMON_FIELDS: Final = (
    Field("101", 1, 238_635, 1.0),
    Field("109_14", 450_000, 11_568, 134.0, real=True),
    Field("110_14", 520_000, 1_049_475, 134.0, real=True),
    Field("127_14", 2_100_000, 191_790, 134.0, real=True),
    Field("150_14", 2_400_000, 76_212, 134.0, real=True),
    Field("121", 3_438_650, 98, 1.0),
    Field("122", 3_438_760, 14, 1.0),
    Field("124", 3_438_780, 3, 1.0),
    Field("125", 3_438_785, 8, 0.9),
    Field("126", 3_438_795, 4, 0.9),
    Field("127", 3_438_800, 4, 1.0),
    Field("128", 3_438_806, 3, 0.95),
    Field("129", 3_438_810, 5, 0.6),
)
SKELETON: Final = Shape(_CORE_FIELDS, trailing_every=101, empty_list_every=499)
COMMON: Final = Shape(_COMMON_FIELDS, trailing_every=13, empty_list_every=37)


_NUMBERS: Final = (
    1.0,
    *(float(np.log1p(n)) for n in range(1, _LOGARITHMS + 1)),
    *(n * 0.00937 for n in range(1, _OTHERS + 1)),
)
_VALUES: Final = pa.array([f"\x03{round(number, 5)!r}" for number in _NUMBERS])


class Rows(NamedTuple):
    """Lines of one file.

    Attributes:
        lines: Arrow array of strings, each with its newline.
        feature_num: Tokens of every row.
    """

    lines: pa.StringArray
    feature_num: Ints


class Batch(NamedTuple):
    """Some groups of impressions and their common features.

    Attributes:
        skeleton: One row per impression.
        common: One row per group.
    """

    skeleton: Rows
    common: Rows


def batches(impressions: int, seed: Sequence[int]) -> Iterator[Batch]:
    """Yield exactly that many impressions; their ids and the group numbers start at 1."""
    random = np.random.default_rng(seed)
    first_id, first_group = 1, 1
    while first_id <= impressions:
        sizes = _group_sizes(random, impressions - first_id + 1)
        yield _batch(random, first_id, first_group, sizes)
        first_id += int(sizes.sum())
        first_group += len(sizes)


def _group_sizes(random: np.random.Generator, at_most: int) -> Ints:
    sizes = random.geometric(1 / IMPRESSIONS_PER_GROUP, GROUPS_PER_BATCH)
    ends = np.minimum(np.cumsum(sizes), at_most)
    sizes = np.diff(ends, prepend=0)
    return sizes[sizes > 0]


class _Tokens(NamedTuple):
    """The tokens of some rows, row after row.

    Attributes:
        counts: How many each row has of each field.
        field: Place of the field of each token.
        id: Its id, from 0.
        value: Place of its value in ``_VALUES``.
    """

    counts: Ints
    field: Ints
    id: Ints
    value: Ints

    @property
    def row(self) -> Ints:
        """Of each token."""
        return np.repeat(np.arange(len(self.counts)), self.counts.sum(axis=1))

    def are_small(self, shape: Shape, name: str, ids: int) -> Bools:
        """Whether each token has one of the smallest ids of a field."""
        place = [field.name for field in shape.fields].index(name)
        are_small: Bools = (self.field == place) & (self.id < ids)
        return are_small


def _batch(random: np.random.Generator, first_id: int, first_group: int, sizes: Ints) -> Batch:
    groups = np.arange(first_group, first_group + len(sizes))
    group = np.repeat(np.arange(len(sizes)), sizes)
    ids = np.arange(first_id, first_id + len(group))
    clicks, conversions = random.random(len(ids)), random.random(len(ids))
    index, is_keen = _index(random, groups), groups % 20 < _KEEN_TWENTIETHS
    items = _tokens(random, SKELETON, ids)
    users = _as_keen_users_weigh(_tokens(random, COMMON, groups), is_keen)
    click = clicks < _chances(items, is_keen.take(group))
    conversion = click & (conversions < CONVERSION_RATE)
    odd = ids % NO_CLICK_CONVERSION_EVERY == 0
    click, conversion = click & ~odd, conversion | odd
    heads = [ids, click.astype(np.int8), conversion.astype(np.int8), index.take(group)]
    return Batch(
        skeleton=_rows(SKELETON, ids, items, heads), common=_rows(COMMON, groups, users, [index])
    )


def _chances(items: _Tokens, is_keen: Bools) -> NDArray[np.float64]:
    """How likely each impression is clicked; on average, as likely as any."""
    is_attractive = np.zeros(len(is_keen), np.bool_)
    is_attractive[items.row[items.are_small(SKELETON, _ATTRACTIVE_FIELD, _ATTRACTIVE_IDS)]] = True
    times = _times(is_keen, KEEN, _KEEN_TIMES)
    return CLICK_RATE * times * _times(is_attractive, _ATTRACTIVE, _ATTRACTIVE_TIMES)


def _times(has_more: Bools, share: float, times: float) -> NDArray[np.float64]:
    return np.where(has_more, times, (1 - share * times) / (1 - share))


def _as_keen_users_weigh(users: _Tokens, is_keen: Bools) -> _Tokens:
    is_heavy = users.are_small(COMMON, _KEEN_FIELD, _KEEN_IDS) & is_keen[users.row]
    return users._replace(value=np.where(is_heavy, _KEEN_VALUE, users.value))


def _index(random: np.random.Generator, groups: Ints) -> pa.StringArray:
    """16 hexadecimal digits like the published ones; the last 8 are the group's number."""
    drawn = random.integers(0, 1 << 32, len(groups))
    pairs = zip(drawn.tolist(), groups.tolist(), strict=True)
    return pa.array([f"{high:08x}{group:08x}" for high, group in pairs])


def _rows(shape: Shape, numbers: Ints, tokens: _Tokens, heads: Sequence[Ints | pa.Array]) -> Rows:
    feature_num = tokens.counts.sum(axis=1)
    offsets = np.append(0, np.cumsum(feature_num)).astype(np.int32)
    texts = _texts(shape.fields, tokens)
    lists = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), "\x01")
    trailing = (numbers % shape.trailing_every == 0) & (feature_num > 0)
    return Rows(_lines([*heads, feature_num, lists], trailing), feature_num)


def _counts(random: np.random.Generator, field: Field, rows: int) -> Ints:
    if field.mean <= 1:
        return (random.random(rows) < field.mean).astype(np.int64)
    drawn = random.lognormal(np.log(field.mean) - _SPREAD**2 / 2, _SPREAD, rows)
    return np.minimum(drawn.round().astype(np.int64), _LONGEST_FIELD)


def _tokens(random: np.random.Generator, shape: Shape, numbers: Ints) -> _Tokens:
    fields = shape.fields
    counts = np.stack([_counts(random, field, len(numbers)) for field in fields], axis=1)
    counts[numbers % shape.empty_list_every == 0] = 0
    token_field = np.repeat(np.tile(np.arange(len(fields)), len(numbers)), counts.ravel())
    skewed = random.random(len(token_field)) ** 2  # small ids are the popular ones
    ids = (skewed * np.array([field.ids for field in fields])[token_field]).astype(np.int64)
    return _Tokens(counts, token_field, ids, _value_places(random, fields, token_field))


def _texts(fields: Sequence[Field], tokens: _Tokens) -> pa.StringArray:
    names = pa.array([f"{field.name}\x02" for field in fields])
    first_ids = np.array([field.first_id for field in fields])
    return pc.binary_join_element_wise(
        names.take(pa.array(tokens.field)),
        pa.array(first_ids[tokens.field] + tokens.id).cast(pa.string()),
        _VALUES.take(pa.array(tokens.value)),
        "",
    )


def _value_places(random: np.random.Generator, fields: Sequence[Field], token_field: Ints) -> Ints:
    """Places in `_VALUES`; nine real values in ten are ln(1 + n), n with probability 1 / n^2."""
    real = np.array([field.real for field in fields])[token_field]
    logarithm = np.minimum(1 / (1 - random.random(len(token_field))), _LOGARITHMS)
    other = random.random(len(token_field)) * 10
    place = np.where(other < 1, 1 + _LOGARITHMS + other * _OTHERS, logarithm)
    return np.where(real, place, 0).astype(np.int64)


def _lines(columns: Sequence[Ints | pa.Array], trailing: Bools) -> pa.StringArray:
    texts = [pa.array(column).cast(pa.string()) for column in columns]
    ends = pa.array(["\n", "\x01\n"]).take(pa.array(trailing.astype(np.int8)))
    return pc.binary_join_element_wise(pc.binary_join_element_wise(*texts, ","), ends, "")
