"""What MediaWiki's `action=query` answers about the pages of a small encyclopaedia."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from pipeline_assets.sample.wikipedia.articles import Article, Encyclopaedia

MOST_VALUES: Final = 50
CATEGORIES_AT_ONCE: Final = 20
REDIRECTS_AT_ONCE: Final = 20
"""A real wiki answers up to 500 at once; a small one shows with fewer that an answer goes on."""

_Object: TypeAlias = dict[str, Any]


def query(wiki: Encyclopaedia, asked: Mapping[str, str]) -> _Object:
    """The answer to one request."""
    values = asked.get("titles", asked.get("pageids", "")).split("|")
    if len(values) > MOST_VALUES:
        return {"error": {"code": "toomanyvalues", "info": "Too many values supplied"}}
    return _redirects(wiki, asked, values) if "pageids" in asked else _titles(wiki, asked, values)


def _titles(wiki: Encyclopaedia, asked: Mapping[str, str], titles: list[str]) -> _Object:
    normalized: dict[str, str] = {}
    redirects: dict[str, str] = {}
    ends: dict[str, None] = {}
    for title in titles:
        at = wiki.normal(title)
        normalized |= {title: at} if at != title else {}
        for before, after in wiki.steps(at):
            redirects[before] = at = after
        ends[at] = None
    start = int(asked.get("clcontinue", 0))
    every = [(it, name) for it in ends if it in wiki.by_title for name in _categories(wiki, it)]
    end = start + CATEGORIES_AT_ONCE
    pages = [_page(wiki, it, [name for on, name in every[start:end] if on == it]) for it in ends]
    more = {"continue": {"clcontinue": str(end), "continue": "||"}} if end < len(every) else {}
    told = {
        "normalized": [{"from": old, "to": new} for old, new in normalized.items()],
        "redirects": [{"from": old, "to": new} for old, new in redirects.items()],
        "pages": pages,
    }
    return {**more, "query": {name: found for name, found in told.items() if found}}


def _categories(wiki: Encyclopaedia, title: str) -> tuple[str, ...]:
    return wiki.by_title[title].categories


def _page(wiki: Encyclopaedia, title: str, categories: list[str]) -> _Object:
    if not wiki.is_title(title):
        return {"title": title, "invalidreason": "It contains invalid characters", "invalid": True}
    article = wiki.by_title.get(title)
    if article is None:
        return {"ns": 0, "title": title, "missing": True}
    told = {
        "pageprops": {"disambiguation": ""} if article.is_ambiguous else None,
        "description": article.description,
        "categories": [{"ns": 14, "title": f"Category:{name}"} for name in categories],
    }
    known = {name: found for name, found in told.items() if found}
    return {"pageid": article.page_id, "ns": 0, "title": title, **known}


def _redirects(wiki: Encyclopaedia, asked: Mapping[str, str], page_ids: list[str]) -> _Object:
    articles = [wiki.by_id[int(each)] for each in page_ids]
    every = [(it, title) for it in articles for title in _leading_to(wiki, it)]
    start = int(asked.get("rdcontinue", 0))
    shown, end = every[start : start + REDIRECTS_AT_ONCE], start + REDIRECTS_AT_ONCE
    pages: list[_Object] = []
    for article in articles:
        titles = [{"title": title} for it, title in shown if it is article]
        page: _Object = {"pageid": article.page_id, "ns": 0, "title": article.title}
        pages.append({**page, **({"redirects": titles} if titles else {})})
    more = {"continue": {"rdcontinue": str(end), "continue": "||"}} if end < len(every) else {}
    return {**more, "query": {"pages": pages}}


def _leading_to(wiki: Encyclopaedia, article: Article) -> Iterator[str]:
    """The titles whose redirects end at an article; the wiki's bots straighten out the others."""
    for title in wiki.led:
        steps = list(wiki.steps(title))
        if steps and steps[-1][1] == article.title:
            yield title
