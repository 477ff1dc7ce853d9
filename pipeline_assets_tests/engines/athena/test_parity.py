"""One definition, every engine: the double of Athena computes what the embedded engine does."""

from collections.abc import Iterator

import pytest

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.definitions import DATASETS
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets_tests.athena_check import Bench, Compared, relational
from pipeline_assets_tests.doubles.athena import AthenaDouble
from pipeline_assets_tests.engines.athena.lake import athena_lake, lead_to
from pipeline_assets_tests.engines.athena.published import DOMAINS, domain_assets, published_lake

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

TIMESTAMPS = "to milliseconds"
RAW_TEXT = "is raw text, and Athena reads tables"
LEARNS = "and Athena only runs SQL"
REFUSED = {
    "taobao/rejected_rows": RAW_TEXT,
    "taobao/impressions": RAW_TEXT,
    "taobao/core_features": RAW_TEXT,
    "taobao/common_features_summary": RAW_TEXT,
    "taobao/common_features": RAW_TEXT,
    "taobao/encoded_users": RAW_TEXT,
    "taobao/encoded_impressions": RAW_TEXT,
    "music/artist_embeddings": LEARNS,
    "music/similar_artists": LEARNS,
    "rentals/sentiment_model": LEARNS,
    "activity/events": TIMESTAMPS,
}
"""What Athena cannot do, and what it says."""
WITH_AN_EMPTY_PARTITION = {"activity/rejected_rows"}
"""Hours of which every line is an event."""
EXPRESSIONS = [it for it in relational(DATASETS.assets) if it.table.namespace in DOMAINS]
COMPUTED = [it.name for it in EXPRESSIONS if it.name not in REFUSED]


@pytest.fixture
def bench(
    benches: tuple[Bench, AthenaDouble], monkeypatch: pytest.MonkeyPatch
) -> tuple[Bench, AthenaDouble]:
    """The same for every test, with the credentials that no test inherits."""
    lead_to(benches[1], monkeypatch)
    return benches


@pytest.fixture(scope="module")
def benches(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: SecretDsn
) -> Iterator[tuple[Bench, AthenaDouble]]:
    """A lake in a folder, computed by the embedded engine; Athena reads its catalog and files."""
    folder = tmp_path_factory.mktemp("athena")
    shop = ensure_database(postgres_server, "athena")
    with athena_lake(folder) as (double, settings):
        deployment = published_lake(
            folder, shop, s3_endpoint_url=double.endpoint, s3_region=settings.s3_region
        )
        double.catalog = deployment.lake.access.open
        assets = domain_assets(deployment.settings)
        athena = Deployment(settings).engines.default
        yield Bench(deployment, athena, assets, f"{settings.lake_uri}/checks"), double


def compared(bench: Bench, name: str) -> Compared:
    (asset,) = (it for it in bench.assets if it.name == name)
    return bench.compare(asset)


@pytest.mark.parametrize("name", COMPUTED)
def test_rows_and_audits_are_equal(name: str, bench: tuple[Bench, AthenaDouble]) -> None:
    found = compared(bench[0], name)
    assert (found.verdict, found.told) == ("equal", "")
    assert found.rows > 0, "equal, but of nothing"
    assert found.partitions > found.empty
    assert (found.empty > 0) == (name in WITH_AN_EMPTY_PARTITION)


@pytest.mark.parametrize("name", REFUSED)
def test_what_athena_cannot_do_is_refused_by_name(
    name: str, bench: tuple[Bench, AthenaDouble]
) -> None:
    before = bench[1].starts
    found = compared(bench[0], name)
    assert found.verdict == "refused"
    assert REFUSED[name] in found.told
    assert f'PIPELINE_ENGINE_OVERRIDES=\'{{"{name}": "embedded"}}\'' in found.told
    assert bench[1].starts == before


def test_how_many_assets_are_compared_and_refused() -> None:
    assert (len(COMPUTED), len(REFUSED)) == (31, 11)
    assert {it.name for it in EXPRESSIONS} == {it.name for it in relational(DATASETS.assets)}
