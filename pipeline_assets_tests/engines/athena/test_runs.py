"""A run of Dagster whose asset Athena computes: one commit, and a page that tells of queries."""

from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.rentals.world import World
from pipeline_assets_tests.engines.athena.lake import athena_lake

DAYS = ["2026-02-01", "2026-02-02"]


def test_a_publication_tells_of_its_queries(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with athena_lake(tmp_path) as (double, settings):
        changes = {"engine": "embedded", "engine_overrides": {"rentals/movie_reviews": "athena"}}
        world = World(settings.model_copy(update=changes), instance)
        for day in DAYS:
            world.land(day, (1, "Fine.", 4), (2, "Bad.", 1))
        assert world.update("raw_movie_reviews", "movie_reviews") == ()

        key = dg.AssetKey(["rentals", "movie_reviews"])
        event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        told = event.asset_materialization.metadata
        assert all(id_ in str(told["job/id"].value) for id_ in double.executions)
        assert int(str(told["job/scanned_bytes"].value)) > 0
        assert float(str(told["job/estimated_cost_usd"].value)) > 0
        assert str(told["job/console"].value).startswith("https://us-east-1.console.aws.amazon.com")
        (table,) = (it.table for it in world.assets if it.key == key)
        iceberg = Deployment(settings).lake.load(table)
        assert iceberg is not None
        assert len(iceberg.snapshots()) == 1
        assert iceberg.scan().to_arrow().num_rows == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "PIPELINE_ATHENA_WORKGROUP is needed"),
        ({"athena_workgroup": "w"}, "Athena needs a lake on S3: set PIPELINE_LAKE_URI=s3://"),
        (
            {"athena_workgroup": "w", "lake_uri": "s3://lake/x", "s3_region": "eu-west-1"},
            "Athena reads tables of Glue: set PIPELINE_CATALOG_URI=glue",
        ),
    ],
)
def test_what_athena_lacks_is_told(
    make_settings: MakeSettings, changes: dict[str, object], told: str
) -> None:
    settings: Settings = make_settings(engine="athena", **changes)
    with pytest.raises(PipelineError, match=told):
        _ = Deployment(settings).engines
