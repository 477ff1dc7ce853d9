import csv
import gzip
import json
from dataclasses import asdict
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.delimited import TSV, Columns, FileReport, read_delimited
from pipeline_assets.sample.ratings import RatingsTruth, write_ratings
from pipeline_assets.sample.ratings_reviews import COLUMNS
from pipeline_assets.sample.ratings_truth import Ratings, k_core, one_shot

VIDEO = "Digital_Video_Download"
CATEGORIES = [VIDEO, "Gift_Card"]
FIXTURE = Path("../shared/data/recbole-filter-fixtures/filter_by_inter_num.inter")

Sample = tuple[Path, RatingsTruth]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    landing = tmp_path_factory.mktemp("landing")
    return landing, write_ratings(landing, scale=0.2, damage=0.02)


def contents(landing: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(landing.rglob("*.*"))}


def lines(landing: Path, file: str) -> list[bytes]:
    data = (landing / file).read_bytes()
    return (gzip.decompress(data) if file.endswith(".gz") else data).splitlines()


def test_same_arguments_same_bytes(sample: Sample, tmp_path: Path) -> None:
    write_ratings(tmp_path, scale=0.2, damage=0.02)
    assert contents(tmp_path) == contents(sample[0])


def test_another_seed_other_rows(sample: Sample, tmp_path: Path) -> None:
    assert write_ratings(tmp_path, scale=0.2, seed=1, damage=0.02) != sample[1]


def test_files_are_named_as_published(sample: Sample) -> None:
    assert list(contents(sample[0])) == [
        "amazon_reviews_us_Digital_Video_Download_v1_00.tsv.gz",
        "amazon_reviews_us_Gift_Card_v1_00.tsv",
        "truth.json",
    ]


def test_the_truth_is_written(sample: Sample) -> None:
    landing, truth = sample
    assert json.loads((landing / "amazon_reviews/truth.json").read_text()) == asdict(truth)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_reader_finds_every_row(sample: Sample, category: str) -> None:
    landing, truth = sample[0], sample[1].categories[category]
    reports: list[FileReport] = []
    files = [(truth.file, (landing / truth.file).open("rb").__enter__)]
    rows = [b.num_rows for b in read_delimited(files, Columns(COLUMNS), TSV, reports.append)]
    found_by_reader = {fault: truth.rejected[fault] for fault in ("field_count", "undecodable")}
    assert sum(rows) == truth.rows == truth.accepted + sum(truth.rejected.values())
    assert reports[0].problems == found_by_reader


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_truth_is_what_sql_finds(sample: Sample, category: str, tmp_path: Path) -> None:
    """The published meaning of the one-shot filter, over the sound rows, read by DuckDB."""
    landing, truth = sample[0], sample[1].categories[category]
    sound = tmp_path / "sound.tsv"
    kept_lines = [line for line in lines(landing, truth.file) if is_sound(line)]
    sound.write_bytes(b"\n".join([*kept_lines, b""]))
    relation = duckdb.read_csv(
        str(sound), sep="\t", quotechar="", escapechar="", header=True, all_varchar=True
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


def is_sound(line: bytes) -> bool:
    fields = line.decode("utf-8", "replace").split("\t")
    return (
        len(fields) == len(COLUMNS)
        and "\ufffd" not in line.decode("utf-8", "replace")
        and fields[COLUMNS.index("star_rating")] != "six"
        and fields[COLUMNS.index("review_date")] != "2015-02-30"
    )


@pytest.mark.parametrize("category", CATEGORIES)
def test_nulls_duplicates_and_quotes_are_planted(sample: Sample, category: str) -> None:
    landing, truth = sample[0], sample[1].categories[category]
    sound = [line for line in lines(landing, truth.file) if is_sound(line)]
    rows = [line.decode().split("\t") for line in sound[1:]]
    empty = {name: sum(not row[n] for row in rows) for n, name in enumerate(COLUMNS)}
    assert empty["customer_id"] == truth.null_customers > 0
    assert empty["product_id"] == truth.null_products > 0
    assert empty["star_rating"] == truth.null_ratings > 0
    assert empty["product_title"] == truth.null_titles > 0
    assert len(rows) - len({tuple(row) for row in rows}) == truth.duplicates > 0
    for column in ("product_title", "review_headline", "review_body"):
        texts = [row[COLUMNS.index(column)] for row in rows]
        assert any(text.count('"') % 2 for text in texts)
        assert not all(text.isascii() for text in texts)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_fate_of_the_cast(sample: Sample, category: str) -> None:
    truth = sample[1].categories[category]
    fates = {
        name: (one.rows, one.one_shot, one.k_core)
        for name, one in (*truth.customers.items(), *truth.products.items())
    }
    assert fates == {
        "four": (4, 0, 0),
        "five": (5, 5, 5),
        "five_one_rare": (5, 4, 0),
        "five_repeats": (5, 5, 5),
        "five_with_duplicate": (5, 5, 5),
        "five_one_null_product": (5, 4, 0),
        "nine": (9, 0, 0),
        "ten": (10, 10, 10),
        "ten_one_rare": (10, 9, 0),
        "ten_one_null_customer": (10, 9, 0),
    }


def test_the_filters_differ(sample: Sample) -> None:
    truth = sample[1].categories[VIDEO]
    assert 0 < truth.k_core.rows < truth.one_shot.rows < truth.accepted


def test_damage_spoils_copies_only(sample: Sample, tmp_path: Path) -> None:
    truth = write_ratings(tmp_path, scale=0.2).categories[VIDEO]
    spoilt = sample[1].categories[VIDEO]
    assert truth.rejected == {}
    assert set(spoilt.rejected) == {
        "field_count",
        "undecodable",
        "bad_star_rating",
        "bad_review_date",
    }
    assert (truth.accepted, truth.one_shot, truth.k_core) == (
        spoilt.accepted,
        spoilt.one_shot,
        spoilt.k_core,
    )
    left = [line for line in lines(sample[0], spoilt.file) if is_sound(line)]
    assert left == lines(tmp_path, truth.file)


def test_the_smallest_sample_still_has_its_cast(tmp_path: Path) -> None:
    truth = write_ratings(tmp_path, scale=1e-9).categories["Gift_Card"]
    assert (truth.rows, truth.customers["five"].k_core) == (212, 5)


@pytest.mark.parametrize(("scale", "damage"), [(0, 0), (-1, 0), (float("nan"), 0), (1, 1.5)])
def test_nonsense_is_refused(scale: float, damage: float, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="give a"):
        write_ratings(tmp_path, scale=scale, damage=damage)


def ratings_of(pairs: list[tuple[int, int]]) -> Ratings:
    ratings = Ratings()
    for customer, product in pairs:
        ratings.add(customer, product, 5)
    return ratings


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
    assert list(zip(core.customers, core.products, strict=True)) == left


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
    assert (len(set(core.customers)), len(set(core.products))) == expected
