"""What the page view tables promise.

Which faults reject a subject: a record that cannot be split, a name that is no title, a name that
no article has or that several have, an article that is about something else than the hint says, and
a subject that is listed a second time. A day without views is no fault: it is ``zero`` if
Wikimedia has loaded the day, and ``not_loaded`` until then.
"""

from typing import Any, Final

from pipeline_assets.dataset.contract import (
    Boolean,
    Contract,
    Date,
    Double,
    Field,
    Long,
    String,
    StringList,
)
from pipeline_assets.dataset.raw_contracts import RawRecords, RejectedRecords

PAGEVIEWS: Final = "pageviews"
"""Namespace of the domain's tables."""
HOW_FOUND: Final = ["given", "exact", "redirect", "suffix"]
COMPLETENESS: Final = ["observed", "zero", "not_loaded"]


def _delivered() -> Any:  # noqa: ANN401 - as Field
    return Field(nullable=True, description="As delivered; see the column of `handles`.")


def _list() -> Any:  # noqa: ANN401 - as Field
    return Field(description="The list, a folder of the landing zone.")


def _month() -> Any:  # noqa: ANN401 - as Field
    return Field(description="The UTC month, such as 2026-01.")


def _page_id() -> Any:  # noqa: ANN401 - as Field
    return Field(description="Identifies the article; it stays when the article is moved.")


def _handle() -> Any:  # noqa: ANN401 - as Field
    return Field(description="The title of the article, as the wiki writes it.")


class RawSubjects(RawRecords):
    """One row per record of a list, with the article that was found for it."""

    name: String = _delivered()
    hint: String = _delivered()
    handle: String = _delivered()
    reason: String = Field(nullable=True, description="Why no article was found, if none was.")
    page_id: Long = Field(nullable=True, description="The article that was found.")
    title: String = Field(nullable=True, description="Its title.")
    how_found: String = Field(nullable=True, isin=HOW_FOUND, description="See `handles`.")
    redirect_chain: StringList = Field(nullable=True, description="See `handles`.")
    other_titles: StringList = Field(
        nullable=True, description="The titles that redirect to the article."
    )
    list: String = _list()


class RejectedRows(RejectedRecords):
    """One row per subject without an article, with its place and the reason."""

    list: String = _list()


class Handles(Contract):
    """One row per subject of a list whose article is known."""

    name: String = Field(description="The subject, as the list names it.")
    hint: String = Field(nullable=True, description="What it is, if the list says so.")
    handle: String = _handle()
    page_id: Long = _page_id()
    how_found: String = Field(
        isin=HOW_FOUND,
        description="`given` by the list, `exact`ly as the name, by a `redirect` of that name, or "
        "with the hint as a `suffix`: Mercury (planet).",
    )
    redirect_chain: StringList = Field(
        description="The titles that led there, the first one asked for; empty without redirects."
    )
    list: String = _list()

    class Config:
        """Names with different hints are different subjects."""

        unique = ("list", "name", "hint")


class Titles(Contract):
    """One row per title that counts for an article: its own, and those that redirect to it."""

    page_id: Long = _page_id()
    handle: String = _handle()
    title: String = Field(description="A title; its views are counted apart from all others.")
    list: String = _list()

    class Config:
        """A title leads to one article."""

        unique = ("list", "page_id", "title")


class TitleViews(Contract):
    """One row per title and day with views, and one of the sentinel for every day that is over."""

    title: String = Field(description="The title that was looked at.")
    day: Date = Field(description="The day in UTC.")
    views: Long = Field(
        ge=0,
        nullable=True,
        description="Views by people, on all sites and apps; null for a day of the sentinel that "
        "is not loaded yet.",
    )
    is_sentinel: Boolean = Field(
        description="Whether it only tells that the day is loaded: the sentinel is read every day."
    )
    month: String = _month()


class DailyViews(Contract):
    """One row per article of a list and day that has ended."""

    page_id: Long = _page_id()
    handle: String = _handle()
    day: Date = Field(description="The day in UTC.")
    views: Long = Field(
        ge=0,
        nullable=True,
        description="Views by people, those of redirects included; null where `not_loaded`.",
    )
    completeness: String = Field(
        isin=COMPLETENESS,
        description="`observed`: somebody came; `zero`: nobody did; `not_loaded`: nobody knows "
        "yet, and the month is asked for again.",
    )
    list: String = _list()
    month: String = _month()

    class Config:
        """What identifies a row."""

        unique = ("list", "page_id", "day")


class Attention(Contract):
    """One row per article of a list and day that is loaded."""

    page_id: Long = _page_id()
    handle: String = _handle()
    day: Date = Field(description="The day in UTC.")
    views: Long = Field(ge=0, description="Views by people, those of redirects included.")
    mean_7_days: Double = Field(
        ge=0, description="Mean of the views of the seven days that end with this one."
    )
    z_score: Double = Field(
        nullable=True,
        description="How many standard deviations the views lie above the mean of the 28 days "
        "before; null where fewer than 7 of these are loaded, or all are alike.",
    )
    list: String = _list()
    month: String = _month()

    class Config:
        """What identifies a row."""

        unique = ("list", "page_id", "day")
