"""From settings to Spark engines, and what Dagster makes of them."""

import dagster as dg
import pytest

from pipeline_assets.command.doctor import examine
from pipeline_assets.definitions import build_definitions
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.resources.remote import remote_runners
from pipeline_assets.orchestration.sensors.janitor_sensor import janitor_sensor
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings

ON_S3 = {"lake_uri": "s3://lake/tables", "s3_region": "eu-west-1"}
SERVERLESS = {
    "emr_serverless_application_id": "00f1",
    "emr_execution_role_arn": "arn:aws:iam::123456789012:role/job",
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"engine": "spark", **ON_S3}, "cannot read s3://lake/tables by itself"),
        ({"engine": "emr", "emr_cluster": "j-1"}, "PIPELINE_LAKE_URI=s3://"),
        ({"engine": "emr", **ON_S3}, "PIPELINE_EMR_CLUSTER is needed"),
        ({"engine": "emr-serverless", **ON_S3}, "EMR_SERVERLESS_APPLICATION_ID is needed"),
        ({"engine": "emr", "emr_cluster_template": "no.json", **ON_S3}, "no.json is no readable"),
    ],
)
def test_what_an_engine_lacks_is_told(
    make_settings: MakeSettings, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(PipelineError, match=told):
        _ = Deployment(make_settings(**changes)).engines


def test_local_spark_takes_a_lake_on_s3_once_it_was_taught_to(make_settings: MakeSettings) -> None:
    taught = {"spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem"}
    engines = Deployment(make_settings(engine="spark", spark_conf=taught, **ON_S3)).engines
    assert engines.default.name == "spark"


def everywhere(make_settings: MakeSettings) -> Settings:
    overrides = {"music/*": "emr", "ratings/reviews": "emr", "taobao/*": "emr-serverless"}
    changes = {"engine_overrides": overrides, "emr_cluster": "j-1", **SERVERLESS, **ON_S3}
    return make_settings(**changes)


def test_every_service_has_one_runner_and_the_janitor_watches_it(
    make_settings: MakeSettings,
) -> None:
    runners = remote_runners(Deployment(everywhere(make_settings)).engines.routed)
    assert [runner.service.name for runner in runners] == ["emr", "emr-serverless"]
    assert janitor_sensor(runners).default_status == dg.DefaultSensorStatus.RUNNING
    assert janitor_sensor([]).default_status == dg.DefaultSensorStatus.STOPPED


def test_every_asset_is_in_the_pool_of_its_engine(make_settings: MakeSettings) -> None:
    graph = build_definitions(everywhere(make_settings)).resolve_asset_graph()
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.materializable_asset_keys}
    assert pools["music/users"] == pools["ratings/reviews"] == {"emr"}
    assert pools["taobao/core_features"] == {"emr_serverless"}
    assert pools["rentals/movie_reviews"] == {"embedded"}
    # What reads or fills the outside world runs here, wherever assets of its domain do.
    assert pools["taobao/raw_files"] == pools["warehouse/core_features"] == {"embedded"}


def test_doctor_tells_which_java_and_why_not(make_settings: MakeSettings) -> None:
    found = {}
    for engine in ("embedded", "spark"):
        settings = make_settings(engine=engine, java_home="/no/such/java")
        for finding in examine(Deployment(settings), settings.dagster_home, []):
            found[engine, finding.what] = finding
    told = found["spark", "local spark"].details
    assert "not JAVA_HOME" in told
    assert "there is no /no/such/java/bin/java" in told
    assert "no asset is routed to local Spark" in found["embedded", "local spark"].details
    assert found["embedded", "local spark"].ok
