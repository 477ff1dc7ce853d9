import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipeline_assets.command.batches import Batch
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.domains import ratings
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.ratings_reviews import COLUMNS
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.ratings.world import ASSETS as DELIVERED
from pipeline_assets_tests.domains.ratings.world import World
from pipeline_assets_tests.truth.ratings import CategoryTruth, category_truth
from pipeline_assets_tests.updating import Updated
from pipeline_assets_tests.workbench import failures

ASSETS = datasets_in(ratings).assets

VIDEO = "Digital_Video_Download"
CATEGORIES = [VIDEO, "Gift_Card"]

RECORDS = ("raw_reviews", "reviews", "rejected_rows")
"""For tests that ask nothing of what is made from them."""

CHAIN = [("1", "B1"), ("2", "B1"), ("1", "B2"), ("3", "B2"), ("2", "B3")]

Sample = tuple[World, dict[str, CategoryTruth], Updated]


def world_in(
    folder: Path, instance: dg.DagsterInstance, assets: tuple[LakeAsset, ...] = DELIVERED
) -> World:
    settings = Settings.model_validate(
        {
            "lake_uri": str(folder / "lake"),
            "landing_uri": str(folder / "landing"),
            "dagster_home": folder / "dagster",
            "memory_limit_mib": 512,
            "threads": 2,
        }
    )
    return World(settings, instance, assets)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = tmp_path_factory.mktemp("sample")
    write_ratings(folder / "landing", scale=0.1, damage=0.05)
    truths = {category: category_truth(folder / "landing", category) for category in CATEGORIES}
    with dg.DagsterInstance.ephemeral() as instance:
        world = world_in(folder, instance, ASSETS)
        yield world, truths, world.update()


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> World:
    return world_in(tmp_path, instance)


def exported(world: World, category: str) -> list[dict[str, Any]]:
    path = Path(world.settings.lake_uri, f"train_ready/amazon_reviews_us_{category}.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def published_metadata(result: dg.ExecuteInProcessResult) -> Mapping[str, Any]:
    (event,) = result.asset_materializations_for_node("ratings__filtered_ratings")
    return event.metadata


def test_the_sample_is_made_without_a_failure(sample: Sample) -> None:
    _, _, updated = sample
    assert (updated.problems, updated.failures) == ((), ())
    assert len(updated.made) == len(ASSETS) * len(CATEGORIES)


def test_a_second_update_has_nothing_to_do(sample: Sample) -> None:
    assert sample[0].update().made == ()


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_tables_hold_the_planted_truth(sample: Sample, category: str) -> None:
    world, truth = sample[0], sample[1][category]
    own = f"where category = '{category}'"
    (counts,) = world.query(
        "select count(*), count(*) filter (customer_id is null), "
        "count(*) filter (product_id is null), count(*) filter (star_rating is null), "
        f"count(*) filter (product_title is null) from ratings.reviews {own}"
    )
    assert counts == (
        truth.accepted,
        truth.null_customers,
        truth.null_products,
        truth.null_ratings,
        truth.null_titles,
    )
    reasons = world.query(f"select reason, count(*) from ratings.rejected_rows {own} group by 1")
    assert dict(reasons) == truth.rejected
    assert world.query(f"select count(*) from ratings.raw_reviews {own}") == [(truth.rows,)]


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_filter_leaves_the_planted_truth(sample: Sample, category: str) -> None:
    world, truth = sample[0], sample[1][category]
    own = f"ratings.filtered_ratings where category = '{category}'"
    assert world.query(
        f"select count(*), count(distinct customer_id), count(distinct product_id) from {own}"
    ) == [(truth.one_shot.rows, truth.one_shot.users, truth.one_shot.items)]
    stars = dict(world.query(f"select star_rating, count(*) from {own} group by 1"))
    expected = truth.one_shot.stars
    assert expected == {
        star: stars.get(None if star == "null" else int(star), 0) for star in expected
    }
    for key, cast in (("customer_id", truth.customers), ("product_id", truth.products)):
        kept = dict(world.query(f"select {key}, count(*) from {own} group by 1"))
        assert {name: kept.get(each.id, 0) for name, each in cast.items()} == {
            name: each.one_shot for name, each in cast.items()
        }


def test_the_object_has_the_columns_of_the_training_script_and_further_ones_by_config(
    world: World,
) -> None:
    row = {"customer_id": "C", "product_id": "B", "star_rating": 3, "product_title": "T"}
    world.land("Books", *[row] * 10)
    world.update()
    assert exported(world, "Books") == [{name: str(value) for name, value in row.items()}] * 10
    columns = ["customer_id", "product_id", "star_rating", "product_title"]
    assert list(exported(world, "Books")[0]) == columns
    for further, success in ((["category"], True), (["colour"], False)):
        job = world.updater.definitions.resolve_implicit_global_asset_job_def()
        config = {"ratings__train_ready_ratings": {"config": {"further_columns": further}}}
        result = job.execute_in_process(
            instance=world.instance,
            asset_selection=[dg.AssetKey(["ratings", "train_ready_ratings"])],
            partition_key="Books",
            run_config={"ops": config},
            raise_on_error=False,
        )
        assert result.success == success
        assert list(exported(world, "Books")[0]) == [*columns, "category"]


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_filter_means_what_its_sql_says(sample: Sample, category: str) -> None:
    """The published meaning of `one_shot`, over the vendor's file with its sound lines."""
    world, truth = sample[0], sample[1][category]
    path = Path(world.settings.landing_uri, truth.file)
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    rejected = world.query(
        f"select row_number from ratings.rejected_rows where category = '{category}'"
    )
    sound = path.with_name("sound.tsv")
    spoilt = {number for (number,) in rejected}
    sound.write_bytes(b"\n".join(line for n, line in enumerate(lines) if n not in spoilt))
    with duckdb.connect() as connection:
        connection.read_csv(
            str(sound), sep="\t", quotechar="", escapechar="", all_varchar=True
        ).to_table("reviews")
        expected = connection.execute(
            """
            SELECT customer_id, product_id, star_rating::INT, product_title FROM reviews
            WHERE customer_id IN (
                SELECT customer_id FROM reviews GROUP BY customer_id HAVING count(*) >= 5
            ) AND product_id IN (
                SELECT product_id FROM reviews GROUP BY product_id HAVING count(*) >= 10
            )
            """
        ).fetchall()
    sound.unlink()
    found = world.query(
        "select customer_id, product_id, star_rating, product_title "
        f"from ratings.filtered_ratings where category = '{category}'"
    )
    assert Counter(found) == Counter(expected)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_export_is_the_filtered_ratings(sample: Sample, category: str) -> None:
    world = sample[0]
    columns = "customer_id, product_id, star_rating, product_title"
    own = f"ratings.filtered_ratings where category = '{category}'"
    rows = world.query(f"select {columns} from {own}")
    expected = Counter(tuple("" if v is None else str(v) for v in row) for row in rows)
    assert Counter(tuple(row.values()) for row in exported(world, category)) == expected


def test_fields_are_data_to_the_last_quote(world: World) -> None:
    odd = {"customer_id": "7", "product_id": "B1", "product_title": '"12"" \\ x', "star_rating": 5}
    world.land("Odd", odd, {**odd, "review_headline": '"', "review_body": "a,b\\"})
    assert world.update(*RECORDS).failures == ()
    assert world.query(
        "select product_title, review_headline, review_body from ratings.reviews"
    ) == [
        ('"12"" \\ x', None, None),
        ('"12"" \\ x', '"', "a,b\\"),
    ]


def test_columns_are_found_by_name_in_any_order(world: World) -> None:
    row = {name: name for name in COLUMNS}
    values = {"star_rating": 4, "helpful_votes": 1, "total_votes": 2, "review_date": "2015-08-31"}
    world.land("Turned", row | values, header=[*COLUMNS[::-1], "extra"])
    assert world.update(*RECORDS).failures == ()
    (found,) = world.query(
        "select marketplace, star_rating, review_date::text from ratings.reviews"
    )
    assert found == ("marketplace", 4, "2015-08-31")


def test_a_missing_column_is_named_and_nothing_published(world: World) -> None:
    world.land("Short", header=[name for name in COLUMNS if name != "star_rating"])
    (failure,) = world.update().failures
    assert "ratings/raw_reviews" in failure
    assert "amazon_reviews_us_Short_v1_00.tsv lacks column star_rating" in failure
    assert world.query("select * from ratings.raw_reviews") == []


def test_an_empty_file_is_an_error(world: World) -> None:
    path = world.land_bytes("Nothing", b"")
    (failure,) = world.update().failures
    assert f"{path} is empty" in failure


def test_a_header_alone_is_an_empty_partition(world: World) -> None:
    world.land("Calm")
    assert world.update().failures == ()
    assert exported(world, "Calm") == []
    assert world.query("select rows from ratings.train_ready_ratings") == [(0,)]
    assert world.update().made == ()


def test_a_truncated_file_is_an_error(world: World) -> None:
    whole = gzip.compress(("\t".join(COLUMNS) + "\n").encode() * 100)
    path = world.land_bytes("Cut", whole[:-9], ".tsv.gz")
    (failure,) = world.update().failures
    assert f"{path} is no whole gzip file" in failure


def test_a_category_delivered_twice_is_an_error(world: World) -> None:
    world.land("Twice")
    world.land_bytes("Twice", b"", ".tsv.gz")
    (failure,) = world.update().failures
    assert "Category Twice was delivered twice: remove one of" in failure


def test_the_parts_of_a_large_category_are_one_partition(world: World) -> None:
    world.land("Books", *[{"customer_id": str(n), "product_id": "B1"} for n in range(3)])
    first = world.land("Books", {"customer_id": "3", "product_id": "B1"})
    second = first.with_name(first.name.replace("_v1_00", "_v1_01"))
    second.write_bytes(first.read_bytes())
    multilingual = first.with_name("amazon_reviews_multilingual_UK_v1_00.tsv")
    multilingual.write_bytes(first.read_bytes())
    first.with_name("amazon_reviews_us.tsv").write_bytes(first.read_bytes())
    updated = world.update(*RECORDS)
    assert updated.failures == ()
    assert world.query("select count(*) from ratings.reviews where category = 'Books'") == [(2,)]
    (problem,) = updated.problems
    assert problem.startswith("amazon_reviews/amazon_reviews_us.tsv: no name")
    assert problem.endswith("amazon_reviews_us_{category}_v1_00.tsv.gz, or without .gz")


def test_categories_that_cannot_be_keys_are_named_and_others_are_made(world: World) -> None:
    for category in ("Good", "a/b", "a,b", "..", "a..b"):
        world.land(category)
    updated = world.update(*RECORDS)
    name = "amazon_reviews/amazon_reviews_us_{}_v1_00.tsv: '{}' cannot be a partition key; rename"
    assert sorted(line.removesuffix(" the object") for line in updated.problems) == sorted(
        name.format(category, category) for category in ("a/b", "a,b", "..", "a..b")
    )
    assert updated.failures == ()
    assert {made.partition("[")[2] for made in updated.made} == {"Good]"}


def test_a_new_delivery_replaces_its_category_and_no_other(world: World) -> None:
    rows = [{"customer_id": str(n % 5), "product_id": "B1", "star_rating": 3} for n in range(25)]
    world.land("A", *rows)
    world.land("B", *rows)
    world.update()
    assert len(exported(world, "A")) == len(exported(world, "B")) == 25

    world.land("A", *rows[:3])
    updated = world.update()
    assert {made.partition("[")[2] for made in updated.made} == {"A]"}
    assert (exported(world, "A"), len(exported(world, "B"))) == ([], 25)
    assert world.query("select category, count(*) from ratings.filtered_ratings group by 1") == [
        ("B", 25)
    ]


def test_thresholds_of_a_run_last_when_the_vendor_delivers_one_row_more(world: World) -> None:
    rows = [{"customer_id": customer, "product_id": product} for customer, product in CHAIN]
    world.land("Chain", *rows)
    world.update()
    config = {"min_customer_rows": 2, "min_product_rows": 2}
    assert world.materialize("Chain", "filtered_ratings", config=config).success
    world.land("Chain", *rows, rows[0])
    world.update()
    assert len(exported(world, "Chain")) == 4


def test_thresholds_and_method_are_run_config(world: World) -> None:
    """Once 3 and B3 are gone, B2 and 2 have too few rows, then everybody has."""
    rows = [{"customer_id": customer, "product_id": product} for customer, product in CHAIN]
    world.land("Chain", *rows)
    world.update()
    assert exported(world, "Chain") == []

    config = {"min_customer_rows": 2, "min_product_rows": 2}
    result = world.materialize("Chain", "filtered_ratings", config=config)
    assert result.success
    assert world.update().made == ("train_ready_ratings[Chain]",)
    assert len(exported(world, "Chain")) == 3

    result = world.materialize("Chain", "filtered_ratings", config={**config, "method": "k_core"})
    metadata = published_metadata(result)
    assert metadata["config"].value == {**config, "method": "k_core"}
    assert metadata["engine"].value["rounds"] == 2
    assert metadata["ratings"].value.startswith("![ratings](data:image/png;base64,")
    world.update()
    assert exported(world, "Chain") == []


def test_config_that_makes_no_sense_is_refused_by_name(world: World) -> None:
    world.land("Calm")
    world.update(*RECORDS)
    for wrong in ({"method": "twice"}, {"min_customer_row": 3}):
        with pytest.raises(dg.DagsterInvalidConfigError, match=next(iter(wrong))):
            world.materialize("Calm", "filtered_ratings", config=wrong)
    result = world.materialize("Calm", "filtered_ratings", config={"min_customer_rows": 0})
    message = str(result.failure_data_for_node("ratings__filtered_ratings"))
    assert "min_customer_rows" in message
    assert "Input should be greater than or equal to 1" in message


def test_categories_are_never_counted_together(world: World) -> None:
    """A run that somebody tags with a range of categories makes none of them."""
    rows = [{"customer_id": "1", "product_id": "B1"}] * 5
    world.land("A", *rows)
    world.land("B", *rows)
    world.update(*RECORDS)
    filtered = next(asset for asset in ASSETS if asset.table.name == "filtered_ratings")
    job = world.updater.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=world.instance,
        asset_selection=[filtered.key],
        tags=Batch((filtered,), ("A", "B")).range_tags,
        raise_on_error=False,
    )
    (failure,) = failures(result)
    assert "ratings.filtered_ratings materialises at most 1 partitions a run, not 2" in failure
