import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.domains.ratings.assets import FILES
from pipeline_assets.domains.ratings.contracts import RawReviews, Reviews
from pipeline_assets.domains.ratings.records import COLUMNS, rejected, typed

SCHEMA = TableContract.of(RawReviews).schema
EMPTY = dict.fromkeys(COLUMNS.names, "")
TYPED = ("star_rating", "helpful_votes", "total_votes", "review_date")

numerals = st.text("0123456789.eE+-_ ²٤", max_size=12)
dates = st.dates(date(1995, 1, 1)).map(str) | st.text("0123456789-/ BC", max_size=11)


@pytest.fixture(scope="module")
def duckdb() -> ibis.BaseBackend:
    return ibis.duckdb.connect()


def raw(*records: Mapping[str, Any]) -> ir.Table:
    """Raw reviews; columns that a record does not name are as the reader leaves them."""
    place = {"source_uri": "a.tsv", "category": "Books", "problem": None, "raw": None}
    rows = [
        {**EMPTY, **place, "row_number": number, **record}
        for number, record in enumerate(records, start=1)
    ]
    return ibis.memtable(rows, schema=SCHEMA)


def broken(problem: str, text: str) -> dict[str, Any]:
    """A record that the reader could not split."""
    return dict.fromkeys(COLUMNS.names) | {"problem": problem, "raw": text}


def rows(duckdb: ibis.BaseBackend, table: ir.Table) -> list[dict[str, Any]]:
    return list(duckdb.to_pyarrow(table).to_pylist())


def test_a_record_becomes_a_typed_row(duckdb: ibis.BaseBackend) -> None:
    delivered = {name: f'the "{name}"' for name in COLUMNS.names}
    delivered |= {"star_rating": "4", "helpful_votes": "0", "total_votes": "12"}
    delivered |= {"review_date": "2015-08-31"}
    (row,) = rows(duckdb, TableContract.of(Reviews).conform(typed(raw(delivered))))
    values = {"star_rating": 4, "helpful_votes": 0, "total_votes": 12}
    assert row == {**delivered, **values, "review_date": date(2015, 8, 31), "category": "Books"}


def test_an_empty_field_is_a_null_and_no_fault(duckdb: ibis.BaseBackend) -> None:
    assert rows(duckdb, rejected(raw({}))) == []
    (row,) = rows(duckdb, typed(raw({})))
    assert row == dict.fromkeys(COLUMNS.names) | {"category": "Books"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            ("star_rating", value)
            for value in ("0", "6", "4.5", "five", " 4", "4 ", "+4", "٤", "4\n")
        ),
        *(
            ("helpful_votes", value)
            for value in ("-1", "1.5", "1.", "1e3", "1_0", "1,234", "9999999999")
        ),
        ("total_votes", "many"),
        *(
            ("review_date", value)
            for value in ("2015-02-30", "2015-8-1", "31/08/2015", "0000-01-01")
        ),
    ],
)
def test_a_value_that_is_not_as_described_rejects_its_record(
    duckdb: ibis.BaseBackend, column: str, value: str
) -> None:
    record = {"review_id": "R1", column: value}
    assert rows(duckdb, typed(raw(record))) == []
    (row,) = rows(duckdb, rejected(raw({}, record)))
    text = "\t".join({**EMPTY, **record}[name] for name in COLUMNS.names)
    assert row == {
        "source_uri": "a.tsv",
        "row_number": 2,
        "reason": f"bad_{column}",
        "raw": text,
        "category": "Books",
    }


def test_whole_numbers_as_pandas_writes_them_are_numbers(duckdb: ibis.BaseBackend) -> None:
    record = {"star_rating": "5.0", "helpful_votes": "12.0", "total_votes": "100.00"}
    (row,) = rows(duckdb, typed(raw(record)))
    assert [row[name] for name in record] == [5, 12, 100]
    assert rows(duckdb, rejected(raw(record))) == []


def test_all_reasons_are_kept(duckdb: ibis.BaseBackend) -> None:
    (row,) = rows(duckdb, rejected(raw({"star_rating": "6", "total_votes": "x"})))
    assert row["reason"] == "bad_star_rating, bad_total_votes"


def test_a_record_that_could_not_be_split_keeps_its_problem_and_text(
    duckdb: ibis.BaseBackend,
) -> None:
    damaged = raw(broken("field_count", "one\ttwo"))
    assert rows(duckdb, typed(damaged)) == []
    (row,) = rows(duckdb, rejected(damaged))
    assert (row["reason"], row["raw"]) == ("field_count", "one\ttwo")


def test_the_text_of_a_rejected_record_is_cut(duckdb: ibis.BaseBackend) -> None:
    (row,) = rows(duckdb, rejected(raw({"star_rating": "x", "review_body": "ü" * 10_000})))
    assert len(row["raw"]) == 4_096


@settings(max_examples=40)
@given(
    records=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "star_rating": st.sampled_from("12345") | numerals,
                "helpful_votes": numerals,
                "total_votes": numerals,
                "review_date": dates,
            },
        ),
        min_size=1,
        max_size=20,
    )
)
def test_every_record_is_accepted_or_rejected_as_plain_python_would(
    duckdb: ibis.BaseBackend, records: list[dict[str, str]]
) -> None:
    table = raw(*records)
    accepted = [tuple(row[name] for name in TYPED) for row in rows(duckdb, typed(table))]
    refused = {row["row_number"]: row["reason"] for row in rows(duckdb, rejected(table))}
    verdicts = [judge({**EMPTY, **record}) for record in records]
    assert accepted == [verdict for verdict in verdicts if isinstance(verdict, tuple)]
    assert refused == {
        number: verdict for number, verdict in enumerate(verdicts, 1) if isinstance(verdict, str)
    }


def judge(record: Mapping[str, str]) -> tuple[Any, ...] | str:
    """The typed values of a record, or all reasons to reject it."""
    values: list[Any] = []
    found: list[str] = []
    for name in TYPED:
        text = record[name]
        pattern = {"star_rating": r"[1-5](\.0+)?", "review_date": r"[12][0-9]{3}(-[0-9]{2}){2}"}
        is_written_so = re.fullmatch(pattern.get(name, r"[0-9]{1,9}(\.0+)?"), text)
        values.append(value_of(name, text) if is_written_so else None)
        if text and values[-1] is None:
            found.append(f"bad_{name}")
    return ", ".join(found) or tuple(values)


def value_of(name: str, text: str) -> Any:  # noqa: ANN401 - a number or a date
    if name != "review_date":
        return int(float(text))
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("amazon_reviews_us_Books_v1_00.tsv.gz", "Books"),
        ("amazon_reviews_us_Books_v1_02.tsv.gz", "Books"),
        ("amazon_reviews_us_Digital_Ebook_Purchase_v1_01.tsv", "Digital_Ebook_Purchase"),
        ("amazon_reviews_multilingual_US_v1_00.tsv.gz", "multilingual_US"),
        ("amazon_reviews_us_multilingual_US_v1_00.tsv.gz", None),
        ("amazon_reviews_Books_v1_00.tsv.gz", None),
        ("amazon_reviews_us_Books_v1_00.tsv.gz.bak", None),
    ],
)
def test_the_names_of_the_data_set_and_no_others(name: str, key: str | None) -> None:
    path = f"amazon_reviews/{name}"
    assert FILES.key_of(path) == key
    assert key is None or path.startswith(FILES.stem(key))
    assert (FILES.complaint(path) is None) == (key is not None)


@pytest.mark.parametrize("name", ["index.txt", "sample_us.tsv", "_SUCCESS", "x_$folder$", "._a"])
def test_what_is_no_delivery_is_passed_over(name: str) -> None:
    assert FILES.ignores(f"amazon_reviews/{name}")
