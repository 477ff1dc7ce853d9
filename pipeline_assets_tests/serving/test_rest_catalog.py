"""The catalog by URL: pyiceberg, Polars, DuckDB and Spark read equal rows, now and as they were.

Spark has an environment of its own, which `make test-engines` installs: Iceberg's runtime is to be
had for Spark 3.5 only, and ours is 4.0.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg
import polars as pl
import pytest
from fastapi.testclient import TestClient
from pyiceberg.catalog.rest import RestCatalog

from pipeline_assets import open_lake
from pipeline_assets.api_token import ApiToken
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.serving.rest_catalog import create_catalog
from pipeline_assets.serving.tokens import Callers
from pipeline_assets_tests.iceberg.rest_double import served
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish
from spark_resources.runners.jvm import choose_java, environment

ROOT = Path(__file__).parents[2]
FIRST = [("ada", 3, "mon")]
BOTH = [("ada", 3, "mon"), ("bob", 5, "tue")]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A table with two snapshots."""
    lake = local_lake(tmp_path_factory.mktemp("lake"))
    publish(lake, {"mon": {"ada": 3}})
    publish(lake, {"tue": {"bob": 5}})
    return lake


@pytest.fixture(scope="module")
def opened(lake: Lake) -> OpenLake:
    return open_lake(lake.access.warehouse, catalog=lake.access.uri)


@pytest.fixture(scope="module")
def url(opened: OpenLake) -> Iterator[str]:
    with served(create_catalog(opened, Callers({}))) as url:
        yield url


@pytest.fixture(scope="module")
def first(lake: Lake) -> int:
    """The id of the first snapshot."""
    return lake.history(PLAYS)[0].snapshot_id


def test_pyiceberg_reads_it(url: str, first: int) -> None:
    catalog = RestCatalog("lake", uri=url)
    assert catalog.list_namespaces() == [("music",)]
    assert catalog.list_tables("music") == [("music", "plays")]
    assert not catalog.table_exists("music.songs")
    scan = catalog.load_table("music.plays").scan(snapshot_id=first)
    assert [tuple(row.values()) for row in scan.to_arrow().to_pylist()] == FIRST


def test_polars_reads_it(url: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its own planner is a further package.
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    table = RestCatalog("lake", uri=url).load_table("music.plays")
    assert pl.scan_iceberg(table).sort("listener").collect().rows() == BOTH
    assert pl.scan_iceberg(table, snapshot_id=first).collect().rows() == FIRST


def extension(package: ModuleType, name: str) -> Path:
    folder = Path(str(package.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    return folder / f"{name}.duckdb_extension"


def test_duckdb_reads_it(url: str, first: int) -> None:
    with duckdb.connect() as connection:
        for package, name in (
            (duckdb_extension_httpfs, "httpfs"),
            (duckdb_extension_avro, "avro"),
            (duckdb_extension_iceberg, "iceberg"),
        ):
            connection.execute(f"LOAD '{extension(package, name)}'")
        connection.execute(
            f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{url}', AUTHORIZATION_TYPE 'none')"
        )
        everything = "FROM lake.music.plays"
        assert connection.sql(f"{everything} ORDER BY ALL").fetchall() == BOTH
        assert connection.sql(f"{everything} AT (VERSION => {first})").fetchall() == FIRST


SPARK = """
import json, sys
from importlib.resources import files
from pyspark.sql import SparkSession

url, snapshot = sys.argv[1:]
folder = files("snowpark_connect_deps_iceberg").joinpath("jars")
(jar,) = folder.glob("iceberg-spark-runtime-3.5_2.12-*.jar")
session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False)
session = session.config("spark.jars", str(jar))
for line in sys.stdin.read().splitlines():
    session = session.config(*line.split())
session = session.getOrCreate()
everything = "SELECT listener, plays, day FROM lake.music.plays"
for sql in (f"{everything} ORDER BY day", f"{everything} VERSION AS OF {snapshot}"):
    print(json.dumps([list(row) for row in session.sql(sql).collect()]))
"""


def documented_properties(url: str) -> str:
    """Spark's properties of the page, a line each, with another address."""
    blocks = (ROOT / "docs" / "serving.md").read_text().split("```")
    (block,) = (it for it in blocks if "SparkCatalog" in it)
    lines = [line for line in block.splitlines() if line.startswith("spark.")]
    return "\n".join(lines).replace("http://127.0.0.1:8181", url)


@pytest.mark.engines
@pytest.mark.spark
def test_spark_reads_it(url: str, first: int, tmp_path: Path) -> None:
    python = ROOT / ".engines" / "spark" / "bin" / "python"
    if not python.exists():
        pytest.skip("Spark 3.5 is not installed below .engines; `make test-engines` does that")
    java = environment(choose_java(None, tmp_path / "java").home, str(python))
    told = subprocess.run(
        [python, "-c", SPARK, url, str(first)],
        input=documented_properties(url),
        env={**os.environ, **java, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    now, then = map(json.loads, told.stdout.splitlines())
    assert [tuple(row) for row in now] == BOTH
    assert [tuple(row) for row in then] == FIRST


@pytest.fixture
def client(opened: OpenLake) -> TestClient:
    return TestClient(create_catalog(opened, Callers({})))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/namespaces"),
        ("DELETE", "/v1/namespaces/music"),
        ("POST", "/v1/namespaces/music/tables"),
        ("POST", "/v1/namespaces/music/tables/plays"),
        ("DELETE", "/v1/namespaces/music/tables/plays"),
        ("POST", "/v1/tables/rename"),
        ("POST", "/v1/transactions/commit"),
    ],
)
def test_it_cannot_be_written_to(client: TestClient, method: str, path: str, lake: Lake) -> None:
    refused = client.request(method, path, json={})
    assert refused.status_code == 405
    assert refused.json()["error"]["type"] == "UnsupportedOperationException"
    assert "read-only" in refused.json()["error"]["message"]
    assert len(lake.history(PLAYS)) == 2


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/namespaces/shop", "NoSuchNamespaceException"),
        ("/v1/namespaces/shop/tables", "NoSuchNamespaceException"),
        ("/v1/namespaces/music/tables/songs", "NoSuchTableException"),
    ],
)
def test_what_is_not_there_is_told_as_the_protocol_says(
    client: TestClient, path: str, kind: str
) -> None:
    missing = client.get(path)
    assert missing.json()["error"]["type"] == kind
    assert missing.json()["error"]["code"] == missing.status_code == 404


def test_a_token_sees_only_the_tables_that_it_allows(opened: OpenLake) -> None:
    digests = {name: sha256(name.encode()).hexdigest() for name in ("all", "shop")}
    tokens = {
        "all": ApiToken(sha256=digests["all"]),
        "shop": ApiToken(sha256=digests["shop"], tables=("shop.*",)),
    }
    client = TestClient(create_catalog(opened, Callers(tokens)))
    assert client.get("/v1/config").status_code == 401

    def namespaces(token: str) -> object:
        answer = client.get("/v1/namespaces", headers={"Authorization": f"Bearer {token}"})
        return answer.json()["namespaces"]

    assert namespaces("all") == [["music"]]
    assert namespaces("shop") == []
