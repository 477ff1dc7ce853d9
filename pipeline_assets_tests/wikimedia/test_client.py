"""The client is polite: the server of these tests breaks off whoever is not, and keeps a log."""

import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.wikipedia.articles import sample_encyclopaedia
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.wikimedia.answers import Answer, Question
from pipeline_assets.wikimedia.client import Client
from pipeline_assets.wikimedia.manners import seconds_of
from pipeline_assets_tests.wikimedia.asking import access

PER_ARTICLE = "/api/rest_v1/metrics/pageviews/per-article/en.wikipedia/all-access/user"


@pytest.fixture
def wikipedia() -> Iterator[Wikipedia]:
    with running_wikipedia(Wikipedia(sample_encyclopaedia(date(2026, 3, 31)))) as state:
        yield state


def always(_kept: Answer) -> bool:
    return True


def never(_kept: Answer) -> bool:
    return False


def question(
    wikipedia: Wikipedia, title: str = "Mumbai", is_current: Callable[[Answer], bool] = always
) -> Question:
    return Question(
        f"{wikipedia.url}{PER_ARTICLE}/{title}/daily/20260301/20260331", "x", is_current
    )


def questions(wikipedia: Wikipedia, number: int) -> list[Question]:
    return [question(wikipedia, f"Title_{place}") for place in range(number)]


def test_without_a_contact_nothing_is_asked(wikipedia: Wikipedia, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="PIPELINE_WIKIMEDIA_CONTACT is not set"):
        Client(access(wikipedia, tmp_path, contact=None))
    assert wikipedia.log == []


def test_a_contact_that_names_nobody_is_refused_in_one_line(
    wikipedia: Wikipedia, tmp_path: Path
) -> None:
    client = Client(access(wikipedia, tmp_path, contact="me"))
    with pytest.raises(
        PipelineError, match=r"HTTP 403.*is PIPELINE_WIKIMEDIA_CONTACT right"
    ) as told:
        client.answer(question(wikipedia))
    assert "\n" not in str(told.value)
    assert len(wikipedia.log) == 1


def test_never_more_than_three_at_once_also_of_two_runs(
    wikipedia: Wikipedia, tmp_path: Path
) -> None:
    wikipedia.latency = 0.01
    clients = [Client(access(wikipedia, tmp_path / str(run))) for run in range(2)]
    asked = questions(wikipedia, 12)
    threads = [threading.Thread(target=lambda it=it: list(it.ask(asked))) for it in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wikipedia.broken == []
    assert len(wikipedia.log) == 24


def test_it_waits_as_long_as_it_is_asked_to(wikipedia: Wikipedia, tmp_path: Path) -> None:
    wikipedia.busy_every = 5
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        threading.Event().wait(seconds)

    answers = list(Client(access(wikipedia, tmp_path), wait).ask(questions(wikipedia, 6)))
    assert len(answers) == 6
    assert wikipedia.broken == []
    assert 429 in [entry.status for entry in wikipedia.log]
    assert max(waited) > 0.9


def test_a_long_pause_is_left_to_the_next_run(wikipedia: Wikipedia, tmp_path: Path) -> None:
    wikipedia.busy_every, wikipedia.pause = 2, 3600
    client = Client(access(wikipedia, tmp_path))
    with pytest.raises(PipelineError, match="asks to come back in 3,600 s"):
        list(client.ask(questions(wikipedia, 6)))


def test_what_was_answered_is_not_asked_again(wikipedia: Wikipedia, tmp_path: Path) -> None:
    first = list(Client(access(wikipedia, tmp_path)).ask(questions(wikipedia, 8)))
    again = list(Client(access(wikipedia, tmp_path)).ask(questions(wikipedia, 8)))
    assert again == first
    assert len(wikipedia.log) == 8


def test_an_answer_that_may_have_changed_is_asked_for_only_if_it_has(
    wikipedia: Wikipedia, tmp_path: Path
) -> None:
    client = Client(access(wikipedia, tmp_path))
    before = client.answer(question(wikipedia))
    after = client.answer(question(wikipedia, is_current=never))
    assert after.body == before.body
    assert after.asked > before.asked
    assert [(entry.is_conditional, entry.status) for entry in wikipedia.log] == [
        (False, 200),
        (True, 304),
    ]


def test_a_run_has_a_budget_and_the_next_goes_on(wikipedia: Wikipedia, tmp_path: Path) -> None:
    thrifty = access(wikipedia, tmp_path, requests=5)
    with pytest.raises(PipelineError, match=r"may send 5 requests.*update again to go on"):
        list(Client(thrifty).ask(questions(wikipedia, 8)))
    assert len(list(Client(thrifty).ask(questions(wikipedia, 8)))) == 8
    assert len(wikipedia.log) == len({entry.url for entry in wikipedia.log}) == 8


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    nowhere = Wikipedia(sample_encyclopaedia(date(2026, 3, 31)), url="http://127.0.0.1:9")
    client = Client(access(nowhere, tmp_path), backoff=0.0)
    with pytest.raises(PipelineError, match="it does not answer: NewConnectionError"):
        client.answer(question(nowhere))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (None, 2.0),
        ("soon", 2.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_what_a_server_may_write_for_a_pause(header: str | None, seconds: float) -> None:
    assert seconds_of(header, otherwise=2.0) == seconds
