"""What a declaration gets wrong is told when the definitions load: asset, fault and remedy."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from pipeline_assets.dataset.asset import LakeAsset, check, ingest_asset, lake_asset
from pipeline_assets.dataset.binding.declarations import returns_nothing
from pipeline_assets.dataset.contract import Contract, Field, Long, String
from pipeline_assets.dataset.plots import Plot, bars
from pipeline_assets.definitions import DATASETS, build_definitions
from pipeline_assets.errors import DeclarationError
from pipeline_assets.partitions import CATEGORIES
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import DIARY

REVIEWS = {"reviews": dg.AssetKey(["ratings", "reviews"])}


class Words(Contract):
    """One row per review."""

    review_id: String = Field(nullable=True, description="Identifies it.")
    words: Long = Field(nullable=True, description="Its words.")
    category: String = Field(description="The category.")


class Unpartitioned(Contract):
    """One row per review."""

    review_id: String = Field(nullable=True, description="Identifies it.")


class Twice(Words):
    """One row per review."""

    length: Long = Field(nullable=True, renamed_from="WORDS")


class Misspelt(Words):
    """One row per review."""

    class Config:
        unique = ["review"]  # noqa: RUF012 - a list, as in every contract


def words_of(reviews: ir.Table) -> ir.Table:
    return reviews.select("review_id", "category", words=reviews.review_body.length().cast("int64"))


def declared(function: Callable[..., Any] = words_of, **options: Any) -> LakeAsset:  # noqa: ANN401
    defaults = {"contract": Words, "partitions": CATEGORIES, "inputs": REVIEWS}
    return lake_asset(domain=DIARY, **{**defaults, **options})(function)


def an_average(reviews: ir.Table) -> ir.Table:
    return reviews.select("review_id", "category", words=reviews.review_body.length() / 2)


def a_date(reviews: ir.Table) -> ir.Table:
    return words_of(reviews).mutate(words=ibis.literal("2024-01-01").cast("timestamp"))


def forgetful(reviews: ir.Table) -> None:
    words_of(reviews)


def a_column(reviews: ir.Table) -> ir.Value:
    return reviews.review_id


def misspelt_column(reviews: ir.Table) -> ir.Table:
    return reviews.select("review_id", words=reviews.review_bdy.length())


@check("warn", key=["review"])
def keyed(words_of: ir.Table) -> ir.Table:
    """Never fails."""
    return words_of.limit(0)


@ingest_asset(domain=DIARY, contract=Unpartitioned, code_version="1")
def forgetful_ingest() -> Iterator[pa.RecordBatch]:  # type: ignore[return]
    pa.RecordBatch.from_pylist([{"review_id": "1"}])


WRONG: dict[str, tuple[Callable[[], LakeAsset], str]] = {
    "a double into a Long": (
        lambda: declared(an_average),
        r"diary/an_average: Words: `words` is int64 by contract, and .* float64, .* cast it",
    ),
    "a moment into a Long": (lambda: declared(a_date), r"`words` is int64 by contract, .* timest"),
    "no partition column": (
        lambda: declared(contract=Unpartitioned),
        r"partitioned by `category`, .* Unpartitioned has no such column; add `category: String`",
    ),
    "unique over an unknown column": (
        lambda: declared(contract=Misspelt),
        r"diary/words_of: unique names `review`, .* did you mean review_id\?",
    ),
    "renamed from a column that is still there": (
        lambda: declared(contract=Twice),
        r"diary/words_of: `length` is renamed_from `WORDS`, and Twice has a column of that name",
    ),
    "a check's unknown key": (
        lambda: declared(checks=[keyed]),
        r"the key of the check keyed names `review`, .* did you mean review_id\?",
    ),
    "an unknown input": (
        lambda: declared(inputs={"reviews": dg.AssetKey(["ratings", "review"])}),
        r"diary/words_of: `reviews` reads ratings/review, .* did you mean ratings/reviews\?",
    ),
    "an unknown input of a plot": (
        lambda: declared(
            plots=[Plot("p", lambda a, _: a, bars("words", "words", label="words"), ("review",))]
        ),
        r"its plot p looks at `review`, which it does not read; did you mean reviews\?",
    ),
    "a function that returns nothing": (
        lambda: declared(forgetful),
        r"diary/forgetful: its function returns nothing; return the table",
    ),
    "an ingest that yields nothing": (
        lambda: forgetful_ingest,
        r"diary/forgetful_ingest: its function returns nothing; yield record batches",
    ),
    "a function that returns a column": (
        lambda: declared(a_column),
        r"diary/a_column: its function returns StringColumn, not a table",
    ),
    "an unknown column": (
        lambda: declared(misspelt_column),
        r"diary/misspelt_column: .*review_bdy",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_declaration_does_not_load(settings: Settings, wrong: str) -> None:
    make, told = WRONG[wrong]
    with pytest.raises(DeclarationError, match=told) as caught:
        build_definitions(settings, assets=(*DATASETS.assets, make()))
    assert "\n" not in str(caught.value)


def test_a_lossless_cast_is_implicit(settings: Settings) -> None:
    assert build_definitions(settings, assets=(*DATASETS.assets, declared()))


def test_what_returns_nothing_is_known_without_calling_it() -> None:
    def either(flag: bool) -> int | None:
        if flag:
            return None
        return 1

    assert returns_nothing(forgetful)
    assert not returns_nothing(either)
    assert not returns_nothing(words_of)
