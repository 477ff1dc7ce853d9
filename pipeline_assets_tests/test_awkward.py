"""Awkward deliveries that people of the trade report, and what a right product makes of them.

Each folder holds files as a vendor would deliver them and ``truth.txt``, which says what must come
out. Where a test says something else than that file, its docstring says why.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import dagster as dg
import pytest

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import music, ratings, rentals, taobao
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.updating import Updated, read_lake, update

AWKWARD = Path(__file__).parents[2] / "shared" / "data" / "awkward"

Rows: TypeAlias = list[tuple[Any, ...]]
REVIEWS = "select category, count(*) from ratings.reviews group by 1 order by 1"
# Tables of records, for tests that ask nothing of what is made from them.
RATED = ("raw_reviews", "reviews", "rejected_rows")
REVIEWED = ("raw_movie_reviews", "movie_reviews", "rejected_rows")
HEARD = ("raw_users", "users", "raw_user_top_artists", "user_top_artists", "rejected_rows")
REJECTED = "select row_number, reason from {domain}.rejected_rows order by 1"


@dataclass(frozen=True)
class Delivered:
    settings: Settings
    domain: ModuleType
    updated: Updated

    def query(self, sql: str) -> Rows:
        return read_lake(self.settings, datasets_in(self.domain).assets, sql)


Deliver: TypeAlias = Callable[..., Delivered]


@pytest.fixture
def deliver(make_settings: MakeSettings, instance: dg.DagsterInstance, tmp_path: Path) -> Deliver:
    """Land the files of a folder and update the tables of a domain, or some; without training."""

    def land(name: str, domain: ModuleType, *tables: str, trains: bool = False) -> Delivered:
        folder = AWKWARD / name / "landing"
        if not folder.is_dir():
            pytest.skip(f"the awkward files are not there: no {folder}")
        for file in filter(Path.is_file, folder.rglob("*")):
            target = tmp_path / "landing" / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        settings, found = make_settings(), datasets_in(domain)
        assets = [it for it in found.assets if trains or "training" not in it.function.__module__]
        definitions = build_definitions(settings, assets=assets)
        updater = Updater(
            assets, found.landing, Deployment(settings), instance, definitions=definitions
        )
        return Delivered(settings, domain, update(updater, *tables))

    return land


def assert_named(failures: Sequence[str], *names: str) -> None:
    """There is one line for each file, and it names the file."""
    assert len(failures) == len(names)
    for name in names:
        (line,) = (line for line in failures if name in line)
        assert "\n" not in line


def test_every_folder_has_a_test() -> None:
    folders = {path.name for path in AWKWARD.glob("*") if path.is_dir()}
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert folders <= tests


def test_01_bare_quotes(deliver: Deliver) -> None:
    found = deliver("01_bare_quotes", ratings, *RATED)
    assert found.query(
        "select product_title, review_headline, review_body from ratings.reviews order by review_id"
    ) == [
        ("Title 1", "head", '"unbalanced at start'),
        ("Title 2", '6" tall', 'ends with "'),
        ('"', "head", "body 3"),
        ("Title 4", "head", '""'),
        ("Title 5", "head", r"""'single \" back\\slash \t \N"""),
    ]
    assert found.query(REJECTED.format(domain="ratings")) == []


def test_04_multi_member_gzip_repeated_header(deliver: Deliver) -> None:
    found = deliver("04_multi_member_gzip_repeated_header", ratings, *RATED)
    assert found.query(REVIEWS) == [("C04", 4)]
    told = "bad_star_rating, bad_helpful_votes, bad_total_votes, bad_review_date"
    assert found.query(REJECTED.format(domain="ratings")) == [(3, told)]


def test_14_not_what_name_says(deliver: Deliver) -> None:
    found = deliver("14_not_what_name_says", ratings)
    assert_named(found.updated.failures, "_C14a_", "_C14b_")
    assert found.query(REVIEWS) == [("C14c", 1)]


def test_15_real_file_names(deliver: Deliver) -> None:
    found = deliver("15_real_file_names", ratings, *RATED)
    # `index.txt` lists the data set and is no delivery.
    assert found.updated.problems == ()
    assert found.query(REVIEWS) == [("Books", 2), ("multilingual_UK", 1)]


def test_30_na_strings(deliver: Deliver) -> None:
    found = deliver("30_na_strings", music, *HEARD)
    names = ["NA", "None", "null", "nan", "NaN", "N/A", "True", "1", "NULL", "\\N", "-", "#N/A"]
    assert found.query("select artist_name from music.user_top_artists order by rank") == [
        (name,) for name in names
    ]
    assert found.query("select user_id, country from music.users order by 1") == [
        ("u1", "NA"),
        *((user, None) for user in ("u2", "u3", "u4")),
    ]


def test_31_number_forms(deliver: Deliver) -> None:
    """``12.0`` is accepted, which the truth rejects.

    The truth counts 12 rejected rows, among them one of ``12.0``. Pandas writes a column of whole
    numbers like that as soon as one is missing, and the issue that came after the truth decides:
    what is written so is the integer, because nothing is lost. Both cannot hold, for the value is
    the same text. To accept it only where the whole column looks like it comes from pandas would
    make the verdict on a line depend on other lines of its file.
    """
    found = deliver("31_number_forms", music, *HEARD)
    accepted = [7, 7, 100_000, 999_999_999_999_999, 12]
    assert found.query("select playcount from music.user_top_artists order by rank") == [
        (plays,) for plays in accepted
    ]
    assert found.query("select distinct reason, count(*) from music.rejected_rows group by 1") == [
        ("bad_playcount", 11)
    ]


def test_50_imdb_style(deliver: Deliver) -> None:
    found = deliver("50_imdb_style", rentals, *REVIEWED)
    texts = json.loads((AWKWARD / "50_imdb_style" / "texts.json").read_text())
    assert found.query("select review_str from rentals.movie_reviews order by cid") == [
        (text,) for text in texts
    ]


def test_54_cid_forms(deliver: Deliver) -> None:
    """``12.0`` is accepted, which the truth rejects: see ``31_number_forms``."""
    found = deliver("54_cid_forms", rentals, *REVIEWED)
    assert found.query("select review_str, cid from rentals.movie_reviews order by 1") == [
        ("t0", 7),
        ("t1", 7),
        ("t2", 12),
    ]
    assert found.query(REJECTED.format(domain="rentals")) == [
        (number, "bad_cid") for number in range(4, 10)
    ]


def test_61_ccp_line_forms(deliver: Deliver) -> None:
    """The truth leaves the lists to the specification of lines, in ``truth/taobao_verdict.py``."""
    found = deliver("61_ccp_line_forms", taobao, trains=True)
    assert found.updated.failures == ()
    ids = [*range(1, 12), 34, 36, 999_999_999_999_999_999]
    assert found.query(
        "select sample_id from taobao.impressions where split = 'train' order by 1"
    ) == [(number,) for number in ids]
    assert found.query(
        "select split, count(*) from taobao.core_features group by 1 order by 1"
    ) == [("test", 2), ("train", 40_014)]
    assert found.query(
        "select feature_id from taobao.core_features where sample_id = 1 "
        "and split = 'train' order by 1"
    ) == [(1,), (1,), (2,)]
    assert found.query(
        "select split, member, count(*) from taobao.rejected_rows group by all order by all"
    ) == [
        # The byte order mark before the first line of the test split costs no line.
        ("train", "common_features", 3),
        ("train", "sample_skeleton", 19),
    ]


def test_62_ccp_cut_copy_and_mac_tar(deliver: Deliver) -> None:
    """Three are accepted, where the truth says two.

    There are four lines, so that two accepted and one rejected would lose one, and accounting for
    every line is a check of the table. The fourth is a copy of the second without its end. A line
    without an end may be cut, so it is rejected; its whole copy is not.
    """
    found = deliver("62_ccp_cut_copy_and_mac_tar", taobao)
    assert_named(found.updated.failures, "taobao_test.tar.gz holds the unexpected member")
    assert found.query("select split, sample_id from taobao.impressions order by 2") == [
        ("train", number) for number in (1, 2, 3)
    ]
    assert found.query("select line_number, reason from taobao.rejected_rows") == [(4, "cut_line")]


def test_92_one_bad_file_among_days(deliver: Deliver) -> None:
    """Two days are named and two published, where the truth names one and publishes three.

    There are four days. The truth counts the file without a byte among the good ones, so a day
    whose upload ended before its first byte would be published as one without reviews. Issues on
    bad input ask for a clear message of an empty file, and that nothing is lost in silence; a day
    without reviews is a file with its header.
    """
    found = deliver("92_one_bad_file_among_days", rentals, *REVIEWED)
    assert_named(
        [line for line in found.updated.failures if "raw_movie_reviews" in line],
        "2024-05-02/movie_review.csv lacks column review_str",
        "2024-05-04/movie_review.csv is empty",
    )
    assert found.query(
        "select insert_date::text, review_str from rentals.movie_reviews order by 1"
    ) == [
        ("2024-05-01", "a"),
        ("2024-05-03", "c"),
    ]
