import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline_assets.errors import PipelineError
from pipeline_assets.settings import GROUPS, Settings
from pipeline_assets_tests.conftest import MakeSettings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_setting_everything_lies_here(folder: Path) -> None:
    settings = Settings.from_environment()
    assert settings.lake_uri == str(folder / "lake")
    assert settings.landing_uri == str(folder / "landing")
    assert (settings.engine, settings.catalog_uri, settings.s3_endpoint_url) == (
        "embedded",
        None,
        None,
    )


def test_nothing_is_made_by_looking(folder: Path) -> None:
    Settings.from_environment()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("PIPELINE_LAKE_URI", "s3://bucket/lake/", "lake_uri", "s3://bucket/lake"),
        ("PIPELINE_LAKE_URI", "/data/../data/lake/", "lake_uri", "/data/lake"),
        ("PIPELINE_ENGINE", "spark", "engine", "spark"),
        ("PIPELINE_THREADS", "3", "threads", 3),
        ("PIPELINE_DAGSTER_HOME", "/dagster", "dagster_home", Path("/dagster")),
        ("DAGSTER_HOME", "/dagster", "dagster_home", Path("/dagster")),
        ("PIPELINE_RAW_PART_MIB", "7", "raw_part_bytes", 7 * 1024 * 1024),
        (
            "PIPELINE_ENGINE_OVERRIDES",
            '{"taobao/*": "emr"}',
            "engine_overrides",
            {"taobao/*": "emr"},
        ),
    ],
)
def test_the_environment_sets_them(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(name, text)
    assert getattr(Settings.from_environment(), field) == value


def test_a_file_in_this_folder_sets_them_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("PIPELINE_ENGINE=spark\nPIPELINE_THREADS=3\nOTHER=1\n")
    monkeypatch.setenv("PIPELINE_THREADS", "5")
    settings = Settings.from_environment()
    assert (settings.engine, settings.threads) == ("spark", 5)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("PIPELINE_ENGINE", "sparc", r"PIPELINE_ENGINE: Input should be 'embedded', 'spark'"),
        ("PIPELINE_THREADS", "many", r"PIPELINE_THREADS: .* valid integer"),
        ("PIPELINE_THREADS", "0", r"PIPELINE_THREADS: .* greater than or equal to 1"),
        ("PIPELINE_MEMORY_LIMIT_MIB", "10", r"PIPELINE_MEMORY_LIMIT_MIB: .* to 256"),
        ("PIPELINE_LAKE_URI", "gs://b/x", r"PIPELINE_LAKE_URI: .*neither a folder nor an s3://"),
        ("PIPELINE_LAKE_URI", "s3://", r"PIPELINE_LAKE_URI: .*names no bucket"),
        ("PIPELINE_LANDING_URI", "s3:///x", r"PIPELINE_LANDING_URI: .*names no bucket"),
        ("PIPELINE_ENGINE_OVERRIDES", "taobao", r"PIPELINE_ENGINE_OVERRIDES: .*JSON"),
        ("PIPELINE_ENGINE_OVERRIDES", '{"a": "b"}', r"PIPELINE_ENGINE_OVERRIDES: Input should"),
        ("PIPELINE_LAKE_URL", "./lake", r"Unknown setting PIPELINE_LAKE_URL; did you mean .*_URI"),
        ("PIPELINE_XYZ", "1", r"Unknown setting PIPELINE_XYZ; known: PIPELINE_LAKE_URI, "),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, told: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(PipelineError) as raised:
        Settings.from_environment()
    assert re.search(told, str(raised.value))
    assert "\n" not in str(raised.value)


def test_an_unknown_name_in_the_file_is_told_too(folder: Path) -> None:
    (folder / ".env").write_text("PIPELINE_LAKE_URL=./lake\n")
    with pytest.raises(PipelineError, match=r"^Unknown setting PIPELINE_LAKE_URL; did you mean"):
        Settings.from_environment()


@pytest.mark.parametrize("name", ["CATALOG_URI", "OLTP_DSN", "WAREHOUSE_DSN"])
def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"PIPELINE_{name}", "postgresql://ada:s3cret@host/db")
    settings = Settings.from_environment()
    assert "s3cret" not in f"{settings!r} {settings}"


@pytest.mark.parametrize("name", ["INSTANCE_DSN", "OLTP_DSN", "WAREHOUSE_DSN"])
def test_an_unreadable_password_is_not_told_either(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"PIPELINE_{name}", "postgres//ada:s3cret@host/db")
    with pytest.raises(PipelineError, match=f"PIPELINE_{name}") as raised:
        Settings.from_environment()
    assert "s3cret" not in str(raised.value)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_is_in_one_group() -> None:
    grouped = [name for group in GROUPS.values() for name in group.model_fields]
    assert sorted(grouped) == sorted(Settings.model_fields)
    assert list(GROUPS.values()) == list(reversed(Settings.__bases__[:-1]))


def test_only_the_warehouse_may_be_a_redshift(make_settings: MakeSettings) -> None:
    redshift = "redshift-data:///dev?workgroup=analytics"
    assert make_settings(warehouse_dsn=redshift).warehouse_dsn
    with pytest.raises(ValidationError, match="is a Redshift's, and this has to be a Postgres"):
        make_settings(oltp_dsn=redshift)


def test_an_environment_has_places_of_its_own_and_reaches_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outward = {
        "PIPELINE_WAREHOUSE_DSN": "postgresql://ada@host/db",
        "PIPELINE_INSTANCE_DSN": "postgresql://ada@host/db",
        "PIPELINE_KEYS_TABLE": "rows",
        "PIPELINE_STREAM_NAME": "events",
        "PIPELINE_LANDING_QUEUE_URL": "https://sqs/queue",
        "PIPELINE_ALERT_SNS_TOPIC_ARN": "arn:aws:sns:eu-west-1:1:alerts",
        "PIPELINE_OPENLINEAGE": "true",
        "PIPELINE_ENVIRONMENT": "dev_x",
    }
    for name, text in outward.items():
        monkeypatch.setenv(name, text)
    settings = Settings.from_environment()
    assert settings.lake_uri == str(folder / "lake" / "_environments" / "dev_x")
    assert settings.dagster_home == Path(".dagster/environments/dev_x")
    assert (settings.landing_uri, settings.deployment_name) == (
        str(folder / "landing"),
        "dev-dev_x",
    )
    reached = (settings.warehouse_dsn, settings.instance_dsn, settings.stream_name)
    alerts = (settings.alert_sns_topic_arn, settings.alert_smtp_url, settings.alert_slack_webhook)
    assert not any((*reached, *alerts, settings.landing_queue_url, settings.openlineage))
    assert settings.keys_table is None  # nor does `serve` answer from production's rows
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    assert Settings.from_environment().dagster_home == settings.dagster_home


def test_the_place_of_an_environment_is_no_lake_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_LAKE_URI", "/data/lake/_environments/dev_x")
    with pytest.raises(PipelineError, match="to /data/lake, and PIPELINE_ENVIRONMENT=dev_x"):
        Settings.from_environment()
    monkeypatch.setenv("PIPELINE_LAKE_URI", "/data/lake")
    monkeypatch.setenv("PIPELINE_ENVIRONMENT", "Dev X")
    with pytest.raises(PipelineError, match="PIPELINE_ENVIRONMENT"):
        Settings.from_environment()


@pytest.mark.parametrize("name", ["RENTALS_START", "PAGEVIEWS_START", "EVENTS_START"])
def test_a_first_day_in_the_last_year_there_is_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"PIPELINE_{name}", "9999-12-31")
    with pytest.raises(PipelineError, match=f"PIPELINE_{name}: .*9998-12-31"):
        Settings.from_environment()
