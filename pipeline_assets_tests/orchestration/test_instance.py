"""The Dagster instance: one for the command line and Dagster's own processes, kept where set."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster_graphql.schema import create_schema

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.orchestration.postgres_storage import sqlalchemy_url
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.domains.rentals.world import sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

ROOT = Path(__file__).parents[2]
PASSWORD = "100% p@ss/word: it's"
RAW_REVIEWS = 'key:"rentals/raw_movie_reviews"'


@dg.op
def talk() -> None:
    print("said on the way")  # noqa: T201 - what is captured


@dg.job(executor_def=dg.in_process_executor)
def talking() -> None:
    talk()


def said(instance: dg.DagsterInstance) -> str:
    """What the step printed, as the UI reads it."""
    done = talking.execute_in_process(instance=instance)
    assert done.success
    (captured,) = (event for event in done.all_events if event.event_type_value == "LOGS_CAPTURED")
    key = [done.run_id, "compute_logs", captured.logs_captured_data.file_key]
    data = instance.compute_log_manager.get_log_data(key)
    return (data.stdout or b"").decode()


@pytest.fixture
def keeper(
    postgres_dsn: SecretDsn, require_password: Callable[[SecretDsn, str], None]
) -> SecretDsn:
    """A user with an awkward password, and an empty database for the instance."""
    if not sql(postgres_dsn, "SELECT 1 AS one FROM pg_roles WHERE rolname = 'keeper'"):
        quoted = PASSWORD.replace("'", "''")
        sql(postgres_dsn, f"CREATE ROLE keeper LOGIN PASSWORD '{quoted}'")
        require_password(postgres_dsn, "keeper")
    sql(postgres_dsn, "GRANT ALL ON SCHEMA public TO keeper")
    return SecretDsn(keyword_dsn({**postgres_dsn.options, "user": "keeper", "password": PASSWORD}))


def databases(home: Path) -> list[Path]:
    return [*home.rglob("*.db")]


def test_by_default_everything_lies_in_the_home(tmp_path: Path) -> None:
    with open_instance(tmp_path / "home", ROOT) as instance:
        assert said(instance) == "said on the way\n"
        assert isinstance(instance.compute_log_manager, LocalComputeLogManager)
    assert databases(tmp_path / "home")


def test_an_environment_records_its_runs_in_a_home_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELINE_ENVIRONMENT", "dev_x")
    own = tmp_path / "home" / "environments" / "dev_x"
    with pytest.raises(PipelineError, match=f"set DAGSTER_HOME={own}, too"):
        open_instance(tmp_path / "home", ROOT)
    with open_instance(own, ROOT):
        assert databases(own)


def test_a_home_whose_creation_was_killed_is_completed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_instance(home, ROOT).dispose()
    (index,) = home.rglob("index.db")
    with sqlite3.connect(index) as half:
        # What a kill between Dagster's CREATE TABLE statements leaves.
        half.execute("DROP TABLE dynamic_partitions")
        half.execute("DELETE FROM alembic_version")
        half.execute("DELETE FROM secondary_indexes")
    half.close()
    with open_instance(home, ROOT) as instance:
        instance.add_dynamic_partitions("category", ["Books"])
        assert instance.get_dynamic_partitions("category") == ["Books"]
        assert said(instance) == "said on the way\n"


def test_one_setting_keeps_it_in_postgres_for_the_command_and_for_dagster(
    keeper: SecretDsn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    day = tmp_path / "landing" / "movie_review" / "2026-01-01"
    day.mkdir(parents=True)
    (day / "movie_review.csv").write_text("cid,review_str,score\n1,a good film,5\n")
    monkeypatch.setenv("PIPELINE_INSTANCE_DSN", keeper.reveal())
    monkeypatch.setenv("PIPELINE_LAKE_URI", str(tmp_path / "lake"))
    monkeypatch.setenv("PIPELINE_LANDING_URI", str(tmp_path / "landing"))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    cli.main(["update", "--select", RAW_REVIEWS], obj=Session(), standalone_mode=False)
    with open_instance(home, ROOT) as instance:
        (run,) = instance.get_runs()
        shown = repr(instance.get_ref()) + str(instance.info_dict())
    listed = dagster_says("run", "list")
    assert run.run_id in listed
    assert sql(keeper, "SELECT count(*) AS runs FROM runs") == [{"runs": 1}]
    assert databases(home) == []
    everything = "".join(capfd.readouterr()) + shown + listed + "".join(texts(home))
    assert "PostgresStorage" in everything
    assert PASSWORD not in everything


def dagster_says(*words: str) -> str:
    """What Dagster's own command says, which knows only its home."""
    command = [str(Path(sys.executable).with_name("dagster")), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def texts(folder: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file()]


def test_a_postgres_that_refuses_is_told_in_one_line(
    keeper: SecretDsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = keyword_dsn({**keeper.options, "password": "wrong-horse"})
    monkeypatch.setenv("PIPELINE_INSTANCE_DSN", wrong)
    with pytest.raises(PipelineError, match=r"PIPELINE_INSTANCE_DSN: .*refused user") as raised:
        open_instance(tmp_path / "home", ROOT)
    assert "wrong-horse" not in str(raised.value)
    assert databases(tmp_path) == []


def test_an_older_home_that_would_ignore_the_setting_says_so(
    keeper: SecretDsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    open_instance(tmp_path, ROOT).dispose()
    monkeypatch.setenv("PIPELINE_INSTANCE_DSN", keeper.reveal())
    with pytest.raises(PipelineError, match="ignores our settings; add to it:\ninstance_class"):
        open_instance(tmp_path, ROOT)


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        ("postgresql://ada:p%40ss@host:5433/db", "ada:p%40ss@/db?host=host&port=5433"),
        ("host=a,b port=1,2 dbname=db", "/db?host=a%2Cb&port=1%2C2"),
        ("postgresql://host/db?sslmode=require", "/db?host=host&sslmode=require"),
    ],
)
def test_every_option_of_a_connection_string_arrives(dsn: str, url: str) -> None:
    assert sqlalchemy_url(SecretDsn(dsn)) == f"postgresql+psycopg2://{url}"


def test_what_steps_print_goes_to_s3_under_the_key_and_is_read_from_there(
    bucket: str, s3: S3Access, s3_store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_logs_in(f"{bucket}/logs/dagster", s3, monkeypatch)
    monkeypatch.setenv("PIPELINE_KMS_KEY_ID", "alias/lake")
    with open_instance(tmp_path / "one", ROOT) as instance:
        assert said(instance) == "said on the way\n"
        (run,) = instance.get_runs()
    name = bucket.removeprefix("s3://")
    found = s3_store.client.list_objects_v2(
        Bucket=name, Prefix=f"logs/dagster/storage/{run.run_id}"
    )
    heads = [s3_store.client.head_object(Bucket=name, Key=o["Key"]) for o in found["Contents"]]
    assert [head["SSEKMSKeyId"] for head in heads] == ["alias/lake"] * 2
    assert {Path(each["Key"]).suffix for each in found["Contents"]} == {".out", ".err"}


def test_a_bucket_that_is_gone_fails_no_run(
    s3: S3Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_logs_in("s3://no-such-bucket/logs", s3, monkeypatch)
    with open_instance(tmp_path / "home", ROOT) as instance:
        done = talking.execute_in_process(instance=instance)
    messages = [event.message or "" for event in done.all_events]
    assert done.success
    assert any("cleaning up compute log capture" in message for message in messages)


def keep_logs_in(uri: str, s3: S3Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_COMPUTE_LOGS_URI", uri)
    monkeypatch.setenv("PIPELINE_S3_ENDPOINT_URL", s3.endpoint_url or "")
    monkeypatch.setenv("PIPELINE_S3_REGION", s3.region or "")


TIMELINE = """
query CompletedRunTimelineQuery($completedFilter: RunsFilter!) {
  completed: runsOrError(filter: $completedFilter, limit: 10) {
    ... on Runs {
      results { pipelineName repositoryOrigin { repositoryName repositoryLocationName } }
    }
    ... on PythonError { message }
  }
}
"""


def test_a_run_of_this_process_is_on_the_timeline(tmp_path: Path) -> None:
    """The page leaves out every run that has no code location."""
    instance = open_instance(tmp_path / "home", ROOT)
    assert talking.execute_in_process(instance=instance).success
    (target,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    answer = create_schema().execute(
        TIMELINE,
        variables={"completedFilter": {"statuses": ["SUCCESS"]}},
        context_value=SimpleNamespace(instance=instance),
    )
    assert answer.errors is None
    assert answer.data["completed"]["results"] == [
        {
            "pipelineName": "talking",
            "repositoryOrigin": {
                "repositoryName": "__repository__",
                "repositoryLocationName": target["python_module"]["location_name"],
            },
        }
    ]
