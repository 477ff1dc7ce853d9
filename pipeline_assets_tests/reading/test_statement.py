"""What a statement reads is known before it runs; what is no table of the lake is refused."""

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.statement import tables_of


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", set()),
        ("SELECT * FROM music.users", {"music.users"}),
        (
            'FROM "music"."users" u JOIN ratings.reviews r ON true',
            {"music.users", "ratings.reviews"},
        ),
        (
            "SELECT (SELECT max(n) FROM a.b) FROM c.d WHERE x IN (SELECT y FROM e.f)",
            {"a.b", "c.d", "e.f"},
        ),
        ("WITH recent AS (SELECT * FROM a.b) SELECT * FROM Recent", {"a.b"}),
        ("WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT * FROM n) SELECT * FROM n", set()),
        ("SELECT * FROM a.b UNION ALL SELECT * FROM c.d", {"a.b", "c.d"}),
        ("SELECT * FROM unnest([1, 2]), range(3)", set()),
        ("VALUES (1)", set()),
        ("DESCRIBE a.b", {"a.b"}),
        ("SELECT * FROM '/etc/passwd'", {"/etc/passwd"}),
        ("SELECT * FROM users", {"users"}),
    ],
)
def test_the_tables_of_a_statement(sql: str, tables: set[str]) -> None:
    assert tables_of(sql) == tables


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "SELEC 1",
        "INSERT INTO a.b VALUES (1)",
        "CREATE TABLE t (x INT)",
        "COPY (SELECT 1) TO '/tmp/x'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "SET threads = 3",
        "PRAGMA database_list",
        "CALL duckdb_settings()",
        "EXPLAIN ANALYZE SELECT 1",
        "SHOW TABLES",
        "SELECT * FROM (SHOW ALL TABLES)",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "SELECT * FROM read_parquet('s3://bucket/x')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_views()",
        "SELECT * FROM query('SELECT 1')",
        "SELECT current_setting('temp_directory')",
        "SELECT * FROM other.a.b",
    ],
)
def test_what_is_no_single_select_of_tables_is_refused_in_one_line(sql: str) -> None:
    with pytest.raises(PipelineError) as error:
        tables_of(sql)
    assert "\n" not in str(error.value)


def test_a_deeply_nested_statement_is_read_or_refused_but_ends() -> None:
    deep = "SELECT " + "(" * 700 + "1" + ")" * 700
    assert tables_of(deep) == set()
    with pytest.raises(PipelineError):
        tables_of("SELECT " + "(" * 20_000 + "1" + ")" * 20_000)
