"""What the code location's page shows of the lake's parts: their configuration, never a secret."""

import json
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from pipeline_assets.definitions import build_definitions
from pipeline_assets.engines.spark import SparkEngine
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.staging import Stager
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import SECRET, MakeSettings

EVERYTHING: dict[str, object] = {
    "lake_uri": "s3://lake/tables",
    "s3_region": "eu-west-1",
    "kms_key_id": "alias/lake",
    "catalog_uri": f"postgresql://lake:{SECRET}@catalog.example/iceberg",
    "oltp_dsn": f"postgresql://reader:{SECRET}@shop.example/rentals",
    "warehouse_dsn": f"host=dwh.example dbname=analytics password={SECRET}",
    "alert_smtp_url": f"smtp://user:{SECRET}@mail.example",
    "alert_email_from": "lake@example.com",
    "alert_email_to": "you@example.com",
    "alert_slack_webhook": f"https://hooks.example/{SECRET}",
    "spark_conf": {"spark.hadoop.fs.s3a.secret.key": SECRET},
    "engine_overrides": {"taobao/*": "emr", "music/*": "emr-serverless"},
    "emr_cluster": "j-1",
    "emr_serverless_application_id": "00f1",
    "emr_execution_role_arn": "arn:aws:iam::123456789012:role/job",
}


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(**EVERYTHING)


@pytest.fixture
def shown(settings: Settings) -> RepositorySnap:
    """All that the webserver is told of the code location."""
    return RepositorySnap.from_def(build_definitions(settings).get_repository_def())


def configured(shown: RepositorySnap, name: str) -> dict[str, Any]:
    (resource,) = (each for each in shown.resources or [] if each.name == name)
    return {field: json.loads(str(text)) for field, text in resource.configured_values.items()}


def test_parts_are_found_by_name_with_their_configuration(shown: RepositorySnap) -> None:
    assert {resource.name for resource in shown.resources or []} == {
        *("s3", "lake_io_manager", "landing_io_manager", "stager", "published_checks", "engines"),
        *("embedded_engine", "spark_local", "spark_emr", "spark_emr_serverless"),
        *("athena", "oltp_database", "warehouse_database", "key_table"),
        *("wikimedia", "event_stream"),
    }
    assert configured(shown, "s3") == {
        "endpoint_url": None,
        "region": "eu-west-1",
        "kms_key_id": "alias/lake",
    }
    assert configured(shown, "lake_io_manager") == {
        "lake_uri": "s3://lake/tables",
        "deployment_name": "dev",
        "openlineage": False,
    }
    assert configured(shown, "engines") == {
        "default": "embedded",
        "overrides": EVERYTHING["engine_overrides"],
    }
    assert configured(shown, "oltp_database") == {
        "setting": "PIPELINE_OLTP_DSN",
        "place": "postgresql://shop.example/rentals",
    }
    emr = configured(shown, "spark_emr")
    assert (emr["cluster"], emr["staging_uri"]) == ("j-1", "s3://lake/tables/_jobs")


def test_every_field_and_every_part_is_described(shown: RepositorySnap) -> None:
    for resource in shown.resources or []:
        assert resource.resource_snapshot.description, resource.name
        for field in resource.config_field_snaps:
            assert field.description, (resource.name, field.name)


def test_secrets_are_shown_nowhere(settings: Settings, shown: RepositorySnap) -> None:
    assert SECRET not in serialize_value(shown)
    definitions = build_definitions(settings)
    assert SECRET not in repr(definitions.resources)
    assert SECRET not in repr(Deployment(settings).parts)


def test_parts_are_built_from_what_is_shown(settings: Settings) -> None:
    deployment = Deployment(settings)
    with dg.build_resources(dict(build_definitions(settings).resources or {})) as built:
        stager: Stager = built.stager
        assert stager.engines.embedded == deployment.embedded
        routed = {pattern: engine.name for pattern, engine in stager.engines.overrides.items()}
        assert routed == {"taobao/*": "emr", "music/*": "emr-serverless"}
        assert stager.lake == built.lake_io_manager.lake == deployment.lake
        assert stager.systems == deployment.systems


def test_spark_on_emr_is_an_engine(settings: Settings) -> None:
    engine = Deployment(settings).parts.spark_emr.engine()
    assert isinstance(engine, SparkEngine)
    assert engine.name == "emr"


def test_a_run_gets_the_parts_that_were_declared(make_settings: MakeSettings) -> None:
    """None of them, nor of those they depend on, is built again."""
    declared = build_definitions(make_settings()).resources or {}
    names = ("s3", "engines", "embedded_engine", "event_stream", "oltp_database")
    with dg.build_resources({name: declared[name] for name in names}) as built:
        assert all(getattr(built, name) is declared[name] for name in names)
        assert built.engines.embedded_engine is declared["embedded_engine"]


def test_a_run_may_configure_a_part_otherwise(make_settings: MakeSettings) -> None:
    declared = build_definitions(make_settings()).resources or {}
    chosen = {"embedded_engine": {"config": {"memory_limit_mib": 512, "threads": 7}}}
    with dg.build_resources(
        {"embedded_engine": declared["embedded_engine"]}, resource_config=chosen
    ) as built:
        assert built.embedded_engine.threads == 7
        assert built.embedded_engine.s3 == declared["embedded_engine"].s3
