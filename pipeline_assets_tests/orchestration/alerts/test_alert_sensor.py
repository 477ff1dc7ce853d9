"""The sensor and the channels, against a mail server, a webhook and an SNS that behave."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.alert_sensor import alert_sensor
from pipeline_assets.orchestration.alerts.channels import Channel, Email, SlackWebhook, SnsTopic
from pipeline_assets.orchestration.alerts.incidents import Alert
from pipeline_assets.orchestration.alerts.run_events import RETRY_NUMBER_TAG
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.contract_check import contract_result, contract_rules, contract_spec
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.diary.assets import entries
from pipeline_assets_tests.doubles.inboxes import HOST, Inbox, mail_server, webhook
from spark_resources.job import AuditResult

ALERT = Alert("a1", "[dev] Run failed: music/users", "disk full", "http://ui/runs/r1")
FLAKY = dg.AssetKey("flaky")


class Weather(dg.Config):
    fails: bool = False
    passes: bool = True
    blocks: bool = False


@dg.asset(key=FLAKY, check_specs=[dg.AssetCheckSpec("holds", asset=FLAKY, blocking=True)])
def flaky(config: Weather) -> Iterator[Any]:
    if config.fails:
        raise ValueError("disk full")
    severity = dg.AssetCheckSeverity.ERROR if config.blocks else dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(check_name="holds", passed=config.passes, severity=severity)
    if config.blocks and not config.passes:
        raise dg.Failure("audit failed", allow_retries=False)
    yield dg.Output(None)


def run(instance: dg.DagsterInstance, **weather: bool) -> None:
    config = {"ops": {"flaky": {"config": weather}}}
    dg.materialize([flaky], instance=instance, run_config=config, raise_on_error=False)


def turn(instance: dg.DagsterInstance, state: FreshnessState) -> None:
    """What Dagster's freshness daemon records."""
    instance._report_runless_asset_event(
        FreshnessStateChange(
            key=FLAKY,
            previous_state=FreshnessState.UNKNOWN,
            new_state=state,
            state_change_timestamp=datetime.now(UTC).timestamp(),
        )
    )


@pytest.fixture
def mail() -> Iterator[Inbox]:
    with mail_server() as inbox:
        yield inbox


@pytest.fixture
def slack() -> Iterator[Inbox]:
    with webhook() as inbox:
        yield inbox


@pytest.fixture
def channels(mail: Inbox, slack: Inbox) -> tuple[Channel, ...]:
    return (
        Email(f"smtp://{HOST}:{mail.port}", "lake@shop", ("ops@shop", "data@shop")),
        SlackWebhook(f"http://{HOST}:{slack.port}/hook"),
    )


@pytest.fixture
def sensor(channels: tuple[Channel, ...]) -> dg.SensorDefinition:
    return alert_sensor(channels, [FLAKY], sender="dev", ui="http://ui")


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> str:
    """Why it had nothing to do; empty where it told somebody."""
    answer = sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(answer, dg.SensorResult)
    return str(answer.skip_reason.skip_message) if answer.skip_reason else ""


def test_each_incident_raises_exactly_one_alert(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, mail: Inbox, slack: Inbox
) -> None:
    run(instance, fails=True)
    tick(sensor, instance)
    assert slack.posts == [], "what happened before anybody looked is no news"
    run(instance, fails=True)
    run(instance, passes=False)
    run(instance, passes=False, blocks=True)
    turn(instance, FreshnessState.FAIL)
    for _ in range(3):
        tick(sensor, instance)
    heads = [post.splitlines()[0] for post in slack.posts]
    assert heads == [
        "*[dev] Run failed: flaky*",
        "*[dev] Stale: flaky*",
        "*[dev] Warning: holds of flaky*",
    ]
    assert "disk full" in slack.posts[0]
    assert "http://ui/runs/" in slack.posts[0]
    assert [mail["Subject"] for mail in mail.mails] == [head.strip("*") for head in heads]
    assert mail.mails[0]["To"] == "ops@shop, data@shop"


class Broken(dg.Config):
    rules: list[str]


@dg.asset(key=entries.key, check_specs=[contract_spec(entries)])
def audited(config: Broken) -> Iterator[Any]:
    yield contract_result(
        entries,
        {
            rule.name: AuditResult(rule.name, 3 if rule.name in config.rules else 0, ())
            for rule in contract_rules(entries)
        },
    )
    yield dg.Output(None)


def test_every_broken_rule_of_a_contract_is_an_incident_of_its_own(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, slack: Inbox
) -> None:
    def audit(*rules: str) -> list[str]:
        """What people are told after the audit of one run."""
        config = {"ops": {"diary__entries": {"config": {"rules": list(rules)}}}}
        dg.materialize([audited], instance=instance, run_config=config, raise_on_error=False)
        before = len(slack.posts)
        tick(sensor, instance)
        return slack.posts[before:]

    audit()
    (alert,) = audit("letters_not_null")
    assert "Check failed: contract of diary/entries" in alert
    assert "It should hold that: `letters` is never null (3 rows do not)" in alert
    (alert,) = audit("letters_not_null", "who_isin")
    assert "is one of ada, bob (3 rows do not)" in alert
    assert "letters" not in alert, "people have heard of it already"
    assert audit("who_isin") == []
    (alert,) = audit("letters_not_null", "who_isin")
    assert "`letters` is never null" in alert
    assert "isin" not in alert


def test_what_was_mended_may_fail_again(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, slack: Inbox
) -> None:
    tick(sensor, instance)
    for state in (FreshnessState.FAIL, FreshnessState.PASS, FreshnessState.FAIL):
        turn(instance, state)
        tick(sensor, instance)
    for passes in (False, True, False):
        run(instance, passes=passes)
    tick(sensor, instance)
    assert len([post for post in slack.posts if "Stale" in post]) == 2
    assert len([post for post in slack.posts if "Warning" in post]) == 1, "one look, one alert"


def test_a_channel_that_is_down_gets_its_alerts_later_and_nobody_gets_them_twice(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, mail: Inbox, slack: Inbox
) -> None:
    tick(sensor, instance)
    run(instance, fails=True)
    slack.refuses = True
    for _ in range(2):
        with pytest.raises(PipelineError, match="1 alerts are waiting: Slack: HTTP Error 503"):
            tick(sensor, instance)
    run(instance, passes=False)
    with pytest.raises(PipelineError, match="2 alerts are waiting"):
        tick(sensor, instance)
    assert (len(mail.mails), len(slack.posts)) == (2, 0)
    slack.refuses = False
    for _ in range(2):
        tick(sensor, instance)
    assert (len(mail.mails), len(slack.posts)) == (2, 2)


def test_what_is_known_outlives_the_process(
    channels: tuple[Channel, ...], tmp_path: Path, mail: Inbox
) -> None:
    """Another process, with another sensor object, goes on where the one before was killed."""
    mail.refuses = True
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        first = alert_sensor(channels, [FLAKY], sender="dev", ui="http://ui")
        tick(first, instance)
        run(instance, fails=True)
        with pytest.raises(PipelineError, match=r"e-mail: .*later"):
            tick(first, instance)
    mail.refuses = False
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        again = alert_sensor(channels, [FLAKY], sender="dev", ui="http://ui")
        assert tick(again, instance) == ""
        assert len(mail.mails) == 1
        assert tick(again, instance) == "0 alerts sent, 0 incidents open"
    assert len(mail.mails) == 1


def test_a_run_that_is_tried_again_is_no_incident_until_it_is_given_up(
    sensor: dg.SensorDefinition, tmp_path: Path, slack: Inbox
) -> None:
    retries = {"run_retries": {"enabled": True, "max_retries": 1}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=retries) as instance:
        tick(sensor, instance)
        run(instance, fails=True)
        tick(sensor, instance)
        assert slack.posts == []
        (failed,) = instance.get_runs()
        assert failed.tags["dagster/will_retry"] == "true"
        lineage = {"dagster/parent_run_id": failed.run_id, "dagster/root_run_id": failed.run_id}
        config = {"ops": {"flaky": {"config": {"fails": True}}}}
        dg.materialize(
            [flaky],
            instance=instance,
            run_config=config,
            raise_on_error=False,
            tags={**lineage, "dagster/retry_number": "1", "dagster/max_retries": "1"},
        )
        last = instance.get_runs(limit=1)[0]
        if last.tags.get("dagster/will_retry") != "false":
            instance.add_run_tags(last.run_id, {"dagster/will_retry": "false"})
        tick(sensor, instance)
        assert len(slack.posts) == 1


def test_a_sensors_run_that_will_be_tried_again_is_one_alert_until_it_is_given_up(
    channels: tuple[Channel, ...], instance: dg.DagsterInstance, slack: Inbox
) -> None:
    sensor = alert_sensor(channels, [FLAKY], sender="dev", ui="http://ui", waits=(600, 3600))
    tick(sensor, instance)
    job = dg.Definitions([flaky]).resolve_implicit_global_asset_job_def()
    for number in range(3):
        job.execute_in_process(
            asset_selection=[FLAKY],
            run_config={"ops": {"flaky": {"config": {"fails": True}}}},
            tags={"dagster/sensor_name": "landing_days", RETRY_NUMBER_TAG: str(number)},
            instance=instance,
            raise_on_error=False,
        )
        tick(sensor, instance)
    heads = [post.splitlines()[0] for post in slack.posts]
    assert heads == ["*[dev] Run failed: flaky*", "*[dev] Given up after 3 tries: flaky*"]
    assert "tried again, after 10, then 60 minutes" in slack.posts[0]


def test_sns_takes_it_and_a_fifo_topic_only_once(
    s3: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(s3.endpoint_url))
    session = boto3.Session(region_name="eu-west-1")
    sns, sqs = session.client("sns"), session.client("sqs")
    fifo = {"FifoTopic": "true"}
    topic = sns.create_topic(Name="alerts.fifo", Attributes=fifo)["TopicArn"]
    queue = sqs.create_queue(QueueName="people.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    for _ in range(2):
        SnsTopic(topic).send(ALERT)
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    (message,) = answer["Messages"]
    told = json.loads(message["Body"])
    assert told["Subject"] == ALERT.title
    assert ALERT.link in told["Message"]


def test_sns_takes_a_long_title_in_any_script(
    s3: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(s3.endpoint_url))
    topic = boto3.Session(region_name="us-east-1").client("sns").create_topic(Name="long")
    SnsTopic(topic["TopicArn"]).send(Alert("a", "…" * 300, "text", "http://ui"))


def test_a_topic_that_is_gone_is_told(s3: S3Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(s3.endpoint_url))
    with pytest.raises(PipelineError, match=r"SNS: .*NotFound"):
        SnsTopic("arn:aws:sns:us-east-1:123456789012:gone").send(ALERT)


def test_a_password_is_not_sent_in_the_clear(mail: Inbox) -> None:
    server = f"smtp://ops:hunter2@{HOST}:{mail.port}"
    channel = Email(server, "lake@shop", ("ops@shop",))
    with pytest.raises(PipelineError, match="offers no encryption"):
        channel.send(ALERT)
    assert "hunter2" not in repr(channel)


def test_settings_choose_the_channels(make_settings: MakeSettings) -> None:
    settings = make_settings(
        alert_smtp_url="smtps://ops:hunter2@mail.shop",
        alert_email_from="lake@shop",
        alert_email_to="ops@shop, data@shop",
        alert_slack_webhook="https://hooks.slack.com/services/secret",
        alert_sns_topic_arn="arn:aws:sns:us-east-1:1:alerts",
    )
    channels = Deployment(settings).channels
    assert [channel.name for channel in channels] == ["e-mail", "Slack", "SNS"]
    told = repr(settings) + repr(channels)
    assert "hunter2" not in told
    assert "services/secret" not in told


def test_without_channels_the_sensor_rests() -> None:
    quiet = alert_sensor([], [FLAKY], sender="dev", ui="http://ui")
    assert quiet.default_status == dg.DefaultSensorStatus.STOPPED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"alert_slack_webhook": "hooks.slack.com/x"}, "https"),
        ({"alert_smtp_url": "smtp://mail.shop"}, "go together"),
        ({"alert_smtp_url": "http://mail.shop"}, "smtps"),
    ],
)
def test_unusable_settings_are_told(
    make_settings: MakeSettings, changes: dict[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        make_settings(**changes)
