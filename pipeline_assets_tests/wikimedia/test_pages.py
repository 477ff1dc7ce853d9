from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pipeline_assets.sample.wikipedia.articles import Article, Encyclopaedia
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.wikimedia.client import Client
from pipeline_assets.wikimedia.pages import Page, pages_of, redirects_to
from pipeline_assets_tests.wikimedia.asking import access

MANY = tuple(f"Old title {number}" for number in range(45))
ARTICLES = (
    Article(7, "Mumbai", "City in India", ("Cities", "Ports"), ("Bombay", "Bombai")),
    Article(8, "Mercury", is_ambiguous=True),
    Article(9, "Elsewhere", categories=tuple(f"Category {it}" for it in range(50)), redirects=MANY),
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    wiki = Encyclopaedia(ARTICLES, date(2026, 3, 31), chains={"Bombay city": "Bombay"})
    with running_wikipedia(Wikipedia(wiki)) as state:
        yield Client(access(state, tmp_path))


def test_a_title_leads_to_its_page(client: Client) -> None:
    mumbai = Page(7, "Mumbai", about=("City in India", "Cities", "Ports"))
    assert pages_of(client, ["Mumbai", "mumbai", "Mercury", "Nowhere", "a|b"[:1] + "<>"]) == {
        "Mumbai": mumbai,
        "mumbai": mumbai,
        "Mercury": Page(8, "Mercury", is_ambiguous=True),
    }


def test_redirects_are_followed_and_remembered(client: Client) -> None:
    assert pages_of(client, ["bombay city"])["bombay city"].chain == ("Bombay city", "Bombay")


def test_a_long_answer_is_read_to_its_end(client: Client) -> None:
    assert len(pages_of(client, ["Elsewhere", "Mumbai"])["Elsewhere"].about) == 50
    assert set(redirects_to(client, [9])[9]) == set(MANY)


def test_fifty_titles_are_one_request(client: Client) -> None:
    titles = [f"Title {number}" for number in range(120)]
    assert pages_of(client, titles) == {}
    assert len(list(Path(client.access.answers, "pages").iterdir())) == 3


def test_titles_in_other_scripts_are_more_requests(client: Client) -> None:
    pages_of(client, ["漢" * 80 + str(number) for number in range(20)])
    assert len(list(Path(client.access.answers, "pages").iterdir())) == 4
