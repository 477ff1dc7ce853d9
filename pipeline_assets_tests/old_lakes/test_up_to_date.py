"""Lakes that earlier versions of this project wrote: whoever upgrades must not compute them anew.

An archive holds the objects of the buckets ``old-lake`` and ``old-landing`` and the catalog, as
``update`` left them. Lakes on S3 know no folder of the machine that wrote them.
"""

import tarfile
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.command.update import Updater
from pipeline_assets.definitions import assets_for, build_definitions, landing_for
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import register
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings

FOLDER = Path(__file__).parent
REASONS_AND_EMPTY_LINES = {
    # An empty line is a record with a problem in every format, every reason of a rejected row is
    # kept, and whole numbers may be written as 12.0.
    *("ratings/raw_reviews", "ratings/reviews", "ratings/rejected_rows"),
    *("music/raw_users", "music/raw_user_top_artists", "music/users", "music/rejected_rows"),
    *("rentals/raw_movie_reviews", "rentals/rejected_rows", "taobao/rejected_rows"),
}
KEPT_AND_ADDED_UP = {
    # Reviews that are written again are kept, plays of an artist that a list repeats are added up,
    # and so is a line that a cut file ends in a copy of.
    *("rentals/movie_reviews", "music/user_top_artists"),
    *("taobao/impressions", "taobao/core_features"),
    *("taobao/common_features_summary", "taobao/common_features"),
}
DOWNSTREAM = {
    # The export has the columns of the training script.
    *("ratings/filtered_ratings", "ratings/train_ready_ratings"),
    *("music/artist_rank_in_country", "music/country_rank_per_artist"),
    # gensim trains the vectors now, and artists in fewer than five lists get none.
    *("music/artist_embeddings", "music/user_embeddings", "music/similar_artists"),
    # The sentiment model is a table of weights now, and what it says depends on it.
    *("rentals/sentiment_model", "rentals/classified_movie_reviews"),
    "rentals/user_behavior_metric",
}
ADDED = {
    # Training sets came later.
    *("taobao/user_groups", "taobao/token_counts", "taobao/vocabulary"),
    *("taobao/encoded_users", "taobao/encoded_impressions", "taobao/vocabulary_coverage"),
    *("ratings/interactions", "ratings/candidates", "ratings/interaction_histories"),
    *("music/interactions", "music/candidates"),
}
CHANGED_ON_PURPOSE = {
    "2026-11-27": REASONS_AND_EMPTY_LINES | KEPT_AND_ADDED_UP | DOWNSTREAM | ADDED
}
"""Assets whose values are different now, by the day of the lake, and those it does not have yet."""


@pytest.fixture
def settings(
    s3: S3Access, s3_store: S3Store, make_settings: MakeSettings, tmp_path: Path, day: str
) -> Settings:
    with tarfile.open(FOLDER / f"{day}.tar.gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content
            bucket, _, key = member.name.partition("/")
            if key:
                s3_store.client.create_bucket(Bucket=bucket)
                s3_store.client.put_object(Bucket=bucket, Key=key, Body=content.read())
            else:
                (tmp_path / "dagster").mkdir(exist_ok=True)
                (tmp_path / "dagster" / member.name).write_bytes(content.read())
    return make_settings(
        lake_uri="s3://old-lake",
        landing_uri="s3://old-landing",
        s3_endpoint_url=s3.endpoint_url,
        s3_region=s3.region,
    )


@pytest.mark.parametrize("day", CHANGED_ON_PURPOSE)
def test_only_what_means_something_else_now_is_stale(
    settings: Settings, day: str, instance: dg.DagsterInstance
) -> None:
    assets, sources = assets_for(settings), landing_for(settings)
    updater = Updater(
        assets, sources, Deployment(settings), instance, definitions=build_definitions(settings)
    )
    listings = updater.listings()
    register(updater.instance, updater.sources, listings)
    stale = updater.stale(listings)
    assert {item.asset.name for item in stale} == CHANGED_ON_PURPOSE[day]
