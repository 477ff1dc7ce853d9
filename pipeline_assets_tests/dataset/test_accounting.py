import pytest

from pipeline_assets.dataset.accounting import Delivery


@pytest.mark.parametrize(
    ("rows", "before", "complaint"),
    [
        (120, None, None),
        (0, None, None),
        (0, 0, None),
        (0, 1, "it holds no rows in place of 1"),
        (1, 99, None),
        (50, 100, None),
        (49, 100, "it holds 49 rows in place of 100, 51% less"),
        (500, 100, None),
    ],
)
def test_what_a_delivery_must_keep_of_what_is_published(
    rows: int, before: int | None, complaint: str | None
) -> None:
    assert Delivery().complaint(rows, rows, before) == complaint


def test_a_source_of_truth_may_say_that_there_is_nothing_any_more() -> None:
    truth = Delivery(may_end=True)
    assert truth.complaint(0, 0, 120) is None
    assert truth.complaint(1, 1, 120) == "it holds 1 rows in place of 120, 99% less"


@pytest.mark.parametrize(
    ("holds", "rows", "complaint"),
    [
        ("accepted", 5, None),
        ("accepted", 4, "96 of 100 records are rejected, more than 95%"),
        ("accepted", 0, "100 of 100 records are rejected, more than 95%"),
        ("rejected", 95, None),
        ("rejected", 96, "96 of 100 records are rejected, more than 95%"),
    ],
)
def test_how_many_records_may_be_rejected(holds: str, rows: int, complaint: str | None) -> None:
    delivery = Delivery(read="raw", holds="accepted" if holds == "accepted" else "rejected")
    assert delivery.complaint(rows, 100, None) == complaint


def test_nothing_was_read_and_nothing_is_rejected() -> None:
    assert Delivery(read="raw").complaint(0, 0, 120) is None


def test_limits_are_told_in_words() -> None:
    assert str(Delivery()) == (
        "A partition that is published keeps some rows; one of 100 rows or more loses at most 50% "
        "of them."
    )
    assert str(Delivery(read="raw")) == "At most 95% of the records of `raw` are rejected."
