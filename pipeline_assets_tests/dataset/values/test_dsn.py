import pickle
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline_assets.dataset.values.dsn import SecretDsn, address, keyword_dsn, parse_dsn
from pipeline_assets.errors import PipelineError

PASSWORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            "postgresql://ada:s3cret@db.example.com:5433/rentals",
            {"user": "ada", "password": "s3cret", "host": "db.example.com"}
            | {"port": "5433", "dbname": "rentals"},
        ),
        ("postgres://localhost", {"host": "localhost"}),
        ("postgresql://", {}),
        ("postgresql:///rentals?host=/var/run", {"dbname": "rentals", "host": "/var/run"}),
        (
            "postgresql://a:p%40%2F%3a@h/d",
            {"user": "a", "password": "p@/:", "host": "h", "dbname": "d"},
        ),
        ("postgresql://a:p:q@h", {"user": "a", "password": "p:q", "host": "h"}),
        ("postgresql://[::1]:5432/d", {"host": "::1", "port": "5432", "dbname": "d"}),
        ("postgresql://h1:1,h2:2/d", {"host": "h1,h2", "port": "1,2", "dbname": "d"}),
        ("postgresql://h/d?sslmode=require", {"host": "h", "dbname": "d", "sslmode": "require"}),
        ("host=h dbname = d", {"host": "h", "dbname": "d"}),
        (r"password='it\'s \\' user=a\ b", {"password": "it's \\", "user": "a b"}),
        ("password=''", {"password": ""}),
    ],
)
def test_both_forms_read_as_libpq_reads_them(text: str, options: dict[str, str]) -> None:
    assert parse_dsn(text) == options


@pytest.mark.parametrize(
    "text",
    [
        "hunter2-secret",
        "",
        "mysql://u:hunter2-secret@h/d",
        "postgresql://u:hunter2@secret@h/d",
        "postgresql://u:hunter2/secret@h/d",
        "postgresql://u:hunter2?secret@h/d",
        "postgresql://u:hunter2%zzsecret@h/d",
        "postgresql://u:hunter2%00secret@h/d",
        "postgresql://hunter2-secret:hunter2-secret/d",
        "postgresql://h/d?hunter2-secret",
        "host=h password=hunter2 secret port=1",
        "password='hunter2-secret",
        "password='hunter2'secret",
        "host=h port=hunter2-secret",
    ],
)
def test_an_unreadable_string_is_an_error_that_repeats_nothing_of_it(text: str) -> None:
    with pytest.raises(PipelineError) as caught:
        SecretDsn(text)
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(PASSWORDS, PASSWORDS)
def test_words_written_are_words_read(password: str, user: str) -> None:
    options = {"password": password, "user": user}
    assert parse_dsn(keyword_dsn(options)) == options


def test_printing_shows_everything_but_the_password() -> None:
    dsn = SecretDsn("postgresql://ada:s3cret@db:5433/rentals")
    expected = "user 'ada', database 'rentals' at db:5433, password hidden"
    assert (str(dsn), f"{dsn}", repr(dsn)) == (expected, expected, f"SecretDsn({expected})")
    assert dsn.where == "database 'rentals' at db:5433"
    assert SecretDsn("postgresql://").where == "database '(default)' at the local socket"


def test_nothing_that_prints_fields_prints_the_password() -> None:
    dsn = SecretDsn("postgresql://ada:s3cret@db:5433/rentals")
    assert "s3cret" not in f"{asdict(dsn)} {vars(dsn)} {TypeAdapter(SecretDsn).dump_json(dsn)!r}"
    assert dsn.reveal() == "postgresql://ada:s3cret@db:5433/rentals"
    assert pickle.loads(pickle.dumps(dsn)) == dsn


def test_another_database_of_the_same_server() -> None:
    other = SecretDsn("postgresql://ada:s3cret@db/rentals").with_database("ware house")
    assert other.options == {
        "user": "ada",
        "password": "s3cret",
        "host": "db",
        "dbname": "ware house",
    }


def test_secrets_are_starred_out_of_any_text() -> None:
    dsn = SecretDsn("password=s3cret sslpassword=other")
    assert dsn.scrub("no s3cret, no other word") == "no ***, no *** word"
    assert SecretDsn("host=h").scrub("same") == "same"


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (
            "redshift://ada:p%40+s@db.example/dev?iam_role=arn:aws:iam::1:role/copy",
            {"user": "ada", "password": "p@+s", "host": "db.example", "port": "5439"}
            | {"dbname": "dev", "iam_role": "arn:aws:iam::1:role/copy"},
            "redshift://db.example:5439/dev",
        ),
        (
            "redshift://h:5000/dev?sslmode=require&staging=s3://b/p&timeout_minutes=5",
            {"host": "h", "port": "5000", "dbname": "dev", "sslmode": "require"}
            | {"staging": "s3://b/p", "timeout_minutes": "5"},
            "redshift://h:5000/dev",
        ),
        (
            "redshift-data:///dev?workgroup=analytics&region=eu-west-1",
            {"dbname": "dev", "workgroup": "analytics", "region": "eu-west-1"},
            "redshift-data://workgroup.analytics/dev",
        ),
        (
            "redshift-data:///dev?cluster=prod&user=loader",
            {"dbname": "dev", "cluster": "prod", "user": "loader"},
            "redshift-data://cluster.prod/dev",
        ),
    ],
)
def test_redshift_is_named_by_a_url(text: str, options: dict[str, str], told: str) -> None:
    assert parse_dsn(text) == options
    assert address(SecretDsn(text)) == told
    assert "p@+s" not in str(SecretDsn(text))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("redshift://h", "it names no database"),
        ("redshift://a:b@c@h/dev", "write @"),
        ("redshift://h/dev?workgroup=x", "an option is unknown"),
        ("redshift://h/dev?timeout_minutes=soon", "timeout_minutes is no whole number"),
        ("redshift://h/dev?staging=/tmp", "staging is no s3:// prefix"),
        ("redshift-data:///dev", "name one of workgroup and cluster"),
        ("redshift-data:///dev?workgroup=a&cluster=b", "name one of workgroup and cluster"),
        ("redshift-data:///dev?workgroup=a&password=secret", "that the Data API does not know"),
        ("redshift-data://host/dev?workgroup=a", "that the Data API does not know"),
    ],
)
def test_a_wrong_redshift_is_told_in_one_line(text: str, hint: str) -> None:
    with pytest.raises(PipelineError, match=hint) as caught:
        SecretDsn(text)
    assert "secret" not in str(caught.value).replace("secret_arn", "")
