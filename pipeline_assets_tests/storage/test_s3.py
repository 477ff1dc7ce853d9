import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline_assets import domains
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains.taobao import assets as taobao
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import SECRET, MakeSettings
from pipeline_assets_tests.landing.plays import PLAYS, record
from pipeline_assets_tests.workbench import Workbench, failures
from spark_resources.job import Audit, Destination, Job, Source, SourceFile

ASSETS = tuple(
    it for it in datasets_in(domains.taobao).assets if "training" not in it.function.__module__
)
REFUSAL = b"""<?xml version="1.0"?><Error><Code>InvalidAccessKeyId</Code>
<Message>The AWS Access Key Id you provided does not exist in our records.</Message></Error>"""


def workbench(settings: Settings) -> Workbench:
    definitions = build_definitions(settings, assets=ASSETS)
    return Workbench(settings, definitions, ASSETS)


@pytest.fixture
def on_s3(make_settings: MakeSettings, s3: S3Access, bucket: str) -> Workbench:
    """Lake and landing zone in a bucket."""
    return workbench(
        make_settings(
            lake_uri=f"{bucket}/lake",
            landing_uri=f"{bucket}/landing",
            s3_endpoint_url=s3.endpoint_url,
            s3_region=s3.region,
            raw_part_mib=1,
        )
    )


def test_tables_on_s3_equal_local_ones(
    on_s3: Workbench, make_settings: MakeSettings, s3_store: S3Store, bucket: str, tmp_path: Path
) -> None:
    write_taobao(tmp_path / "landing", scale=0.1, damage=0.02)
    name = "landing/taobao/taobao_test.tar.gz"
    s3_store.put(f"{bucket}/{name}", (tmp_path / name).read_bytes())
    local = workbench(make_settings())
    for bench in (on_s3, local):
        assert failures(bench.run("test")) == []
    tables = [name for name in local.tables if name not in {"taobao.raw_files"}]
    there, here = (without_places(bench.content(*tables)) for bench in (on_s3, local))
    assert there == here
    assert all(here.values())

    # No secret is in any object of the lake, nor in what Dagster remembers of the runs.
    for item in s3_store.list(f"{bucket}/lake"):
        with s3_store.open(item.uri) as stream:
            assert SECRET.encode() not in stream.read()
    for settings_or_lake in (on_s3.settings, on_s3.lake, on_s3.store, on_s3.deployment):
        assert SECRET not in repr(settings_or_lake)
    assert all(SECRET not in str(log) for log in on_s3.instance.all_logs(run_id(on_s3)))


def without_places(content: dict[str, list[tuple[object, ...]]]) -> dict[str, list[object]]:
    """Rejected rows name the archive they come from, which lies elsewhere."""
    return {
        name: [row[name == "taobao.rejected_rows" :] for row in rows]
        for name, rows in content.items()
    }


def run_id(bench: Workbench) -> str:
    (run,) = bench.instance.get_runs()
    return run.run_id


Attempt = Callable[[S3Access], None]


def list_landing(access: S3Access) -> None:
    LandingZone("s3://bucket/landing", S3Store(access)).list(taobao.ARCHIVES)


def put(access: S3Access) -> None:
    S3Store(access).put("s3://bucket/object", b"")


def open_(access: S3Access) -> None:
    S3Store(access).open("s3://bucket/object")


def delete(access: S3Access) -> None:
    S3Store(access).delete(["s3://bucket/object"])


def publish(access: S3Access) -> None:
    settings = Settings.model_validate(
        {
            "lake_uri": "s3://bucket/lake",
            "catalog_uri": "sqlite://",
            "s3_endpoint_url": access.endpoint_url,
        }
    )
    lake = Deployment(settings).lake
    lake.publish(PLAYS, ["s3://bucket/lake/0.parquet"], {"mon": record()})


def compute(inputs: dict[str, Source], access: S3Access) -> None:
    sql = "SELECT n FROM t" if inputs else "SELECT 1 AS n"
    audit = Audit("SELECT count(*) AS rows FROM output")
    job = Job("token", "query", inputs, sql, {"n": "int"}, Destination("s3://bucket/out"), audit)
    EmbeddedEngine(256, 2, s3=access).run(job, lambda _line: None)


def read_by_engine(access: S3Access) -> None:
    source = Source("parquet", {"n": "int"}, (SourceFile("s3://bucket/0.parquet"),))
    compute({"t": source}, access)


def write_by_engine(access: S3Access) -> None:
    compute({}, access)


ATTEMPTS = [list_landing, put, open_, delete, publish, read_by_engine, write_by_engine]


def told(attempt: Attempt, access: S3Access) -> str:
    with pytest.raises(PipelineError) as raised:
        attempt(access)
    message = str(raised.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_s3_that_nobody_answers_for_is_told_in_one_line(
    attempt: Attempt, closed_port: int, s3: S3Access
) -> None:
    assert s3.region
    message = told(attempt, S3Access(f"http://127.0.0.1:{closed_port}", s3.region))
    assert "onnect" in message


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    """The endpoint of an S3 that knows nobody."""

    class Refuse(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b"" if self.command == "HEAD" else REFUSAL
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - names of HTTP

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_wrong_credentials_are_told_in_one_line(
    attempt: Attempt, refusing: str, s3: S3Access
) -> None:
    message = told(attempt, S3Access(refusing, s3.region))
    assert "403" in message or "InvalidAccessKeyId" in message or "ACCESS_DENIED" in message


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_missing_credentials_are_told_in_one_line(attempt: Attempt, closed_port: int) -> None:
    message = told(attempt, S3Access(f"http://127.0.0.1:{closed_port}", "us-east-1"))
    assert "credentials" in message
