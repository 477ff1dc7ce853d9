"""The sensors of the real graph, tick by tick, on a folder and on S3."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, count, repeat
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from pipeline_assets.definitions import assets_for, build_definitions, landing_for
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.landing_sensor import TimeBudget
from pipeline_assets.orchestration.sensors.sensors import landing_sensors
from pipeline_assets.settings import Settings
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings

LONG_AGO = 1_700_000_000
REVIEWS = "amazon_reviews/amazon_reviews_us_{}_v1_00.tsv"
RATINGS = {
    *("raw_reviews", "rejected_rows", "reviews", "filtered_ratings", "train_ready_ratings"),
    *("interactions", "interaction_histories", "candidates"),
}
HEADER = (
    "marketplace\tcustomer_id\treview_id\tproduct_id\tproduct_parent\tproduct_title\t"
    "product_category\tstar_rating\thelpful_votes\ttotal_votes\tvine\tverified_purchase\t"
    "review_headline\treview_body\treview_date\n"
)


@dataclass
class Station:
    """A sensor, what it remembers, and the run keys that Dagster does."""

    settings: Settings
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    name: str
    cursor: str | None = None
    run_keys: set[str | None] = field(default_factory=set)

    @cached_property
    def sensor(self) -> dg.SensorDefinition:
        sensors = landing_sensors(
            landing_for(self.settings), assets_for(self.settings), Deployment(self.settings)
        )
        (sensor,) = (each for each in sensors if each.name == self.name)
        return sensor

    def tick(self) -> dg.SensorResult:
        """An evaluation; its runs are started by nobody."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, definitions=self.definitions, sensor_name=self.name
        )
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def requested(self) -> list[tuple[str | None, set[str]]]:
        requests = self.tick().run_requests or ()
        new = [each for each in requests if each.run_key not in self.run_keys]
        self.run_keys |= {each.run_key for each in requests}
        return [
            (each.partition_key, {key.path[-1] for key in each.asset_selection or ()})
            for each in new
        ]

    def reason(self) -> str:
        result = self.tick()
        assert not result.run_requests
        assert result.skip_reason
        return str(result.skip_reason.skip_message)

    def land(self, path: str, text: str = HEADER, at: float = LONG_AGO) -> Path:
        file = Path(self.settings.landing_uri, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (at, at))
        return file


MakeStation = Callable[..., Station]


@pytest.fixture(scope="module")
def whole_graph(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """It takes a second to build and is the same wherever lake and landing zone lie."""
    folder = str(tmp_path_factory.mktemp("graph"))
    return build_definitions(Settings.model_validate({"lake_uri": folder, "landing_uri": folder}))


@pytest.fixture
def station(
    make_settings: MakeSettings, instance: dg.DagsterInstance, whole_graph: dg.Definitions
) -> MakeStation:
    def make(name: str = "landing_amazon_reviews", **changes: object) -> Station:
        settings = make_settings(**changes)
        if not settings.landing_uri.startswith("s3://"):
            Path(settings.landing_uri).mkdir(parents=True, exist_ok=True)
        return Station(settings, instance, whole_graph, name)

    return make


def test_a_new_category_becomes_a_partition_and_one_run(station: MakeStation) -> None:
    reviews = station()
    reviews.land(REVIEWS.format("Gift_Card"))
    result = reviews.tick()
    (request,) = result.run_requests or ()
    assert request.partition_key == "Gift_Card"
    assert {key.path[-1] for key in request.asset_selection or ()} == RATINGS
    (added,) = result.dynamic_partitions_requests or ()
    assert (added.partitions_def_name, added.partition_keys) == ("category", ["Gift_Card"])
    (event,) = result.asset_events
    assert isinstance(event, dg.AssetMaterialization)
    assert (event.asset_key, event.partition) == (
        dg.AssetKey(["landing", "amazon_reviews"]),
        "Gift_Card",
    )
    assert reviews.reason() == "listed 1 objects"


def test_an_object_that_was_overwritten_has_its_partition_made(station: MakeStation) -> None:
    reviews = station()
    reviews.land(REVIEWS.format("Gift_Card"))
    reviews.land(REVIEWS.format("Books"))
    assert [key for key, _ in reviews.requested()] == ["Books", "Gift_Card"]
    reviews.land(REVIEWS.format("Books"), HEADER + "more\n")
    assert reviews.requested() == [("Books", RATINGS)]


def test_the_same_objects_on_top_of_the_same_tables_are_one_run_key(station: MakeStation) -> None:
    reviews = station()
    reviews.land(REVIEWS.format("Books"))
    (first,) = reviews.tick().run_requests or ()
    reviews.cursor = None
    (second,) = reviews.tick().run_requests or ()
    assert first.run_key == second.run_key
    assert first.run_key
    assert first.run_key.startswith("amazon_reviews/Books/")


def segments_seen(*seconds: float) -> int:
    """How many segments a look covers that takes so long for each of them."""
    clock = accumulate(seconds)
    budget = TimeBudget(20_000, lambda: next(clock), started=0.0)
    return next(seen for seen in count(1) if budget.is_over(1000 * seen))


def test_a_look_ends_before_one_more_segment_makes_it_too_long() -> None:
    assert segments_seen(*repeat(0.125, 20)) == 9
    assert segments_seen(0.9, 0.5) == 1
    assert segments_seen(0.1, 0.6, 0.1) == 2
    assert segments_seen(5.0) == 1
    assert segments_seen(*repeat(0.001, 30)) == 20, "these are enough objects"


def test_objects_that_grow_and_names_nobody_knows_are_told(station: MakeStation) -> None:
    reviews = station()
    reviews.land(REVIEWS.format("Books"), at=4e9)
    reviews.land("amazon_reviews/readme.txt")
    assert reviews.reason() == (
        "listed 1 objects; has just arrived or still grows: Books; "
        "not understood: amazon_reviews/readme.txt"
    )


def test_partitions_that_there_are_not_are_told_until_they_go(station: MakeStation) -> None:
    taobao = station("landing_taobao")
    file = taobao.land("taobao/taobao_valid.tar.gz")
    told = "listed 1 objects; there is no such partition: valid"
    assert [taobao.reason(), taobao.reason()] == [told, told]
    file.unlink()
    assert taobao.reason() == "listed 0 objects"


def test_a_day_is_not_made_before_it_is_over(station: MakeStation) -> None:
    days = station("landing_movie_review")
    days.land("movie_review/2999-12-31/movie_review.csv")
    assert days.reason() == ("listed 1 objects; its window of time has not ended: 2999-12-31")


def test_a_day_long_gone_is_made_as_far_as_there_is_no_model(station: MakeStation) -> None:
    days = station("landing_movie_review")
    days.land("movie_review/2019-05-01/movie_review.csv")
    first = {"raw_movie_reviews", "rejected_rows", "movie_reviews"}
    assert days.requested() == [("2019-05-01", first)]


def test_what_a_run_in_progress_makes_is_left_alone(station: MakeStation) -> None:
    reviews = station()
    reviews.land(REVIEWS.format("Books"))
    job = reviews.definitions.resolve_implicit_global_asset_job_def()
    selection = frozenset({dg.AssetKey(["ratings", "reviews"])})
    run = reviews.instance.create_run_for_job(
        job,
        asset_selection=selection,
        tags={"dagster/partition": "Books"},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert reviews.reason() == "listed 1 objects; a run in progress materialises it: Books"
    reviews.instance.report_run_failed(run)
    assert reviews.requested() == [("Books", RATINGS)]


def test_a_landing_zone_that_is_gone_is_a_failed_tick(station: MakeStation) -> None:
    reviews = station()
    shutil.rmtree(reviews.settings.landing_uri)
    with pytest.raises(PipelineError, match="does not exist"):
        reviews.tick()


def test_an_s3_that_does_not_answer_is_a_failed_tick(
    station: MakeStation, closed_port: int, s3: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    reviews = station(
        landing_uri="s3://bucket/landing",
        s3_endpoint_url=f"http://127.0.0.1:{closed_port}",
        s3_region=s3.region,
    )
    with pytest.raises(PipelineError, match=r"^Cannot reach S3"):
        reviews.tick()


@dataclass
class Notified:
    """A bucket that sends its events to a queue."""

    station: Station
    access: S3Access
    bucket: str
    url: str

    def put(self, path: str) -> None:
        self.access.client().put_object(
            Bucket=self.bucket, Key=f"landing/{path}", Body=HEADER.encode()
        )

    def send(self, body: str) -> None:
        self.access.client("sqs").send_message(QueueUrl=self.url, MessageBody=body)

    def show(self) -> None:
        """What was received can be received again, as if a minute had passed."""
        from moto.sqs.models import sqs_backends  # noqa: PLC0415 - a second of imports

        backend = sqs_backends["123456789012"]["us-east-1"]
        for message in backend.queues[self.url.rpartition("/")[2]]._messages:
            message.change_visibility(0)

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.access.client("sqs").get_queue_attributes(
            QueueUrl=self.url, AttributeNames=names
        )
        return sum(int(found["Attributes"][name]) for name in names)


@pytest.fixture
def notified(station: MakeStation, s3: S3Access, bucket: str) -> Notified:
    name = bucket.removeprefix("s3://")
    sqs, client = s3.client("sqs"), s3.client()
    url = sqs.create_queue(QueueName=f"events-{uuid4().hex[:8]}")["QueueUrl"]
    (arn,) = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])[
        "Attributes"
    ].values()
    client.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    events = station(
        "landing_events",
        landing_uri=f"{bucket}/landing",
        landing_settle_seconds=0,
        landing_queue_url=url,
        sqs_endpoint_url=s3.endpoint_url,
        s3_endpoint_url=s3.endpoint_url,
        s3_region=s3.region,
    )
    return Notified(events, s3, name, url)


def test_what_s3_tells_of_is_made_once_and_then_forgotten(notified: Notified) -> None:
    notified.put("amazon_reviews/amazon_reviews_us_Größe_v1_00.tsv")
    notified.put("amazon_reviews/amazon_reviews_us_Größe_v1_00.tsv")
    assert notified.station.requested() == [("Größe", RATINGS)]
    assert notified.left() >= 2
    notified.show()
    assert notified.station.requested() == []
    assert notified.left() == 0


def test_messages_nobody_understands_are_told_and_go(notified: Notified) -> None:
    notified.station.tick()
    notified.send("what?")
    notified.send(json.dumps({"Event": "s3:TestEvent"}))
    notified.put("elsewhere/1.csv")
    assert notified.station.reason() == (
        "3 messages, 3 of them done with; not understood: no event of S3 (JSONDecodeError): what?"
    )
    assert notified.left() == 0


def test_where_events_tell_listing_is_rare(station: MakeStation) -> None:
    for url, seconds in {None: 30, "https://sqs/1/events": 3600}.items():
        settings = station(landing_queue_url=url).settings
        sensors = landing_sensors(landing_for(settings), assets_for(settings), Deployment(settings))
        listing = [each for each in sensors if each.name != "landing_events"]
        assert {each.minimum_interval_seconds for each in listing} == {seconds}
        assert {each.default_status for each in sensors} == {dg.DefaultSensorStatus.RUNNING}
        assert len(sensors) - len(listing) == (url is not None)
