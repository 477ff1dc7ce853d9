"""A receiver may be slow, dead or wrong; a run notices nothing."""

import threading
import time
from datetime import UTC, datetime
from typing import NoReturn

import pytest

from pipeline_assets.openlineage import emitter as module
from pipeline_assets.openlineage.emitter import Emitter
from pipeline_assets.publish.publication import Origin, Publication
from pipeline_assets_tests.diary.bench import TABLES


def publication(number: int) -> Publication:
    return Publication(
        asset=f"diary/entries{number}",
        table=TABLES["diary/entries"],
        run_id="r",
        job_name="j",
        published_at=datetime.now(UTC),
        keys=(),
        snapshot_id=number,
        origin=Origin(),
        lineage={},
        checks=(),
        rows=1,
        bytes=1,
        files=1,
    )


def test_events_arrive_in_the_order_of_the_publishes() -> None:
    sent: list[int] = []
    emitter = Emitter(lambda it: it.snapshot_id, lambda: sent.append)
    for number in range(5):
        emitter.published(publication(number))
    emitter.close()
    assert sent == [0, 1, 2, 3, 4]


def test_a_receiver_that_fails_is_told_in_the_log_and_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[int] = []

    def send(event: int) -> None:
        if event == 0:
            raise ConnectionError("nobody is there")
        sent.append(event)

    emitter = Emitter(lambda it: it.snapshot_id, lambda: send)
    emitter.published(publication(0))
    emitter.published(publication(1))
    emitter.close()
    assert sent == [1]
    assert "diary/entries0 is not told: nobody is there" in caplog.text


def test_a_receiver_that_never_answers_delays_a_run_by_no_more_than_its_last_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_EVENTS", 2)
    never = threading.Event()
    emitter = Emitter(lambda it: it.snapshot_id, lambda: lambda _: never.wait(), last_seconds=0.1)
    began = time.monotonic()
    for number in range(5):
        emitter.published(publication(number))
    emitter.close()
    assert time.monotonic() - began < 5
    assert "the receiver is too slow" in caplog.text
    assert "does not answer" in caplog.text
    never.set()


def test_without_a_publish_nobody_is_asked() -> None:
    def connect() -> NoReturn:
        raise AssertionError("connected")

    Emitter(lambda it: it, connect).close()
