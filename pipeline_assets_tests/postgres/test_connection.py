import itertools
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.read import Snapshot, snapshot, stream

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

MONEY = pa.decimal128(18, 5)


def run(dsn: SecretDsn, *statements: str) -> None:
    with closing(connect(dsn, autocommit=True)) as connection:
        for statement in statements:
            execute(connection, dsn, statement)


def rows(dsn: SecretDsn, query: str, **options: object) -> list[dict[str, object]]:
    return [row for batch in stream(dsn, query, **options) for row in batch.to_pylist()]  # type: ignore[arg-type]


def failure(dsn: SecretDsn, query: str, schema: pa.Schema | None = None) -> str:
    with pytest.raises(PipelineError) as caught:
        list(stream(dsn, query, schema=schema))
    return told(caught.value)


def told(error: BaseException) -> str:
    """Its message, after checking that nothing else of the driver's comes along."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture(scope="module")
def payments(postgres_server: SecretDsn) -> SecretDsn:
    """20,000 payments, one a minute, in a database whose own time zone is not UTC."""
    dsn = ensure_database(postgres_server, "payments")
    run(
        dsn,
        "ALTER DATABASE payments SET timezone = 'Asia/Tokyo'",
        """CREATE TABLE payment AS
           SELECT n AS payment_id, (n % 1199 / 100.0)::numeric(5, 2) AS amount,
                  timestamp '2024-01-01' + (n - 1) * interval '1 minute' AS payment_date,
                  timestamptz '2024-01-01+00' + (n - 1) * interval '1 minute' AS paid_at
           FROM generate_series(1, 20000) AS n""",
    )
    return dsn


def test_types_arrive_as_they_are_declared(postgres_dsn: SecretDsn) -> None:
    query = """SELECT 1::smallint AS s, 2 AS i, 3::bigint AS b, 1.50::numeric(7, 3) AS n,
                      0.1::float8 AS f, 'é😀' AS t, date '2024-02-29' AS d, true AS o,
                      NULL::text AS e,
                      timestamp '2024-01-01 12:00:00.000001' AS w,
                      timestamptz '2024-01-01 12:00+02' AS z"""
    assert rows(postgres_dsn, query) == [
        {
            "s": 1,
            "i": 2,
            "b": 3,
            "n": Decimal("1.500"),
            "f": 0.1,
            "t": "é😀",
            "d": date(2024, 2, 29),
            "o": True,
            "e": None,
            "w": datetime(2024, 1, 1, 12, 0, 0, 1),
            "z": datetime(2024, 1, 1, 10, tzinfo=UTC),
        }
    ]
    assert next(stream(postgres_dsn, query)).schema.field("n").type == pa.decimal128(7, 3)


def test_the_wanted_schema_names_order_and_types(payments: SecretDsn) -> None:
    wanted = pa.schema(
        [("paid_at", pa.timestamp("us")), ("amount", MONEY), ("payment_id", pa.int64())]
    )
    batch = next(stream(payments, "SELECT * FROM payment WHERE payment_id = 151", schema=wanted))
    assert batch.schema == wanted
    assert batch.to_pylist() == [
        {"paid_at": datetime(2024, 1, 1, 2, 30), "amount": Decimal("1.51000"), "payment_id": 151}
    ]


@pytest.mark.parametrize("column", ["payment_date", "paid_at"])
def test_half_open_utc_windows_never_overlap(payments: SecretDsn, column: str) -> None:
    query = f"""SELECT payment_id FROM payment
                WHERE {column} >= %(start)s AND {column} < %(end)s ORDER BY 1"""
    days = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    found = [
        [row["payment_id"] for row in rows(payments, query, parameters={"start": a, "end": b})]
        for a, b in itertools.pairwise(days)
    ]
    assert found == [list(range(1, 1441)), list(range(1441, 2881))]


def test_rows_come_in_batches_no_larger_than_asked(payments: SecretDsn) -> None:
    sizes = [
        batch.num_rows for batch in stream(payments, "SELECT * FROM payment", batch_bytes=100_000)
    ]
    assert sum(sizes) == 20_000
    assert max(sizes) < 5_000


def test_no_rows_still_have_a_schema(payments: SecretDsn) -> None:
    with snapshot(payments) as source:
        reader = source.read("SELECT amount FROM payment WHERE false")
        assert reader.schema == pa.schema([("amount", pa.decimal128(5, 2))])
        assert reader.read_all().num_rows == 0


def test_one_snapshot_sees_one_instant(postgres_dsn: SecretDsn) -> None:
    run(postgres_dsn, "CREATE TABLE payment AS SELECT generate_series(1, 100) AS payment_id")

    def count(source: Snapshot) -> int:
        table = source.read("SELECT count(*) AS n FROM payment").read_all()
        return int(table["n"][0].as_py())

    with snapshot(postgres_dsn) as source:
        before = count(source)
        run(postgres_dsn, "DELETE FROM payment WHERE payment_id > 10")
        assert (before, count(source)) == (100, 100)
    with snapshot(postgres_dsn) as source:
        assert count(source) == 10


def test_a_snapshot_cannot_write(payments: SecretDsn) -> None:
    with pytest.raises(PipelineError, match="read-only transaction"), snapshot(payments) as source:
        source.read("DELETE FROM payment RETURNING payment_id")


def test_a_query_may_be_left_before_its_end(payments: SecretDsn) -> None:
    with snapshot(payments) as source:
        first = source.read("SELECT * FROM payment", batch_bytes=10_000).read_next_batch()
    assert first.num_rows < 20_000
    assert rows(payments, "SELECT count(*) AS n FROM payment") == [{"n": 20_000}]


def test_a_second_query_does_not_cut_the_first_short_in_silence(payments: SecretDsn) -> None:
    with snapshot(payments) as source:
        reader = source.read("SELECT * FROM payment", batch_bytes=10_000)
        reader.read_next_batch()
        source.read("SELECT * FROM payment")
        with pytest.raises(PipelineError, match="not read to its end before"):
            reader.read_all()


def test_closing_comments_semicolons_and_percent_signs(payments: SecretDsn) -> None:
    query = "SELECT amount FROM payment WHERE payment_id %% 10000 = 0 -- all of it\n;\n"
    assert [row["amount"] for row in rows(payments, query)] == [Decimal("4.08"), Decimal("8.16")]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.decimals(-(10**12), 10**12, places=5), min_size=1, max_size=50))
def test_money_is_exact(postgres_server: SecretDsn, amounts: list[Decimal]) -> None:
    values = ", ".join(f"({amount}::numeric)" for amount in amounts)
    query = f"SELECT * FROM (VALUES {values}) AS money (amount)"
    found = rows(postgres_server, query, schema=pa.schema([("amount", MONEY)]))
    assert [row["amount"] for row in found] == amounts


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.234567", "data loss"),
        ("99999999999999", "precision 18"),
        ("'NaN'", "not a valid decimal128"),
        ("'Infinity'", "not a valid decimal128"),
    ],
)
def test_money_that_would_lose_digits_is_an_error(
    postgres_server: SecretDsn, value: str, reason: str
) -> None:
    message = failure(
        postgres_server, f"SELECT {value}::numeric AS amount", pa.schema([("amount", MONEY)])
    )
    assert message.startswith("column 'amount' does not fit decimal128(18, 5): ")
    assert reason in message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM no_such", 'a table is missing (relation "no_such" does not exist)'),
        ("SELECT nope FROM payment", 'a column is missing (column "nope" does not exist)'),
        ("SELECT 1 FROM nowhere.payment", 'relation "nowhere.payment" does not exist'),
        ("SELEC 1", 'Postgres refused: syntax error at or near "SELEC"'),
        ("SELECT 1 / (payment_id - 19000) FROM payment", "Postgres refused: division by zero"),
        ("SELECT 1 AS a, 2 AS a", "the query returns 'a' twice"),
        ("SELECT sum(amount) AS total FROM payment", "numeric column 'total' has no fixed size"),
    ],
)
def test_a_query_that_cannot_run_says_why(payments: SecretDsn, query: str, message: str) -> None:
    assert message in failure(payments, query)


def test_query_errors_name_database_and_host(payments: SecretDsn) -> None:
    assert failure(payments, "SELECT * FROM no_such").startswith(f"{payments.where}: ")


def test_a_missing_wanted_column_is_named(payments: SecretDsn) -> None:
    wanted = pa.schema([("tip", MONEY)])
    assert "no column 'tip'" in failure(payments, "SELECT * FROM payment", wanted)


def test_no_permission_is_said(payments: SecretDsn) -> None:
    run(payments, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    guest = SecretDsn(keyword_dsn({**payments.options, "user": "guest"}))
    message = failure(guest, "SELECT * FROM payment")
    assert "the user may not do this (permission denied for table payment)" in message


@pytest.mark.parametrize(("database", "shown"), [("nowhere", "'nowhere'"), ("no where'", "where")])
def test_an_absent_database_is_named(postgres_server: SecretDsn, database: str, shown: str) -> None:
    message = failure(postgres_server.with_database(database), "SELECT 1 AS one")
    assert shown in message
    assert "the server has no such database" in message


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("host=localhost port=1 dbname=d", "database 'd' at localhost:1: no server answers"),
        ("host=/nowhere dbname=d", "database 'd' at /nowhere: no server answers"),
        ("postgresql://u@no-such-host.invalid/d", "database 'd' at no-such-host.invalid: the host"),
    ],
)
def test_a_server_out_of_reach_is_named(dsn: str, message: str) -> None:
    assert message in failure(SecretDsn(dsn), "SELECT 1 AS one")


def test_an_unknown_user_is_said(postgres_dsn: SecretDsn) -> None:
    stranger = SecretDsn(keyword_dsn({**postgres_dsn.options, "user": "stranger"}))
    assert "the server has no such user" in failure(stranger, "SELECT 1 AS one")


def test_a_wrong_password_is_said_and_never_shown(
    postgres_dsn: SecretDsn, require_password: Callable[[SecretDsn, str], None]
) -> None:
    run(postgres_dsn, "DROP ROLE IF EXISTS ada", "CREATE ROLE ada LOGIN PASSWORD 'right-one'")
    require_password(postgres_dsn, "ada")
    host = quote(postgres_dsn.options["host"], safe="")
    wrong = SecretDsn(f"postgresql://ada:wrong%20one@/{postgres_dsn.options['dbname']}?host={host}")
    right = SecretDsn(wrong.reveal().replace("wrong%20", "right-"))
    message = failure(wrong, "SELECT 1 AS one")
    assert "the server refused user or password" in message
    assert "wrong" not in message
    assert rows(right, "SELECT 1 AS one") == [{"one": 1}]


def test_a_lost_connection_is_said(payments: SecretDsn) -> None:
    with snapshot(payments) as source:
        pid = source.read("SELECT pg_backend_pid() AS pid").read_all()["pid"][0].as_py()
        reader = source.read("SELECT * FROM payment, generate_series(1, 50)", batch_bytes=1000)
        reader.read_next_batch()
        run(payments, f"SELECT pg_terminate_backend({pid}) AS done")
        with pytest.raises(PipelineError, match="the connection was lost") as caught:
            reader.read_all()
        assert told(caught.value).startswith(payments.where)


PASSWORD_MARKS = "@:/?#[]%&=+ '\"\\$!;,\té😀"
PASSWORDS = st.text(st.sampled_from("Zq7" + PASSWORD_MARKS), min_size=6, max_size=16).filter(
    lambda text: len(set(text)) > 4
)


@settings(max_examples=100, deadline=None)
@given(
    PASSWORDS,
    st.sampled_from(
        [
            "postgresql://u:{}@localhost:1/d",
            "postgresql://u:{}@no-such-host.invalid/d",
            "postgres://u:{}@/d?host=/nowhere",
            "postgresql://localhost:1/d?password={}",
            "host=localhost port=1 password={}",
            "host=localhost port=1 password='{}' sslmode=nonsense",
            "password={} unknown=option",
            "postgresql://u:{}@localhost:1/d?unknown=option",
            "{}",
        ],
    ),
    st.sampled_from([str, quote, lambda text: quote(text, safe=""), repr]),
)
def test_no_error_ever_shows_the_password(password: str, form: str, write: object) -> None:
    assert callable(write)
    written = write(password)
    with pytest.raises(PipelineError) as caught:
        list(stream(SecretDsn(form.format(written)), "SELECT 1 AS one"))
    told(caught.value)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert password not in shown
    assert written not in shown


def test_pagila_sums_to_the_cent(pagila_dsn: SecretDsn) -> None:
    with snapshot(pagila_dsn) as source:
        payments = source.read("SELECT amount, payment_date FROM payment").read_all()
        total = source.read(
            "SELECT sum(amount) AS total, count(DISTINCT customer_id) AS customers FROM payment",
            schema=pa.schema([("total", MONEY), ("customers", pa.int64())]),
        ).read_all()
    assert sum(payments["amount"].to_pylist()) == Decimal("67406.56")
    assert payments.num_rows == 16_044
    assert total.to_pylist() == [{"total": Decimal("67406.56000"), "customers": 599}]
