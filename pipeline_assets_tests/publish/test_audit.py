from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot

from pipeline_assets.dataset.asset import check
from pipeline_assets.dataset.contract import Check, TableContract
from pipeline_assets.publish.audit import build_audit
from pipeline_assets_tests.landing.plays import Plays
from spark_resources.job import Audit

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


def audit(checks: Iterable[Check] = CHECKS) -> Audit:
    reports = {"preview": OUTPUT.limit(1)}
    return build_audit(OUTPUT, {"listeners": LISTENERS}, checks, reports, "duckdb")


def evaluate(sql: str, *rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = pa.schema([("listener", pa.string()), ("plays", pa.int64()), ("day", pa.string())])
    with duckdb.connect() as connection:
        connection.register("output", pa.Table.from_pylist(list(rows), schema=schema))
        connection.register("listeners", pa.table({"listener": ["ada", "bob"]}))
        answer: list[dict[str, Any]] = connection.execute(sql).to_arrow_table().to_pylist()
        return answer


def failed(*rows: Mapping[str, Any]) -> dict[str, int]:
    asked = audit()
    (summary,) = evaluate(asked.summary_sql, *rows)
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


def scans(sql: str) -> int:
    """How often a query reads the output."""
    (query,) = sqlglot.parse(sql, dialect="duckdb")
    assert query is not None
    return [table.name for table in query.find_all(sqlglot.exp.Table)].count("output")


def test_all_plain_conditions_are_one_query_that_reads_the_output_once() -> None:
    plain = [check for check in CHECKS if check not in {listener_is_known, listener_is_there_once}]
    assert scans(audit(plain).summary_sql) == 1
    assert scans(audit(CHECKS).summary_sql) == 2


def test_a_check_with_a_key_is_a_query_of_its_own_on_duckdb() -> None:
    assert audit().keyed.keys() == {"listener_is_there_once"}
    assert audit().keyed["listener_is_there_once"].key == ("listener", "day")
    spark = build_audit(OUTPUT, {"listeners": LISTENERS}, CHECKS, {}, "pyspark")
    assert not spark.keyed
    assert "listener_is_there_once" in spark.summary_sql


def test_texts_are_looked_up_in_lists() -> None:
    """DuckDB evaluates IN for every row, a lookup in a list once for each entry of a dictionary."""
    days = replace(plays_a_lot, failing=lambda plays: plays.filter(~plays.day.isin(["mon", "tue"])))
    asked = audit([days])
    assert "CONTAINS" in asked.summary_sql
    rows = [GOOD | {"day": day} for day in ("mon", "tue", "wed", None)]
    (summary,) = evaluate(asked.summary_sql, *rows)
    assert summary["plays_a_lot"] == 1


def test_every_check_has_a_few_examples() -> None:
    examples = audit().examples_sql
    assert examples.keys() == {check.name for check in CHECKS}
    bad = [GOOD | {"listener": f"eve {n}"} for n in range(9)]
    assert len(evaluate(examples["listener_is_known"], *bad)) == 5
    (twice,) = evaluate(examples["listener_is_there_once"], GOOD, GOOD)
    assert twice == {"listener": "ada", "day": "mon", "n": 2}


def test_reports_travel_with_the_audit() -> None:
    assert evaluate(audit().report_sql["preview"], GOOD, GOOD) == [GOOD]
