"""The page view domain on a lake, beside a server that answers like Wikimedia's APIs."""

import bz2
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import ibis
import pytest

from pipeline_assets.domains.pageviews.attention import unusual
from pipeline_assets.domains.pageviews.records import titles_of
from pipeline_assets.sample.wikipedia.articles import (
    SENTINEL,
    SUBJECTS,
    made_up_views,
    sample_encyclopaedia,
)
from pipeline_assets.sample.wikipedia.dumps import write_dumps
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets_tests.domains.pageviews.world import World
from pipeline_assets_tests.updating import Updated

DAY = timedelta(days=1)
TODAY = datetime.now(UTC).date()
BEFORE = (TODAY.replace(day=1) - DAY).replace(day=1)
LOADED = TODAY - 2 * DAY

Sample = tuple[World, Updated]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """A list from the month before on, whose last day is not loaded yet."""
    state = Wikipedia(sample_encyclopaedia(LOADED))
    with running_wikipedia(state), dg.DagsterInstance.ephemeral() as instance:
        world = World.below(tmp_path_factory.mktemp("views"), instance, state, BEFORE)
        world.land("people", SUBJECTS)
        yield world, world.update()


def test_everything_is_published(sample: Sample) -> None:
    world, updated = sample
    assert (updated.problems, updated.failures) == ((), ())
    assert len(updated.made) == 4 + 3 * (1 if TODAY.replace(day=1) > LOADED else 2)
    assert world.wikipedia.broken == []


def test_subjects_have_handles_or_reasons(sample: Sample) -> None:
    world, _ = sample
    handles = "select name, handle, how_found, redirect_chain from pageviews.handles order by name"
    assert world.query(handles) == [
        ("100% Wolf", "100% Wolf", "exact", []),
        ("AC/DC", "AC/DC", "exact", []),
        ("Bombay", "Mumbai", "redirect", ["Bombay"]),
        ("Mercury", "Mercury (planet)", "suffix", []),
        ("Michael Jordan", "Michael Jordan", "exact", []),
        ("The largest city of Switzerland", "Zürich", "given", []),
        ("beyoncé", "Beyoncé", "exact", []),
        ("iPhone", "IPhone", "exact", []),
    ]
    rejected = "select row_number, reason, raw from pageviews.rejected_rows"
    assert world.query(rejected) == [(9, "missing", "Nobody of that name,,")]


def test_views_of_redirects_count_for_their_article(sample: Sample) -> None:
    world, _ = sample
    found = world.query(
        "select day, views, completeness from pageviews.daily_views "
        "where handle = 'Mumbai' order by day"
    )
    expected: list[tuple[date, int | None, str]] = []
    for number in range((TODAY - BEFORE).days):
        day = BEFORE + number * DAY
        views = made_up_views("Mumbai", day) + made_up_views("Bombay", day)
        if day > LOADED:
            expected.append((day, None, "not_loaded"))
        else:
            expected.append((day, views, "observed" if views else "zero"))
    if TODAY.replace(day=1) > LOADED:
        expected = [row for row in expected if row[0] < TODAY.replace(day=1)]
    assert found == expected


def test_a_second_update_asks_for_nothing(sample: Sample) -> None:
    world, _ = sample
    before = len(world.wikipedia.log)
    assert world.update().made == ()
    assert len(world.wikipedia.log) == before


def test_dump_files_say_the_same_as_the_api(sample: Sample) -> None:
    world, _ = sample
    sql = f"select * from pageviews.daily_views where month = '{BEFORE:%Y-%m}' order by all"
    asked, requests = world.query(sql), len(world.wikipedia.log)
    write_dumps(Path(world.settings.landing_uri), world.wikipedia.holds, BEFORE)
    updated = world.update("dump_views", "daily_views")
    assert updated.failures == ()
    assert f"dump_views[{BEFORE:%Y-%m}]" in updated.made
    assert world.query(sql) == asked
    assert len(world.wikipedia.log) == requests
    whole = "select count(*) from pageviews.dump_views where is_sentinel"
    assert world.query(whole) == [((TODAY.replace(day=1) - BEFORE).days,)]


def test_a_dump_that_is_cut_publishes_nothing(sample: Sample) -> None:
    world, _ = sample
    folder = Path(world.settings.landing_uri, "pageview_complete", f"{BEFORE:%Y-%m}")
    file = folder / f"pageviews-{BEFORE:%Y%m%d}-user.bz2"
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    (failure,) = world.update("dump_views").failures
    assert "is no whole bzip2 file, deliver it again" in failure
    file.write_bytes(bz2.compress(b"de.wikipedia Main_Page 1 desktop 5 A5\n"))
    (failure,) = world.update("dump_views").failures
    assert "has no views of Main_Page on en.wikipedia" in failure
    file.write_bytes(whole)


def test_without_a_contact_it_is_idle(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with running_wikipedia(Wikipedia(sample_encyclopaedia(LOADED))) as state:
        world = World.below(tmp_path, instance, state, BEFORE, contact=None)
        world.land("people", SUBJECTS)
        assert world.update() == Updated((), (), ())
        idle = world.updater.outside().idle["pageviews/raw_subjects"]
        assert (idle, state.log) == ("PIPELINE_WIKIMEDIA_CONTACT is not set", [])


def test_a_z_score_compares_a_day_with_the_four_weeks_before() -> None:
    start = date(2026, 1, 1)
    views = [10, 20] * 14 + [60]
    rows = [
        {"list": "l", "month": "2026-01", "page_id": 1, "handle": "A", "day": start + n * DAY,
         "views": count}
        for n, count in enumerate(views)
    ]  # fmt: skip
    last = unusual(ibis.memtable(rows)).order_by("day").to_pyarrow().to_pylist()[-1]
    assert last["mean_7_days"] == pytest.approx((10 + 20 + 10 + 20 + 10 + 20 + 60) / 7)
    assert last["z_score"] == pytest.approx((60 - 15) / (28 * 25 / 27) ** 0.5)


def test_a_day_like_all_others_has_no_z_score() -> None:
    start = date(2026, 1, 1)
    rows = [
        {"list": "l", "month": "2026-01", "page_id": 1, "handle": "A", "day": start + n * DAY,
         "views": None if n == 3 else 7}
        for n in range(10)
    ]  # fmt: skip
    scored = unusual(ibis.memtable(rows)).to_pyarrow().to_pylist()
    assert {row["z_score"] for row in scored} == {None}
    assert {row["mean_7_days"] for row in scored} == {7.0}
    assert len(scored) == 9


def test_the_titles_of_an_article_are_its_own_and_its_redirects() -> None:
    raw = {"page_id": 7, "title": "Mumbai", "other_titles": ["Bombay", "Mumbai"], "list": "l"}
    found = titles_of(ibis.memtable([raw, raw])).order_by("title").to_pyarrow().to_pylist()
    assert [row["title"] for row in found] == ["Bombay", "Mumbai"]


def test_the_sentinel_is_read_every_day() -> None:
    assert all(made_up_views(SENTINEL, BEFORE + n * DAY) for n in range(100))
