"""Daily views of articles, and which days Wikimedia has loaded at all.

The API answers 404 for four different reasons: nobody looked at the article, the days are not
loaded yet, there is no such article, or the wiki is unknown. A day without views is left out of an
answer. An article that somebody reads every day, the sentinel, tells the first two apart: a day
that it has is loaded. Titles whose views are asked for belong to known pages, and a wiki whose
sentinel was never seen is an error.
"""

import hashlib
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pipeline_assets.dataset.options import WindowVersion
from pipeline_assets.dataset.partitioning import Window
from pipeline_assets.dataset.values.objects import encode_key
from pipeline_assets.errors import PipelineError
from pipeline_assets.wikimedia.access import Wikimedia
from pipeline_assets.wikimedia.answers import Answer, Question
from pipeline_assets.wikimedia.client import Client

DAY: Final = timedelta(days=1)
LOOK_AGAIN: Final = timedelta(minutes=10)
"""How long the days that are loaded are taken for all there are."""
LATEST: Final = timedelta(days=7)
"""Data come within two days; a wiki of which nothing has come after a week has no such name."""


@dataclass(frozen=True)
class LoadedMonth:
    """The days of a month.

    Attributes:
        first: Its first day.
        last: Its last day.
        views: The sentinel's views by day; its days are those that are loaded.
    """

    first: date
    last: date
    views: Mapping[date, int]

    @property
    def is_whole(self) -> bool:
        """Whether nothing more is to come."""
        return len(self.views) == (self.last - self.first).days + 1

    @property
    def edition(self) -> str:
        """Names the days that are loaded; it changes with each that comes."""
        days = ",".join(sorted(map(str, self.views)))
        return f"{len(self.views)}-{hashlib.sha256(days.encode()).hexdigest()[:8]}"


def loaded_month(client: Client, first: date) -> LoadedMonth:
    """Ask which days of a month are loaded.

    Raises:
        PipelineError: Wikimedia cannot be asked.
    """
    last = first.replace(day=monthrange(first.year, first.month)[1])

    def is_current(kept: Answer) -> bool:
        is_whole = LoadedMonth(first, last, _by_day(kept)).is_whole
        return is_whole or datetime.now(UTC) - kept.asked < LOOK_AGAIN

    question = Question(
        _url(client.access, client.access.sentinel, first, last), "loaded", is_current
    )
    return LoadedMonth(first, last, _by_day(client.answer(question)))


def month_versions(
    access: Wikimedia, length: timedelta, within: Window | None
) -> dict[datetime, WindowVersion]:
    """What is loaded of each month that has a loaded day, by the month's start in UTC.

    Args:
        access: The APIs.
        length: Of a window; it is always a month.
        within: The span to look at; None from the start of the settings to now.

    Raises:
        PipelineError: Wikimedia cannot be asked, or has nothing of the wiki.
    """
    del length
    client = Client(access)
    now = datetime.now(UTC)
    start, end = within or (datetime(*access.start.timetuple()[:3], tzinfo=UTC), now)
    months = [loaded_month(client, first) for first in _months(start.date(), min(end, now).date())]
    if months and not any(it.views for it in months) and now.date() - months[0].first > LATEST:
        raise PipelineError(
            f"Wikimedia knows no views of {access.sentinel} on {access.project} since "
            f"{months[0].first}: are PIPELINE_WIKIMEDIA_PROJECT and PIPELINE_WIKIMEDIA_SENTINEL "
            "right?"
        )
    return {
        datetime(it.first.year, it.first.month, 1, tzinfo=UTC): WindowVersion(None, it.edition)
        for it in months
        if it.views
    }


def views_of(
    client: Client, titles: Iterable[str], month: LoadedMonth
) -> Iterator[tuple[str, Mapping[date, int]]]:
    """Each title with its views by day; days that nobody looked at it, or not loaded, are absent.

    An answer is asked for again only if more days are loaded since.

    Raises:
        PipelineError: Wikimedia cannot be asked.
    """
    wanted = list(titles)
    questions = (
        Question(
            url=_url(client.access, title, month.first, month.last),
            folder=f"{month.first:%Y-%m}",
            is_current=lambda kept: kept.edition == month.edition,
            edition=month.edition,
        )
        for title in wanted
    )
    for title, answer in zip(wanted, client.ask(questions), strict=True):
        yield title, _by_day(answer)


def _months(start: date, end: date) -> Iterator[date]:
    first = start.replace(day=1)
    while first < end or first == start:
        yield first
        first = (first + 31 * DAY).replace(day=1)


def _by_day(answer: Answer) -> dict[date, int]:
    if answer.status == 404:
        if "route" in str(answer.body.get("type", "")):
            raise PipelineError(f"Wikimedia, {answer.url}: there is no such address")
        return {}
    return {
        datetime.strptime(item["timestamp"], "%Y%m%d00").date(): int(item["views"])
        for item in answer.body["items"]
    }


def _url(access: Wikimedia, title: str, first: date, last: date) -> str:
    article = encode_key(title.replace(" ", "_"))
    return (
        f"{access.views_root}/per-article/{access.project}/all-access/user/{article}/daily/"
        f"{first:%Y%m%d}/{last:%Y%m%d}"
    )
