"""Dump files of page views as Wikimedia publishes them, a file a day."""

import bz2
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pipeline_assets.sample.wikipedia.articles import DAY, Encyclopaedia


def write_dumps(landing: Path, wiki: Encyclopaedia, first: date) -> None:
    """Write the files of the month that begins with a day, those of days that are loaded."""
    folder = landing / "pageview_complete" / f"{first:%Y-%m}"
    folder.mkdir(parents=True, exist_ok=True)
    day = first
    while day.month == first.month:
        if wiki.is_loaded(day):
            text = "\n".join((*_lines(wiki, day), ""))
            (folder / f"pageviews-{day:%Y%m%d}-user.bz2").write_bytes(bz2.compress(text.encode()))
        day += DAY


def _lines(wiki: Encyclopaedia, day: date) -> Iterator[str]:
    """Wiki, title, page id, way of reading, views of the day and views by hour."""
    yield f"de.wikipedia Mumbai 42 desktop {day.day} A{day.day}"
    for title in (*wiki.by_title, *wiki.led):
        views = wiki.seen(title, day, day).get(day, 0)
        name = title.replace(" ", "_")
        page = wiki.by_title[title].page_id if title in wiki.by_title else "null"
        parts = {"desktop": views // 2, "mobile-web": views - views // 2}
        for way, count in parts.items():
            if count:
                yield f"{wiki.project} {name} {page} {way} {count} A{count}"
