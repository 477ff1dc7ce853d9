from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
import sqlglot

from pipeline_assets.dataset.asset import check
from pipeline_assets.dataset.contract import Check, TableContract
from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.engines.embedded.audits import summary_queries
from pipeline_assets.publish.audit import build_audit
from pipeline_assets_tests.landing.plays import Plays
from spark_resources.job import Audit, Bound

CONTRACT = TableContract.of(Plays)
OUTPUT = ibis.table(CONTRACT.schema, name="output")
LISTENERS = ibis.table({"listener": "string"}, name="listeners")
GOOD = {"listener": "ada", "plays": 3, "day": "mon"}


@check("error")
def listener_is_known(plays: ir.Table, listeners: ir.Table) -> ir.Table:
    """Everybody who plays is a listener."""
    return plays.anti_join(listeners, "listener")


@check("warn")
def plays_a_lot(plays: ir.Table) -> ir.Table:
    """Nobody plays less than twice a day."""
    return plays.filter(plays.plays < 2, plays.day != "sun")


@check("error", key=["listener", "day"])
def listener_is_there_once(plays: ir.Table) -> ir.Table:
    """A listener has one row a day."""
    counted = plays.group_by(["listener", "day"]).aggregate(n=plays.count())
    return counted.filter(counted.n > 1)


CHECKS = (*CONTRACT.checks, listener_is_known, plays_a_lot, listener_is_there_once)


def audit(checks: Iterable[Check] = CHECKS, dialect: Dialect = "duckdb") -> Audit:
    reports = {"preview": OUTPUT.limit(1)}
    return build_audit(OUTPUT, {"listeners": LISTENERS}, checks, reports, dialect)


def evaluate(sql: str, *rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = pa.schema([("listener", pa.string()), ("plays", pa.int64()), ("day", pa.string())])
    with duckdb.connect() as connection:
        connection.register("output", pa.Table.from_pylist(list(rows), schema=schema))
        connection.register("listeners", pa.table({"listener": ["ada", "bob"]}))
        answer: list[dict[str, Any]] = connection.execute(sql).to_arrow_table().to_pylist()
        return answer


def summarised(asked: Audit, *rows: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for sql in summary_queries(asked):
        found |= evaluate(sql, *rows)[0]
    return found


def failed(*rows: Mapping[str, Any]) -> dict[str, int]:
    asked = audit()
    summary = summarised(asked, *rows)
    assert summary.pop("rows") == len(rows)
    for keyed in asked.keyed.values():
        summary |= evaluate(keyed.sql, *rows)[0]
    assert None not in summary.values()
    return {name: count for name, count in summary.items() if count}


def test_good_rows_pass_every_check() -> None:
    assert failed(GOOD, GOOD | {"listener": "bob"}) == {}
    assert failed() == {}


def test_each_bad_row_fails_its_check() -> None:
    assert failed(GOOD | {"plays": None}) == {"plays_not_null": 1}
    assert failed(GOOD | {"plays": -1}) == {"plays_greater_than_or_equal_to": 1, "plays_a_lot": 1}
    assert failed(GOOD | {"listener": "eve"}) == {"listener_is_known": 1}
    assert failed(GOOD | {"plays": 1}) == {"plays_a_lot": 1}
    assert failed(GOOD | {"plays": 1, "day": "sun"}) == {}
    assert failed(GOOD, GOOD, GOOD) == {"listener_is_there_once": 1}


def scans(sql: str, dialect: str = "duckdb") -> int:
    """How often a query reads the output."""
    (query,) = sqlglot.parse(sql, dialect=dialect)
    assert query is not None
    return [table.name for table in query.find_all(sqlglot.exp.Table)].count("output")


PLAIN = [check for check in CHECKS if check not in {listener_is_known, listener_is_there_once}]


@pytest.mark.parametrize("dialect", ["duckdb", "trino"])
def test_all_plain_conditions_are_one_query_that_reads_the_output_once(dialect: Dialect) -> None:
    for checks, count in ((PLAIN, 1), (CHECKS, 2)):
        asked = summary_queries(audit(checks, dialect))
        keyed = dialect == "trino" and checks == CHECKS
        assert sum(scans(sql, dialect) for sql in asked) == count + keyed


def test_what_counts_nulls_or_integers_beyond_a_bound_says_so() -> None:
    """Whoever knows the nulls and extremes of the columns needs no query for these."""
    assert audit(PLAIN).bounds == {
        "listener_not_null": Bound("listener"),
        "plays_not_null": Bound("plays"),
        "plays_greater_than_or_equal_to": Bound("plays", least=0),
        "day_not_null": Bound("day"),
    }
    (query,) = summary_queries(audit(PLAIN), known={"rows", *audit(PLAIN).bounds})
    assert "plays_a_lot" in query
    assert "IS NULL" not in query


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
def test_a_check_with_a_key_is_a_query_of_its_own(dialect: Dialect) -> None:
    asked = audit(dialect=dialect)
    assert asked.keyed.keys() == {"listener_is_there_once"}
    assert asked.keyed["listener_is_there_once"].key == ("listener", "day")
    athena = audit(dialect="trino")
    assert not athena.keyed
    assert "listener_is_there_once" in athena.summary_sql


def test_on_spark_plain_conditions_are_aggregates_of_the_rows_that_are_written() -> None:
    asked = audit(dialect="pyspark")
    assert asked.aggregates["plays_a_lot"] == (
        "COALESCE(COUNT_IF((`plays` < 2) AND (`day` <> 'sun')), 0)"
    )
    assert asked.aggregates["rows"] == "COUNT(*)"
    assert scans(asked.summary_sql, "spark") == 1  # for the check that looks at the listeners
    assert "plays_a_lot" not in asked.summary_sql
    assert not audit(PLAIN, "pyspark").summary_sql


def test_of_what_was_published_before_nothing_is_observed() -> None:
    published = ibis.table(CONTRACT.schema, name="published")
    asked = build_audit(published, {}, [plays_a_lot], {}, "pyspark")
    assert not asked.aggregates
    assert "`published`" in asked.summary_sql


def test_on_spark_a_condition_on_an_aggregate_is_a_query() -> None:
    """Rows on their way to a file know nothing of each other."""
    most = replace(plays_a_lot, failing=lambda it: it.filter(it.plays < it.plays.max().as_scalar()))
    asked = audit([most], "pyspark")
    assert asked.aggregates.keys() == {"rows"}
    assert scans(asked.summary_sql, "spark") == 2


def test_texts_are_looked_up_in_lists() -> None:
    """DuckDB evaluates IN for every row, a lookup in a list once for each entry of a dictionary."""
    days = replace(plays_a_lot, failing=lambda plays: plays.filter(~plays.day.isin(["mon", "tue"])))
    asked = audit([days])
    assert "CONTAINS" in asked.aggregates["plays_a_lot"]
    rows = [GOOD | {"day": day} for day in ("mon", "tue", "wed", None)]
    assert summarised(asked, *rows)["plays_a_lot"] == 1


def test_every_check_has_a_few_examples() -> None:
    examples = audit().examples_sql
    assert examples.keys() == {check.name for check in CHECKS}
    bad = [GOOD | {"listener": f"eve {n}"} for n in range(9)]
    assert len(evaluate(examples["listener_is_known"], *bad)) == 5
    (twice,) = evaluate(examples["listener_is_there_once"], GOOD, GOOD)
    assert twice == {"listener": "ada", "day": "mon", "n": 2}


def test_reports_travel_with_the_audit() -> None:
    assert evaluate(audit().report_sql["preview"], GOOD, GOOD) == [GOOD]
