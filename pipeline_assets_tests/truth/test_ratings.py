import csv
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.sample.ratings import FAULTS, write_ratings
from pipeline_assets.sample.ratings_reviews import reviews
from pipeline_assets_tests.truth.ratings import (
    Rating,
    category_truth,
    k_core,
    one_shot,
    rejection,
)

FIXTURE = Path("../shared/data/recbole-filter-fixtures/filter_by_inter_num.inter")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_rejected_for_its_reason(fault: str) -> None:
    sound = next(reviews("Gift_Card", 10, seed=0)).fields
    assert rejection("\t".join(sound).encode()) is None
    assert rejection(FAULTS[fault](sound).removesuffix(b"\n")) == fault


@pytest.mark.parametrize("category", ["Digital_Video_Download", "Gift_Card"])
def test_the_truth_is_what_sql_finds(category: str, tmp_path: Path) -> None:
    """The published meaning of the one-shot filter, read by DuckDB."""
    write_ratings(tmp_path, scale=0.2)
    truth = category_truth(tmp_path, category)
    relation = duckdb.read_csv(
        str(tmp_path / truth.file),
        sep="\t",
        quotechar="",
        escapechar="",
        header=True,
        all_varchar=True,
    )
    assert relation.count("*").fetchone() == (truth.accepted,)
    found = duckdb.sql(
        """
        with counted as (
            select *, count(*) over (partition by customer_id) as customer_rows,
                count(*) over (partition by product_id) as product_rows
            from relation
        )
        select count(*), count(distinct customer_id), count(distinct product_id),
            count(*) filter (star_rating = '5'), count(*) filter (star_rating is null)
        from counted
        where customer_id is not null and product_id is not null
            and customer_rows >= 5 and product_rows >= 10
        """
    ).fetchone()
    kept = truth.one_shot
    assert found == (kept.rows, kept.users, kept.items, kept.stars["5"], kept.stars["null"])


def ratings_of(pairs: list[tuple[int, int]]) -> list[Rating]:
    return [Rating(str(customer or ""), str(product or ""), "5") for customer, product in pairs]


PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


@given(PAIRS, st.integers(1, 4), st.integers(1, 4))
def test_k_core_equals_peeling_row_by_row(
    pairs: list[tuple[int, int]], customers: int, products: int
) -> None:
    core = k_core(ratings_of(pairs), customers, products)
    left = [pair for pair in pairs if all(pair)]
    while weak := [
        (c, p)
        for c, p in left
        if sum(c == d for d, _ in left) < customers or sum(p == q for _, q in left) < products
    ]:
        left.remove(weak[0])
    assert core == ratings_of(left)


@given(PAIRS, st.integers(1, 4), st.integers(1, 4))
def test_a_core_is_within_the_one_shot(
    pairs: list[tuple[int, int]], customers: int, products: int
) -> None:
    everything = ratings_of(pairs)
    once, core = one_shot(everything, customers, products), k_core(everything, customers, products)
    assert len(core) <= len(once) <= len(everything)
    assert one_shot(core, customers, products) == core


@pytest.mark.skipif(not FIXTURE.exists(), reason="the shared fixtures are not beside the checkout")
@pytest.mark.parametrize(
    ("customers", "products", "expected"), [(2, 1, (5, 6)), (1, 2, (6, 5)), (2, 2, (4, 4))]
)
def test_counts_of_the_shared_fixture(
    customers: int, products: int, expected: tuple[int, int]
) -> None:
    with FIXTURE.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    core = k_core(ratings_of([(int(row[0]), int(row[1])) for row in rows]), customers, products)
    assert (len({each.customer for each in core}), len({each.product for each in core})) == expected
