import gzip
from pathlib import Path

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.delimited import TSV, Columns, FileReport
from pipeline_assets.landing.delimited_reader import read_delimited
from pipeline_assets.sample.ratings import FAULTS, write_ratings
from pipeline_assets.sample.ratings_reviews import COLUMNS
from pipeline_assets_tests.truth.ratings import CategoryTruth, category_truth, rejection

VIDEO = "Digital_Video_Download"
CATEGORIES = [VIDEO, "Gift_Card"]

Sample = tuple[Path, dict[str, CategoryTruth]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    landing = tmp_path_factory.mktemp("landing")
    write_ratings(landing, scale=0.2, damage=0.02)
    return landing, {category: category_truth(landing, category) for category in CATEGORIES}


def contents(landing: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(landing.rglob("*.*"))}


def lines(landing: Path, file: str) -> list[bytes]:
    data = (landing / file).read_bytes()
    return (gzip.decompress(data) if file.endswith(".gz") else data).splitlines()


def sound_rows(landing: Path, file: str) -> list[bytes]:
    """Lines below the header that a correct pipeline accepts."""
    return [line for line in lines(landing, file)[1:] if not rejection(line)]


def test_same_arguments_same_bytes(sample: Sample, tmp_path: Path) -> None:
    write_ratings(tmp_path, scale=0.2, damage=0.02)
    assert contents(tmp_path) == contents(sample[0])


def test_another_seed_other_rows(sample: Sample, tmp_path: Path) -> None:
    write_ratings(tmp_path, scale=0.2, seed=1, damage=0.02)
    assert contents(tmp_path) != contents(sample[0])


def test_files_are_named_as_published(sample: Sample) -> None:
    assert list(contents(sample[0])) == [
        "amazon_reviews_us_Digital_Video_Download_v1_00.tsv.gz",
        "amazon_reviews_us_Gift_Card_v1_00.tsv",
    ]


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_reader_finds_every_row(sample: Sample, category: str) -> None:
    landing, truth = sample[0], sample[1][category]
    reports: list[FileReport] = []
    files = [(truth.file, (landing / truth.file).open("rb").__enter__)]
    rows = [b.num_rows for b in read_delimited(files, Columns(COLUMNS), TSV, reports.append)]
    found_by_reader = {fault: truth.rejected[fault] for fault in ("field_count", "undecodable")}
    assert sum(rows) == truth.rows == truth.accepted + sum(truth.rejected.values())
    assert reports[0].problems == found_by_reader


@pytest.mark.parametrize("category", CATEGORIES)
def test_nulls_duplicates_and_quotes_are_planted(sample: Sample, category: str) -> None:
    landing, truth = sample[0], sample[1][category]
    rows = [line.decode().split("\t") for line in sound_rows(landing, truth.file)]
    empty = {name: sum(not row[n] for row in rows) for n, name in enumerate(COLUMNS)}
    assert empty["customer_id"] == truth.null_customers > 0
    assert empty["product_id"] == truth.null_products > 0
    assert empty["star_rating"] == truth.null_ratings > 0
    assert empty["product_title"] == truth.null_titles > 0
    assert len({tuple(row) for row in rows}) < len(rows)
    for column in ("product_title", "review_headline", "review_body"):
        texts = [row[COLUMNS.index(column)] for row in rows]
        assert any(text.count('"') % 2 for text in texts)
        assert not all(text.isascii() for text in texts)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_fate_of_the_cast(sample: Sample, category: str) -> None:
    truth = sample[1][category]
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
    truth = sample[1][VIDEO]
    assert 0 < truth.k_core.rows < truth.one_shot.rows < truth.accepted


def test_damage_spoils_copies_only(sample: Sample, tmp_path: Path) -> None:
    write_ratings(tmp_path, scale=0.2)
    truth = category_truth(tmp_path, VIDEO)
    spoilt = sample[1][VIDEO]
    assert truth.rejected == {}
    assert set(spoilt.rejected) == set(FAULTS)
    assert (truth.accepted, truth.one_shot, truth.k_core) == (
        spoilt.accepted,
        spoilt.one_shot,
        spoilt.k_core,
    )
    assert sound_rows(sample[0], spoilt.file) == lines(tmp_path, truth.file)[1:]


def test_the_smallest_sample_still_has_its_cast(tmp_path: Path) -> None:
    write_ratings(tmp_path, scale=1e-9)
    truth = category_truth(tmp_path, "Gift_Card")
    assert (truth.rows, truth.customers["five"].k_core) == (212, 5)


@pytest.mark.parametrize(("scale", "damage"), [(0, 0), (-1, 0), (float("nan"), 0), (1, 1.5)])
def test_nonsense_is_refused(scale: float, damage: float, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="give a"):
        write_ratings(tmp_path, scale=scale, damage=damage)
