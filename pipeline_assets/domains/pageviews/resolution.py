"""Which article a subject of a list means.

A handle that the list gives is taken as it is. Otherwise the name is tried as a title. If there is
no such article, if it only lists several, or if it is not about what the hint says, the name is
tried with the hint as a suffix: ``Mercury (planet)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline_assets.wikimedia.client import Client
from pipeline_assets.wikimedia.pages import Page, pages_of, redirects_to

LONGEST_TITLE: Final = 255
_NOT_IN_TITLES: Final = frozenset("#<>[]|{}\x7f").union(map(chr, range(32)))


@dataclass(frozen=True)
class Subject:
    """A record of a list."""

    name: str
    hint: str = ""
    handle: str = ""

    @property
    def suffixed(self) -> str:
        """The title of an article whose name others have as well."""
        return f"{self.name} ({self.hint})"


@dataclass(frozen=True)
class Found:
    """What was found for a subject.

    Attributes:
        reason: Why there is no article; None if there is one.
        page: The article.
        how: See the contract of `handles`.
        other_titles: What redirects to it.
    """

    reason: str | None = None
    page: Page | None = None
    how: str | None = None
    other_titles: tuple[str, ...] = ()


def found_for(client: Client, subjects: Sequence[Subject]) -> list[Found]:
    """What is found for each subject.

    Raises:
        PipelineError: Wikimedia cannot be asked.
    """
    sound = [it for it in subjects if _fault(it) is None]
    pages = pages_of(client, (it.handle or it.name for it in sound))
    first = [_first(it, pages) for it in subjects]
    again = [it for it, found in zip(subjects, first, strict=True) if _has_second(it, found)]
    pages = pages_of(client, (it.suffixed for it in again))
    decided = [_second(it, found, pages) for it, found in zip(subjects, first, strict=True)]
    titles = redirects_to(client, (found.page.page_id for found in decided if found.page))
    return [
        Found(it.reason, it.page, it.how, titles.get(it.page.page_id, ()) if it.page else ())
        for it in decided
    ]


def _fault(subject: Subject) -> str | None:
    """What keeps a subject from being asked about."""
    if not subject.name:
        return "missing_name"
    if not _is_title(subject.name):
        return "bad_name"
    return None if _is_title(subject.handle or subject.name) else "bad_handle"


def _is_title(text: str) -> bool:
    return not _NOT_IN_TITLES & set(text) and len(text.encode()) <= LONGEST_TITLE


def _first(subject: Subject, pages: dict[str, Page]) -> Found:
    if fault := _fault(subject):
        return Found(fault)
    page = pages.get(subject.handle or subject.name)
    if page is None:
        return Found("missing")
    if page.is_ambiguous:
        return Found("ambiguous")
    if subject.handle:
        return Found(page=page, how="given")
    if not _is_about(page, subject.hint):
        return Found("mismatch")
    return Found(page=page, how="redirect" if page.chain else "exact")


def _has_second(subject: Subject, found: Found) -> bool:
    """Whether there is another title to try."""
    is_open = found.reason is not None and _fault(subject) is None and not subject.handle
    return bool(is_open and subject.hint and _is_title(subject.suffixed))


def _second(subject: Subject, found: Found, pages: dict[str, Page]) -> Found:
    page = pages.get(subject.suffixed) if _has_second(subject, found) else None
    if page is None or page.is_ambiguous or not _is_about(page, subject.hint):
        return found
    return Found(page=page, how="suffix")


def _is_about(page: Page, hint: str) -> bool:
    """Whether a page's title, description or categories have every word of the hint."""
    told = " ".join((page.title, *page.about)).casefold()
    return all(word in told for word in hint.casefold().split())
