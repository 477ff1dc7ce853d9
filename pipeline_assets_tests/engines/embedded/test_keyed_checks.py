from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.engines.embedded.keyed_checks import failures_by_range
from spark_resources.job import KeyedCheck

Row = tuple[str | None, int | None]
DUPLICATES = "SELECT count(*) FROM (SELECT 1 FROM output GROUP BY day, id HAVING count(*) > 1)"
UNKNOWN = "SELECT count(*) FROM output ANTI JOIN customers USING (day, id)"
KEY = ("day", "id")
TYPES = {"day": "string", "id": "long"}
BOTH = {"output": TYPES, "customers": TYPES}
ROWS = st.lists(
    st.tuples(st.sampled_from(["mon", "tue", None]), st.none() | st.integers(0, 20)), max_size=40
)


def table(rows: Sequence[Row]) -> pa.Table:
    days, ids = [day for day, _ in rows], [id_ for _, id_ in rows]
    return pa.table({"day": pa.array(days, pa.string()), "id": pa.array(ids, pa.int64())})


@cache
def database() -> duckdb.DuckDBPyConnection:
    """One for all examples: to open another takes longer than to answer."""
    return duckdb.connect()


def failures(
    sql: str,
    output: Sequence[Row],
    customers: Sequence[Row] = (),
    range_rows: int = 1,
    schemas: Mapping[str, Mapping[str, str]] | None = None,
    *,
    is_unique: bool = False,
) -> list[int]:
    connection = database()
    connection.register("output_rows", table(output))
    connection.register("customer_rows", table(customers))
    connection.execute("CREATE OR REPLACE VIEW output AS FROM output_rows")
    connection.execute("CREATE OR REPLACE VIEW customers AS FROM customer_rows")
    given_schemas = schemas or {"output": TYPES}
    check = KeyedCheck(KEY, sql, is_unique)
    return list(failures_by_range(connection, check, given_schemas, range_rows))


@given(rows=ROWS, range_rows=st.integers(1, 50))
def test_ranges_add_up_to_the_count_of_all_rows_at_once(rows: list[Row], range_rows: int) -> None:
    twice = sum(copies > 1 for copies in Counter(rows).values())
    assert sum(failures(DUPLICATES, rows, range_rows=range_rows)) == twice


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["mon", "tue"]), st.none() | st.integers(-(2**63), 2**63 - 1))
        | st.tuples(st.just("mon"), st.integers(-9, 9)),
        max_size=12,
    )
)
def test_repeats_are_found_however_numbers_lie(rows: list[Row]) -> None:
    twice = sum(copies > 1 for copies in Counter(rows).values())
    assert sum(failures(DUPLICATES, rows, range_rows=50, is_unique=True)) == twice


def test_numbers_that_all_differ_need_no_grouping() -> None:
    never = "SELECT error('grouped')"
    rows = [("mon", number) for number in range(-5, 1_000)]
    assert failures(never, rows, is_unique=True) == [0]
    with pytest.raises(duckdb.Error, match="grouped"):
        failures(never, [*rows, ("tue", 3)], is_unique=True)
    with pytest.raises(duckdb.Error, match="grouped"):
        failures(never, [*rows, ("mon", None)], is_unique=True)
    with pytest.raises(duckdb.Error, match="grouped"):
        failures(never, [*rows, ("mon", 10**12)], is_unique=True)


@given(output=ROWS, customers=ROWS)
def test_tables_are_cut_alike(output: list[Row], customers: list[Row]) -> None:
    known = {row for row in customers if None not in row}
    unknown = sum(row not in known for row in output)
    assert sum(failures(UNKNOWN, output, customers, schemas=BOTH)) == unknown


@pytest.mark.parametrize(("range_rows", "ranges"), [(10, 1), (9, 2), (5, 2), (4, 3), (1, 10)])
def test_there_are_as_many_ranges_as_rows_need_and_one_for_nulls(
    range_rows: int, ranges: int
) -> None:
    rows = [("mon", number) for number in range(10)] * 2
    found = failures(DUPLICATES, rows, rows[:10], range_rows, BOTH)
    assert sum(found) == 10
    assert len(found) == (ranges if ranges == 1 else ranges + 1)


def test_keys_without_integers_are_looked_at_in_one_go() -> None:
    texts = {"output": TYPES | {"id": "string"}}
    rows = [("mon", number) for number in range(10)]
    assert failures(DUPLICATES, rows, schemas=texts) == [0]


def test_tables_are_whole_again_afterwards() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE output AS SELECT 'mon' AS day, range AS id FROM range(10)")
        check = KeyedCheck(KEY, "SELECT error('no such check')")
        with pytest.raises(duckdb.Error, match="no such check"):
            list(failures_by_range(connection, check, {"output": TYPES}, range_rows=1))
        assert connection.execute("SELECT count(*) FROM output").fetchone() == (10,)
