import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.sensors.s3_events import EventQueue, read_message
from pipeline_assets.storage.s3_access import S3Access


def event(key: str, bucket: str = "lake") -> dict[str, object]:
    place = {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e1", "sequencer": "0A"}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": place}]}


def test_an_event_names_an_object_whose_key_is_quoted() -> None:
    message = read_message("receipt", json.dumps(event("landing/music/gr%C3%B6%C3%9Fe+1%2B.csv")))
    assert message.uris == ("s3://lake/landing/music/größe 1+.csv",)
    assert (message.receipt, message.problem) == ("receipt", None)


def test_an_event_may_come_by_way_of_sns() -> None:
    body = {"Type": "Notification", "Message": json.dumps(event("landing/1.csv"))}
    assert read_message("receipt", json.dumps(body)).uris == ("s3://lake/landing/1.csv",)


def test_the_test_event_of_s3_tells_of_nothing() -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"})
    assert read_message("receipt", body).uris == ()
    assert read_message("receipt", body).problem is None


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_what_is_no_event_is_told(body: str) -> None:
    message = read_message("receipt", body)
    assert message.uris == ()
    assert message.problem
    assert message.problem.startswith("no event of S3 (")


@pytest.mark.parametrize("body", ['{"Records": [{}]}', '{"Type": "Notification"}', "{}"])
def test_half_an_event_is_told(body: str) -> None:
    assert body in str(read_message("receipt", body).problem)


def test_a_queue_that_is_not_there_is_told(s3: S3Access) -> None:
    queue = EventQueue(f"{s3.endpoint_url}/1/nowhere", s3)
    with pytest.raises(PipelineError, match=r"^SQS refused .*nowhere: .*NonExistentQueue"):
        list(queue.receive(1))


def test_sqs_that_does_not_answer_is_told(
    closed_port: int, monkeypatch: pytest.MonkeyPatch, s3: S3Access
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    access = S3Access(f"http://127.0.0.1:{closed_port}", s3.region)
    with pytest.raises(PipelineError, match=r"^Cannot reach SQS for"):
        list(EventQueue(f"{access.endpoint_url}/1/events", access).receive(1))
