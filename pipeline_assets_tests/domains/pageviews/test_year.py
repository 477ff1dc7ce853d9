"""Three hundred subjects and a year of days, exact to what the wiki holds; killed and resumed.

All subjects are resolved. Views of a year are asked for those of every eighth pattern, an eighth
of the requests; with `EVERY = 1` it is a year of all, 5,000 requests.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.pageviews.contracts import TitleViews
from pipeline_assets.domains.pageviews.resolution import Found, Subject, found_for
from pipeline_assets.domains.pageviews.views import asked_views
from pipeline_assets.partitions import months
from pipeline_assets.sample.wikipedia.articles import Encyclopaedia, made_up_views
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets.wikimedia.access import Wikimedia
from pipeline_assets.wikimedia.client import Client
from pipeline_assets_tests.domains.pageviews.subjects import PATTERNS, cases
from pipeline_assets_tests.wikimedia.asking import access

CASES = list(cases())
START, LOADED = date(2025, 1, 1), date(2025, 12, 29)
MISSING = frozenset({date(2025, 7, 14)})
YEAR = [f"2025-{month:02}" for month in range(1, 13)]
KILLED_AFTER = 200
EVERY = 8
WITH_VIEWS = [case for place, case in enumerate(CASES) if place // PATTERNS % EVERY == 0]

PROGRAM = """
import sys
from pathlib import Path
from pipeline_assets_tests.domains.pageviews.test_year import resolve, views_of_a_year
from pipeline_assets_tests.wikimedia.asking import access
from pipeline_assets.sample.wikipedia.server import Wikipedia
wiki = access(Wikipedia(None, url=sys.argv[1]), Path(sys.argv[2]))
views_of_a_year(wiki, resolve(wiki))
"""


@dataclass(frozen=True)
class Year:
    """What was found and counted, and how the wiki saw it."""

    wikipedia: Wikipedia
    found: list[Found]
    views: pa.Table


def resolve(wiki: Wikimedia) -> list[Found]:
    return found_for(Client(wiki), [Subject(*case.subject) for case in CASES])


def views_of_a_year(wiki: Wikimedia, found: list[Found]) -> pa.Table:
    wanted = [each for case, each in zip(CASES, found, strict=True) if case in WITH_VIEWS]
    titles = {it for each in wanted if each.page for it in (each.page.title, *each.other_titles)}
    schema = pa.schema(TableContract.of(TitleViews).schema.to_pyarrow())
    workspace = Workspace(
        tuple(YEAR), LocalStore(), "", 1, SILENT, lambda _: None, schema,
        windows=months(START).windows(YEAR),
    )  # fmt: skip
    return pa.Table.from_batches(asked_views(wiki, sorted(titles), workspace), schema)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """Ask; kill the process that asks in the middle of the year; ask again to the end."""
    folder = tmp_path_factory.mktemp("year")
    articles = {it.page_id: it for case in CASES for it in case.articles}
    chains = {old: new for case in CASES for old, new in case.chains.items()}
    holds = Encyclopaedia(tuple(articles.values()), LOADED, MISSING, chains=chains)
    with running_wikipedia(Wikipedia(holds, busy_every=300)) as state:
        program = subprocess.Popen([sys.executable, "-c", PROGRAM, state.url, str(folder)])
        while len(state.log) < KILLED_AFTER and program.poll() is None:
            time.sleep(0.01)
        program.send_signal(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
        wiki = access(state, folder)
        found = resolve(wiki)
        yield Year(state, found, views_of_a_year(wiki, found))


def test_every_subject_is_resolved_as_the_table_says(year: Year) -> None:
    assert len(CASES) > 300
    for case, found in zip(CASES, year.found, strict=True):
        page = found.page
        said: dict[str, Any] = {
            "handle": page.title if page else "",
            "how": found.how or found.reason,
            "titles": {page.title, *found.other_titles} if page else set(),
            "chain": page.chain if page else (),
        }
        assert said == {
            "handle": case.handle, "how": case.how, "titles": case.titles, "chain": case.chain,
        }, case.subject  # fmt: skip


def test_every_day_of_the_year_has_the_views_that_the_wiki_counted(year: Year) -> None:
    counted = {
        (row["title"], row["day"]): row["views"]
        for row in year.views.to_pylist()
        if not row["is_sentinel"]
    }
    days = [date.fromordinal(it) for it in range(START.toordinal(), LOADED.toordinal() + 1)]
    titles = {title for case in WITH_VIEWS for title in case.titles}
    assert counted == {
        (title, day): views
        for title in titles
        for day in days
        if day not in MISSING and (views := made_up_views(title, day))
    }


def test_days_that_are_not_loaded_are_known(year: Year) -> None:
    rows = [row for row in year.views.to_pylist() if row["is_sentinel"]]
    assert len(rows) == 365
    absent = {row["day"] for row in rows if row["views"] is None}
    assert absent == {*MISSING, date(2025, 12, 30), date(2025, 12, 31)}


def test_no_rule_was_broken_and_no_answered_request_repeated(year: Year) -> None:
    assert year.wikipedia.broken == []
    answered = [entry.url for entry in year.wikipedia.log if entry.status in (200, 404)]
    # Up to three answers were on their way to the process that was killed.
    assert len(answered) - len(set(answered)) <= 3
    assert len(answered) > KILLED_AFTER
