"""Four kinds of 404, and which days are loaded."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.wikipedia.articles import Article, Encyclopaedia
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.wikimedia.client import Client
from pipeline_assets.wikimedia.views import LOOK_AGAIN, loaded_month, month_versions, views_of
from pipeline_assets_tests.wikimedia.asking import access

ODD = ("AC/DC", "100% Wolf", "Beyoncé", "What?", "C++", "漢字", "...", "a&b=c#"[:5])
MARCH = date(2026, 3, 1)
MONTH = timedelta(days=31)


def views(title: str, day: date) -> int:
    return 0 if title == "Forgotten" else 1000 if title == "Main Page" else day.day


@pytest.fixture
def wikipedia() -> Iterator[Wikipedia]:
    titles = [*ODD, "Forgotten"]
    articles = tuple(Article(number, title) for number, title in enumerate(titles, 10))
    wiki = Encyclopaedia(articles, date(2026, 3, 29), views=views)
    with running_wikipedia(Wikipedia(wiki)) as state:
        yield state


def test_odd_titles_are_asked_for_as_they_are(wikipedia: Wikipedia, tmp_path: Path) -> None:
    client = Client(access(wikipedia, tmp_path))
    month = loaded_month(client, MARCH)
    for title, found in views_of(client, ODD, month):
        assert found == {date(2026, 3, day): day for day in range(1, 30)}, title


def test_no_views_and_no_such_article_have_no_days(wikipedia: Wikipedia, tmp_path: Path) -> None:
    client = Client(access(wikipedia, tmp_path))
    month = loaded_month(client, MARCH)
    assert dict(views_of(client, ["Forgotten", "Unknown"], month)) == {
        "Forgotten": {},
        "Unknown": {},
    }
    assert len(month.views) == 29
    assert not month.is_whole


def test_a_month_of_which_nothing_is_loaded_has_no_version(
    wikipedia: Wikipedia, tmp_path: Path
) -> None:
    found = month_versions(access(wikipedia, tmp_path, start=date(2026, 2, 1)), MONTH, None)
    assert [start.month for start in found] == [2, 3]


def test_a_wiki_that_does_not_exist_is_an_error(wikipedia: Wikipedia, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"knows no views of Main_Page on xx\.wikipedia"):
        month_versions(access(wikipedia, tmp_path, project="xx.wikipedia"), MONTH, None)


def test_an_address_that_does_not_exist_is_an_error(wikipedia: Wikipedia, tmp_path: Path) -> None:
    client = Client(replace(access(wikipedia, tmp_path), project="en.wikipedia/"))
    with pytest.raises(PipelineError, match="there is no such address"):
        loaded_month(client, MARCH)


def test_days_that_come_late_have_everything_of_their_month_asked_again(
    wikipedia: Wikipedia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(access(wikipedia, tmp_path))
    before = loaded_month(client, MARCH)
    dict(views_of(client, ODD, before))
    wikipedia.holds = replace(wikipedia.holds, loaded_until=date(2026, 3, 31))
    assert loaded_month(client, MARCH) == before
    later = datetime.now(UTC) + LOOK_AGAIN

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # noqa: ARG003
            return later

    monkeypatch.setattr("pipeline_assets.wikimedia.views.datetime", Later)
    after = loaded_month(client, MARCH)
    assert after.is_whole
    asked = len(wikipedia.log)
    assert len(dict(views_of(client, ODD, after))["C++"]) == 31
    assert len(wikipedia.log) == asked + len(ODD)
    # What is whole is never asked for again.
    dict(views_of(client, ODD, loaded_month(client, MARCH)))
    assert len(wikipedia.log) == asked + len(ODD)
