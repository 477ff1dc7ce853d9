"""What Redshift does beside what every warehouse promises, and what becomes of its faults."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.warehouses.redshift.data_api import DataApiSession
from pipeline_assets.warehouses.redshift.warehouse import RedshiftWarehouse
from pipeline_assets.warehouses.table import WarehouseTable
from pipeline_assets_tests.doubles.redshift import DataApi, Faults, RedshiftDouble
from pipeline_assets_tests.warehouses.house import (
    AT_ONCE,
    DAY,
    METRIC,
    House,
    ask,
    batch,
    house_of,
    load,
    load_partitions,
    spent,
)

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

CONFLICT = "1023 DETAIL: Serializable isolation violation on table - 4711"


@pytest.fixture
def wire(postgres_dsn: SecretDsn, s3: S3Access, s3_store: S3Store, bucket: str) -> Iterator[House]:
    assert s3
    with house_of("redshift", postgres_dsn, s3_store, bucket) as house:
        yield house


@pytest.fixture
def remote(
    postgres_dsn: SecretDsn, s3: S3Access, s3_store: S3Store, bucket: str
) -> Iterator[House]:
    """The same through its Data API."""
    assert s3
    with house_of("redshift-data", postgres_dsn, s3_store, bucket) as house:
        yield house


def double(house: House) -> RedshiftDouble:
    assert house.double
    return house.double


def faults(house: House) -> Faults:
    return double(house).faults


def api(house: House) -> DataApi:
    assert house.api
    return house.api


def asked(house: House, beginning: str) -> int:
    return sum(sql.startswith(beginning) for sql in double(house).statements)


def test_sort_and_distribution_keys_come_from_the_contract(wire: House) -> None:
    keyed = replace(METRIC, key=("insert_date", "customer_id"))
    load_partitions(wire, keyed, [DAY], [batch(DAY, "1")])
    (created,) = [sql for sql in double(wire).statements if "PRIMARY KEY" in sql]
    assert created.endswith(
        'DISTKEY ("customer_id") COMPOUND SORTKEY ("insert_date", "customer_id")'
    )


def test_every_statement_of_loads_is_redshifts_but_for_lock_which_sqlglot_lacks(
    wire: House,
) -> None:
    load(wire, DAY, "1")
    load(wire, DAY, "2")
    said = double(wire).statements
    own = [sql for sql in said if not sql.startswith("LOCK ")]
    parsed = [sqlglot.parse_one(sql, read="redshift") for sql in own]
    assert not [each for each in parsed if isinstance(each, exp.Command)]
    assert (len(said), len(own)) == (47, 45)


def test_a_load_is_recorded_with_its_rows_and_leaves_nothing_else(wire: House) -> None:
    load(wire, DAY, "1", "2")
    load(wire, DAY, "3")
    recorded = "SELECT table_name::text, partition_value::text, rows FROM rentals.pipeline_loads"
    assert ask(wire.dsn, recorded) == [
        {"table_name": METRIC.name, "partition_value": "2024-01-01", "rows": 1}
    ]
    tables = ask(wire.dsn, "SELECT relname::text AS name FROM pg_class WHERE relkind = 'r'")
    assert not [row for row in tables if str(row["name"]).startswith("loading_")]
    bucket = wire.uri.removeprefix("s3://").partition("/")[0]
    assert "Contents" not in double(wire).client.list_objects_v2(Bucket=bucket)


def test_what_a_dead_load_has_left_is_dropped_after_two_days(wire: House) -> None:
    load(wire, DAY, "1")
    today = f"loading_{datetime.now(UTC):%Y%m%dt%H%M%S}_ab"
    with double(wire).connect() as connection:
        for name in (today, "loading_20200101t000000_ab"):
            connection.cursor().plain(f"CREATE TABLE rentals.{name} (a integer)")
    load(wire, DAY, "2")
    left = "SELECT relname::text AS name FROM pg_class WHERE relname LIKE 'loading_%%'"
    assert ask(wire.dsn, left) == [{"name": today}]


@pytest.mark.parametrize("statement", ["^LOCK", "^INSERT", "^COMMIT"])
def test_a_commit_that_meets_another_is_tried_again(wire: House, statement: str) -> None:
    load(wire, DAY, "1")
    staged = wire.stage(METRIC, [DAY], [batch(DAY, "2", "3")])
    faults(wire).refusals = [(statement, CONFLICT)]
    staged.commit()
    assert spent(wire) == {DAY: ["2.00", "3.00"]}
    assert faults(wire).refusals == []


def test_a_commit_that_always_meets_others_leaves_the_old_rows(wire: House) -> None:
    load(wire, DAY, "1")
    staged = wire.stage(METRIC, [DAY], [batch(DAY, "2")])
    faults(wire).refusals = [("^INSERT", CONFLICT)] * 6
    with pytest.raises(PipelineError, match="Serializable isolation violation"):
        staged.commit()
    staged.discard()
    assert spent(wire) == {DAY: ["1.00"]}


@pytest.mark.parametrize("statement", ["^INSERT", "^COMMIT"])
def test_a_connection_lost_amid_the_commit_ends_with_the_new_rows_once(
    wire: House, statement: str
) -> None:
    """The record tells whether the lost transaction was committed."""
    load(wire, DAY, "1")
    staged = wire.stage(METRIC, [DAY], [batch(DAY, "2", "3")])
    before = asked(wire, "BEGIN")
    faults(wire).lost = statement
    staged.commit()
    assert spent(wire) == {DAY: ["2.00", "3.00"]}
    assert asked(wire, "BEGIN") - before == (1 if statement == "^COMMIT" else 2)


def test_a_copy_that_fails_tells_what_redshift_has_logged(wire: House) -> None:
    load(wire, DAY, "1")
    faults(wire).unloadable = ("amount_spent", "Invalid digit, Value '?', Pos 0")
    with pytest.raises(PipelineError) as caught:
        load(wire, DAY, "2")
    told = str(caught.value)
    assert "COPY failed: Invalid digit, Value '?', Pos 0 (s3://" in told
    assert "row 1, column amount_spent" in told
    assert "\n" not in told
    assert spent(wire) == {DAY: ["1.00"]}


def test_rows_that_are_lost_on_the_way_are_noticed(wire: House) -> None:
    load(wire, DAY, "1")
    faults(wire).forgets = 1
    with pytest.raises(PipelineError, match="2 rows were sent, 1 arrived"):
        load(wire, DAY, "2", "3")
    assert spent(wire) == {DAY: ["1.00"]}


def test_a_key_of_another_partition_is_a_duplicate_too(wire: House) -> None:
    keyed = replace(METRIC, key=("customer_id",))
    load_partitions(wire, keyed, [DAY], [batch(DAY, "1")])
    other = DAY.replace(day=2)
    with pytest.raises(PipelineError, match=r"two rows share the key customer_id: \(1\)"):
        load_partitions(wire, keyed, [other], [batch(other, "2")])
    load_partitions(wire, keyed, [DAY], [batch(DAY, "3")])
    assert spent(wire) == {DAY: ["3.00"]}


def test_a_statement_that_takes_too_long_is_told_as_such(wire: House) -> None:
    faults(wire).refusals = [("^COPY", "canceling statement due to statement timeout")]
    with pytest.raises(PipelineError, match="longer than 60 minutes and was cancelled; allow"):
        load(wire, DAY, "1")


TEXTS = WarehouseTable("s", "t", pa.schema([("p", pa.int32()), ("said", pa.string())]), "p")


def test_a_text_that_is_too_long_is_an_error_that_names_the_column(wire: House) -> None:
    rows = pa.RecordBatch.from_pydict({"p": [1], "said": ["é" * 40_000]}, TEXTS.columns)
    with pytest.raises(PipelineError, match="'said' holds a text of 80,000 bytes, and Redshift"):
        load_partitions(wire, TEXTS, [1], [rows])


def test_a_name_with_a_capital_is_refused(wire: House) -> None:
    with pytest.raises(PipelineError, match="no capitals in names; rename 'Day'"):
        load_partitions(wire, replace(METRIC, schema="Day"), [DAY], [])


def test_rows_of_a_lake_in_a_folder_need_a_place_on_s3(wire: House) -> None:
    assert isinstance(wire.warehouse, RedshiftWarehouse)
    with pytest.raises(PipelineError, match="name a prefix in the connection string with staging="):
        wire.warehouse.stage(METRIC, [DAY], [], "/lake/attempt")
    assert double(wire).statements == []


def test_the_data_api_runs_a_repeated_request_once(remote: House) -> None:
    load(remote, DAY, "1")
    staged = remote.stage(METRIC, [DAY], [batch(DAY, "2")])
    before, requests = asked(remote, "LOCK"), len(api(remote).requests)
    faults(remote).unanswered, faults(remote).throttled = 1, 2
    staged.commit()
    assert spent(remote) == {DAY: ["2.00"]}
    assert asked(remote, "LOCK") - before == 1
    assert api(remote).requests[requests:].count("BatchExecuteStatement") > 1


def test_long_answers_of_the_data_api_come_in_pages(remote: House) -> None:
    assert isinstance(remote.warehouse, RedshiftWarehouse)
    session = remote.warehouse.session()
    rows = session.run("SELECT n, n > 3 AS more, NULL AS none FROM generate_series(1, 5) AS t(n)")
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[4] == {"n": 5, "more": True, "none": None}


def test_a_statement_of_the_data_api_that_takes_too_long_is_cancelled(remote: House) -> None:
    assert isinstance(remote.warehouse, RedshiftWarehouse)
    dsn, client = remote.warehouse.dsn, remote.warehouse._client
    faults(remote).slow = "^SELECT 1"
    with pytest.raises(PipelineError, match="of workgroup 'analytics': a statement took longer"):
        DataApiSession(dsn, 0, client, AT_ONCE).run("SELECT 1 AS one")
    (statement,) = api(remote).statements.values()
    assert statement.status == "ABORTED"


def test_an_interrupted_run_cancels_its_statement(
    remote: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    assert isinstance(remote.warehouse, RedshiftWarehouse)
    faults(remote).slow = "^SELECT 1"
    session = remote.warehouse.session()
    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.run("SELECT 1 AS one")
    assert api(remote).requests[-1] == "CancelStatement"


def test_what_the_data_api_refuses_is_told_in_one_line(remote: House) -> None:
    assert isinstance(remote.warehouse, RedshiftWarehouse)
    with pytest.raises(PipelineError) as caught:
        remote.warehouse.session().run("SELECT nothing FROM nowhere")
    assert str(caught.value).startswith("database 'scratch' of workgroup 'analytics': Redshift")
    assert 'relation "nowhere" does not exist' in str(caught.value)
    assert "\n" not in str(caught.value)
