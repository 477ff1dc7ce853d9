"""Statements that Athena executes: at once, or at an address to ask again, of pinned snapshots."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from pipeline_assets import open_lake
from pipeline_assets.api_token import ApiToken
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.serving.server import api
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets_tests.doubles.athena import AthenaDouble, Execution, nothing
from pipeline_assets_tests.engines.athena.lake import athena_lake, lead_to
from pipeline_assets_tests.landing.plays import PLAYS, record
from pipeline_assets_tests.reading.test_docs import section, snippets

SUM = "SELECT listener, sum(plays) AS n FROM music.plays GROUP BY listener ORDER BY n DESC"


@dataclass(frozen=True)
class Site:
    double: AthenaDouble
    settings: Settings

    @property
    def client(self) -> TestClient:
        return TestClient(api(self.settings), raise_server_exceptions=False)

    def publish(self, **plays: int) -> None:
        """Replace the plays of Monday."""
        access = CatalogAccess("glue", self.settings.lake_uri, self.settings.s3)
        lake = Lake(access)
        rows = [{"listener": who, "plays": n, "day": "mon"} for who, n in plays.items()]
        sink = pa.BufferOutputStream()
        schema = pa.schema(PLAYS.contract.schema.to_pyarrow())
        pq.write_table(pa.Table.from_pylist(rows, schema), sink)
        uri = f"{lake.location(PLAYS)}/data/{uuid4().hex}/0.parquet"
        S3Store(self.settings.s3).put(uri, sink.getvalue().to_pybytes())
        lake.publish(PLAYS, [uri], {"mon": record(uuid4().hex)})


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with athena_lake(tmp_path_factory.mktemp("site")) as (double, settings):
        yield Site(double, settings)


@pytest.fixture
def site(account: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    lead_to(account.double, monkeypatch)
    monkeypatch.setenv("PIPELINE_S3_ENDPOINT_URL", account.double.endpoint)
    monkeypatch.setenv("PIPELINE_S3_REGION", str(account.settings.s3_region))
    account.publish(ada=3, bob=1)
    yield account
    account.double.before = nothing


def asked(client: TestClient, **statement: object) -> Response:
    return answered(client, client.post("/query", json=statement))


def answered(client: TestClient, answer: Response) -> Response:
    """The answer itself, which a busy machine may have to be asked for again."""
    deadline = time.monotonic() + 60
    while answer.status_code == 202 and time.monotonic() < deadline:
        answer = client.get(answer.headers["location"])
    return answer


def test_a_statement_is_answered_with_its_version(site: Site) -> None:
    answer = asked(site.client, sql=SUM)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert [(row["listener"], int(row["n"])) for row in content["rows"]] == [("ada", 3), ("bob", 1)]
    assert content["versions"][0]["table"] == "music.plays"
    assert not content["truncated"]


def test_a_long_one_is_asked_for_again_and_stays_of_its_snapshot(site: Site) -> None:
    is_over = threading.Event()

    def until_over(_execution: Execution) -> None:
        is_over.wait(20)

    site.double.before = until_over
    client = site.client
    started = client.post("/query", json={"sql": SUM + " -- long"})
    assert started.status_code == 202, started.text
    place = started.headers["location"]
    assert started.json() == {"status": "running", "ask": place}
    site.publish(eve=9)
    is_over.set()
    site.double.before = nothing
    answer = answered(client, client.get(place))
    assert answer.status_code == 200, answer.text
    assert [row["listener"] for row in answer.json()["rows"]] == ["ada", "bob"]


def test_pages_are_of_one_result(site: Site) -> None:
    client = site.client
    place = asked(client, sql=SUM).headers["location"]
    content = client.get(place, params={"limit": 1}).json()
    assert content["truncated"]
    second = client.get(place, params={"page": content["next"]}).json()
    assert [row["listener"] for row in content["rows"] + second["rows"]] == ["ada", "bob"]
    assert not second["truncated"]
    for refused in (
        client.get(place, params={"page": "of another query"}),
        client.post("/query", json={"sql": SUM, "page": content["next"]}),
    ):
        assert refused.status_code == 400
        assert refused.headers["content-type"] == "application/problem+json"


def test_each_page_reads_its_own_rows_of_the_result_and_no_others(site: Site) -> None:
    client = site.client
    place = asked(client, sql="SELECT n FROM unnest(range(2500)) t(n)", limit=1).headers["location"]
    site.double.results_read = 0
    seen: list[int] = []
    page: dict[str, str] = {}
    for _ in range(5):
        content = client.get(place, params={"limit": 500, **page}).json()
        seen += [int(row["n"]) for row in content["rows"]]
        page = {"page": content["next"]}
    assert seen == list(range(2500))
    assert (content["truncated"], site.double.results_read) == (False, 5)
    whole = client.get(place, params={"limit": 2500}).json()
    assert [int(row["n"]) for row in whole["rows"]] == seen, "in three of Athena's own pages"


def test_parameters_and_what_cannot_be_answered(site: Site) -> None:
    client = site.client
    sql = "SELECT plays FROM music.plays WHERE listener = ?"
    by_place = asked(client, sql=sql, parameters=["bob"]).json()
    assert [int(row["plays"]) for row in by_place["rows"]] == [1]
    for wanted, status in (
        (sql, 400),
        ("SELECT * FROM music.playz", 404),
        ("SELECT nothing FROM music.plays", 400),
        ("DROP TABLE music.plays", 400),
    ):
        refused = asked(client, sql=wanted)
        assert refused.status_code == status, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
    assert client.get("/queries/" + "0" * 32).status_code == 404
    assert client.get("/queries/..%2f..").status_code == 404


def test_a_query_is_shown_to_those_only_who_may_read_its_tables(site: Site) -> None:
    place = asked(site.client, sql=SUM).headers["location"]
    hashed = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    tokens = {"team": ApiToken(sha256=hashed, tables=("taobao.*",))}
    other = Site(site.double, site.settings.model_copy(update={"api_tokens": tokens})).client
    known = {"Authorization": "Bearer secret"}
    assert other.get(place).status_code == 401
    assert other.get(place, headers=known).status_code == 403


def test_the_snippet_of_the_reading_page_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", str(site.settings.s3_region))
    (snippet,) = snippets(section("Athena"))
    settings = site.settings
    with open_lake(settings.lake_uri, catalog="glue") as lake:
        exec(snippet, {"lake": {"music.users": lake["music.plays"]}})
    (execution,) = [
        it for it in site.double.executions.values() if "SELECT count(*) AS n" in it.sql
    ]
    while execution.state not in ("SUCCEEDED", "FAILED"):
        time.sleep(0.05)
    assert execution.state == "SUCCEEDED"


def test_athena_needs_a_workgroup_and_glue(site: Site) -> None:
    settings = site.settings.model_copy(update={"athena_workgroup": None})
    with pytest.raises(PipelineError, match="PIPELINE_ATHENA_WORKGROUP"):
        api(settings)
