from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot

from pipeline_assets.lake.asset import check
from pipeline_assets.lake.audit import build_audit
from pipeline_assets.lake.contract import Check, TableContract
from pipeline_assets_tests.lake.plays import Plays
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


@check("error")
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
    (summary,) = evaluate(audit().summary_sql, *rows)
    assert summary.pop("rows") == len(rows)
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


def test_all_checks_are_one_query_that_reads_the_output_once_for_all_plain_conditions() -> None:
    plain = [check for check in CHECKS if check not in {listener_is_known, listener_is_there_once}]
    for checks, scans in ((plain, 1), (CHECKS, 3)):
        (summary,) = sqlglot.parse(audit(checks).summary_sql, dialect="duckdb")
        assert summary is not None
        tables = [table.name for table in summary.find_all(sqlglot.exp.Table)]
        assert tables.count("output") == scans


def test_every_check_has_a_few_examples() -> None:
    examples = audit().examples_sql
    assert examples.keys() == {check.name for check in CHECKS}
    bad = [GOOD | {"listener": f"eve {n}"} for n in range(9)]
    assert len(evaluate(examples["listener_is_known"], *bad)) == 5
    (twice,) = evaluate(examples["listener_is_there_once"], GOOD, GOOD)
    assert twice == {"listener": "ada", "day": "mon", "n": 2}


def test_reports_travel_with_the_audit() -> None:
    assert evaluate(audit().report_sql["preview"], GOOD, GOOD) == [GOOD]
