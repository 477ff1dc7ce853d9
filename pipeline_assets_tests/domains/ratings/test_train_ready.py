"""What becomes of the exported object when a run ends badly."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pytest
from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.dataset.asset import check
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.checksums import Checksum
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.ratings.world import ASSETS, World

KEPT = [{"customer_id": f"C{n % 5}", "product_id": "B1", "star_rating": 3} for n in range(25)]


@check("error")
def never_good_enough(train_ready_ratings: ir.Table) -> ir.Table:
    """Nothing passes."""
    return train_ready_ratings


@pytest.fixture
def world(settings: Settings, instance: dg.DagsterInstance) -> World:
    return World(settings, instance)


def lines(world: World) -> int:
    path = Path(world.settings.lake_uri, "train_ready/amazon_reviews_us_Books.csv")
    return len(path.read_text(encoding="utf-8").splitlines())


def listed(world: World) -> list[tuple[int]]:
    return world.query("select rows from ratings.train_ready_ratings")


def test_a_failed_audit_leaves_the_object_and_the_table_as_they_were(world: World) -> None:
    world.land("Books", *KEPT)
    world.update()
    strict = replace(
        world,
        assets=tuple(
            replace(asset, checks=(never_good_enough,))
            if asset.table.name == "train_ready_ratings"
            else asset
            for asset in ASSETS
        ),
    )
    strict.land("Books", *KEPT[:3])
    (failure,) = strict.update().failures
    assert "ratings.train_ready_ratings is not published, its audit failed" in failure
    assert (lines(world), listed(world)) == (26, [(25,)])
    assert world.update().made == ("train_ready_ratings[Books]",)
    assert (lines(world), listed(world)) == (1, [(0,)])


def test_an_update_repairs_an_object_that_is_ahead_of_its_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.land("Books", *KEPT)
    world.update()
    publish = Lake.publish

    def publish_until_the_export(
        lake: Lake,
        table: LakeTable,
        files: Sequence[str],
        records: Mapping[str, PartitionRecord],
        checksums: Mapping[str, Checksum],
    ) -> int:
        if table.name == "train_ready_ratings":
            raise dg.Failure("killed", allow_retries=False)
        return publish(lake, table, files, records, checksums)

    world.land("Books", *KEPT[:3])
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "publish", publish_until_the_export)
        assert world.update().failures == ("ratings/train_ready_ratings[Books]: killed",)
    assert (lines(world), listed(world)) == (1, [(25,)])

    assert world.update().made == ("train_ready_ratings[Books]",)
    assert (lines(world), listed(world)) == (1, [(0,)])
    assert world.update().made == ()


def test_on_s3_the_object_is_replaced_too(
    make_settings: MakeSettings,
    instance: dg.DagsterInstance,
    s3: S3Access,
    s3_store: S3Store,
    bucket: str,
) -> None:
    settings = make_settings(
        lake_uri=f"{bucket}/lake", s3_endpoint_url=s3.endpoint_url, s3_region=s3.region
    )
    world = World(settings, instance)
    for rows in (KEPT, KEPT[:3]):
        world.land("Books", *rows)
        assert world.update().failures == ()
    (stored,) = s3_store.list(f"{bucket}/lake/train_ready")
    assert stored.uri == f"{bucket}/lake/train_ready/amazon_reviews_us_Books.csv"
    with closing(s3_store.open(stored.uri)) as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    assert world.query("select uri, rows, bytes, sha256 from ratings.train_ready_ratings") == [
        (stored.uri, 0, stored.size, digest)
    ]


def test_restoring_the_listing_is_refused_and_the_way_is_told(world: World) -> None:
    world.land("Books", *KEPT)
    world.update()
    words = ["restore", "ratings.train_ready_ratings", "--snapshot", "1"]
    result = CliRunner().invoke(cli, words, obj=Session(world.settings))
    assert isinstance(result.exception, PipelineError)
    assert str(result.exception) == (
        "ratings.train_ready_ratings lists exported objects: restore ratings.filtered_ratings, "
        "then update"
    )
