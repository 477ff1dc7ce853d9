"""What MediaWiki knows of titles: their pages, what these are about, and who redirects to them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

from pipeline_assets.errors import PipelineError
from pipeline_assets.wikimedia.answers import Answer, Question
from pipeline_assets.wikimedia.client import Client

MOST_TITLES: Final = 50
"""So many titles, or page ids, may be in a request."""
MOST_CHARACTERS: Final = 4_000
"""So long may the titles of a request be once they are encoded, since a URL may not be longer."""
FOUND_OUT_AGAIN: Final = timedelta(days=7)
"""How long it is taken for granted that no page has moved since it was asked about."""

_Object: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """The page that a title leads to.

    Attributes:
        page_id: Identifies it; a moved page keeps it.
        title: As the wiki writes it, with spaces.
        chain: The titles that led to it by redirects, the first one asked for; empty without any.
        is_ambiguous: Whether it only lists the pages that a title may mean.
        about: Its description and its categories, a text each.
    """

    page_id: int
    title: str
    chain: tuple[str, ...] = ()
    is_ambiguous: bool = False
    about: tuple[str, ...] = ()


def pages_of(client: Client, titles: Iterable[str]) -> dict[str, Page]:
    """The page of each title; a title that is missing or no title at all has none.

    Raises:
        PipelineError: Wikimedia cannot be asked.
    """
    batches = list(_batches(dict.fromkeys(titles)))
    fixed = {
        "redirects": "1",
        "converttitles": "1",
        "prop": "info|pageprops|categories|description",
        "ppprop": "disambiguation",
        "clshow": "!hidden",
        "cllimit": "max",
    }
    asked = [{**fixed, "titles": "|".join(batch)} for batch in batches]
    found: dict[str, Page] = {}
    for batch, parts in zip(batches, _answered(client, asked), strict=True):
        found |= dict(_pages(batch, parts))
    return found


def redirects_to(client: Client, page_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The titles of articles that redirect to each page.

    Raises:
        PipelineError: Wikimedia cannot be asked.
    """
    batches = list(_batches(map(str, dict.fromkeys(page_ids))))
    fixed = {"prop": "redirects", "rdnamespace": "0", "rdprop": "title", "rdlimit": "max"}
    asked = [{**fixed, "pageids": "|".join(batch)} for batch in batches]
    found: dict[int, list[str]] = defaultdict(list)
    for parts in _answered(client, asked):
        for page in (page for part in parts for page in part["pages"]):
            found[page["pageid"]] += [it["title"] for it in page.get("redirects", ())]
    return {page_id: tuple(dict.fromkeys(titles)) for page_id, titles in found.items()}


def _pages(batch: Sequence[str], parts: Sequence[_Object]) -> Iterator[tuple[str, Page]]:
    """What the parts of an answer say of each title that was asked for."""
    merged: dict[str, list[_Object]] = defaultdict(list)
    for page in (page for part in parts for page in part.get("pages", ())):
        merged[page["title"]].append(page)
    renamed = {it["from"]: it["to"] for part in parts for it in part.get("normalized", ())}
    renamed |= {it["from"]: it["to"] for part in parts for it in part.get("converted", ())}
    redirects = {it["from"]: it["to"] for part in parts for it in part.get("redirects", ())}
    for title in batch:
        at = title
        for _ in range(2):  # normalized, then converted to another script
            at = renamed.get(at, at)
        chain: list[str] = []
        while at in redirects and at not in chain:
            chain.append(at)
            at = redirects[at]
        same = merged.get(at, [])
        if same and same[0].get("pageid"):
            yield title, _page(same, tuple(chain))


def _page(same: Sequence[_Object], chain: tuple[str, ...]) -> Page:
    categories = [
        it["title"].partition(":")[2] for page in same for it in page.get("categories", ())
    ]
    descriptions = [page["description"] for page in same if page.get("description")]
    return Page(
        page_id=same[0]["pageid"],
        title=same[0]["title"],
        chain=chain,
        is_ambiguous=any("disambiguation" in page.get("pageprops", {}) for page in same),
        about=tuple(dict.fromkeys([*descriptions, *categories])),
    )


def _answered(client: Client, asked: Iterable[Mapping[str, str]]) -> Iterator[Sequence[_Object]]:
    """For each request the parts of its answer; a long answer comes in several."""
    root = client.access.query_root
    first = list(client.ask(_question(root, each) for each in asked))
    for parameters, answer in zip(asked, first, strict=True):
        parts, last = [_query(answer)], answer
        while more := last.body.get("continue"):
            last = client.answer(_question(root, {**parameters, **more}))
            parts.append(_query(last))
        yield parts


def _question(root: str, parameters: Mapping[str, str]) -> Question:
    fixed = {"action": "query", "format": "json", "formatversion": "2", "maxlag": "5"}
    return Question(
        url=f"{root}?{urlencode({**fixed, **parameters}, quote_via=quote)}",
        folder="pages",
        is_current=lambda kept: datetime.now(UTC) - kept.asked < FOUND_OUT_AGAIN,
    )


def _query(answer: Answer) -> _Object:
    query: _Object | None = answer.body.get("query")
    if query is None:
        said = answer.body.get("error", {}).get("info", "it answers without pages")
        raise PipelineError(f"Wikimedia, {answer.url}: {said}")
    return query


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    length = 0
    for value in values:
        size = len(quote(f"{value}|", safe=""))
        if batch and (len(batch) == MOST_TITLES or length + size > MOST_CHARACTERS):
            yield batch
            batch, length = [], 0
        batch.append(value)
        length += size
    if batch:
        yield batch
