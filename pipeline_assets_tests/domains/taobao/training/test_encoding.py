"""Every token is where the plain reference puts it: id, weight, order, unknowns."""

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.domains.taobao.contracts import ITEM_FIELDS, USER_FIELDS
from pipeline_assets.domains.taobao.training.contracts import Vocabulary
from pipeline_assets.domains.taobao.training.coverage import coverage
from pipeline_assets.domains.taobao.training.encoding import encoded
from pipeline_assets_tests.domains.taobao.training.reference import encode

Known = Mapping[tuple[str, int], int]
IDS = st.one_of(
    st.integers(0, 40),
    st.integers(4090, 4100),  # around the end of the first page
    st.sampled_from([9_020_000, 16_777_217, 2**53 + 1, 999_999_999_999_999_999]),
)
VALUES = st.sampled_from(["1.0", "0.69315", "-2.5", "3", "1e2", "0"])


def tokens(*fields: str) -> st.SearchStrategy[str]:
    return st.builds("{}\x02{}\x03{}".format, st.sampled_from(fields), IDS, VALUES)


LISTS = st.one_of(
    st.lists(tokens(*ITEM_FIELDS, "999", "20", "2050", "10_14"), max_size=30),
    st.lists(tokens("210", "853"), min_size=200, max_size=300),
)
LINES = st.builds(lambda found, end: "\x01".join(found) + end, LISTS, st.sampled_from(["", "\x01"]))
VOCABULARIES = st.dictionaries(
    st.tuples(st.sampled_from(ITEM_FIELDS), IDS), st.integers(2, 2**31 - 1), max_size=60
)


def vocabulary(known: Known) -> ir.Table:
    rows = [
        {"feature_name": name, "feature_id": feature_id, "index": index, "count": 1}
        for (name, feature_id), index in known.items()
    ]
    schema = TableContract.of(Vocabulary).schema
    return ibis.memtable(pa.Table.from_pylist(rows, schema=pa.schema(schema.to_pyarrow())))


def encoded_rows(lines: list[str], fields: list[str], known: Known) -> list[dict[str, Any]]:
    table = ibis.memtable({"line": list(range(len(lines))), "features": lines})
    found = encoded(table, fields, vocabulary(known), ["line"]).order_by("line")
    rows: list[dict[str, Any]] = found.drop("line").to_pyarrow().to_pylist()
    return rows


@examples(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LINES, min_size=1, max_size=12), VOCABULARIES)
def test_every_token_has_the_place_that_the_reference_gives_it(
    lines: list[str], known: Known
) -> None:
    found = encoded_rows(lines, ITEM_FIELDS, known)
    assert found == [encode(line, ITEM_FIELDS, known) for line in lines]


def test_a_user_has_fields_whose_names_end_alike() -> None:
    """`127` is no end of `127_14`, and `01` none of `101`."""
    line = "127_14\x025\x031.5\x01127\x026\x031.0\x01127_14\x027\x030.5\x01101\x028\x031.0"
    known = {("127_14", 5): 2, ("127", 6): 3, ("127_14", 7): 4}
    (row,) = encoded_rows([line], USER_FIELDS, known)
    assert (row["f127_14"], row["f127"], row["f101"]) == ([2, 4], 3, 1)
    assert row["f127_14_weight"] == [1.5, 0.5]


@pytest.mark.parametrize("end", ["", "\x01"])
@pytest.mark.parametrize("between", ["205\x021\x031.0", "999\x021\x031.0", "210\x024\x031.0"])
def test_a_list_is_whole_where_its_tokens_do_not_stand_together(between: str, end: str) -> None:
    tokens = ["853\x021\x030.5", between, "853\x022\x031.5", "853\x023\x032.5"]
    line = "\x01".join(tokens) + end
    known = {("853", 1): 2, ("853", 3): 3}
    (row,) = encoded_rows([line], ITEM_FIELDS, known)
    assert row == encode(line, ITEM_FIELDS, known)
    assert (row["f853"], row["f853_weight"]) == ([2, 1, 3], [0.5, 1.5, 2.5])


@pytest.mark.parametrize("name", ["205", "210"])
def test_an_id_or_a_weight_is_no_name(name: str) -> None:
    """A piece that is the text of a field's name, but not the name of a token."""
    line = f"206\x02{name}\x03{name}\x01999\x02{name}\x03{name}"
    (row,) = encoded_rows([line], ITEM_FIELDS, {})
    assert row == encode(line, ITEM_FIELDS, {})


def test_nothing_is_known_without_a_vocabulary() -> None:
    (row,) = encoded_rows(["205\x0214\x031.0"], ITEM_FIELDS, {})
    assert (row["f205"], row["f206"], row["f210"]) == (1, 0, [])


def test_coverage_counts_tokens_and_unknowns_of_each_part() -> None:
    lines = ["205\x0214\x031.0\x01210\x021\x031.0\x01210\x022\x031.0", "206\x021\x031.0"]
    table = ibis.memtable({"line": [0, 1], "features": lines})
    found = encoded(table, ITEM_FIELDS, vocabulary({("210", 2): 2, ("206", 1): 2}), ["line"])
    told = coverage(
        found.mutate(split=ibis.literal("train"), part=ibis.literal("train")), ITEM_FIELDS
    )
    shares = {row["feature_name"]: row for row in told.to_pyarrow().to_pylist()}
    names = ("tokens", "unknown", "unknown_share")
    assert [shares["210"][name] for name in names] == [2, 1, 0.5]
    assert [shares["205"][name] for name in names] == [1, 1, 1.0]
    assert [shares["301"][name] for name in names] == [0, 0, None]
