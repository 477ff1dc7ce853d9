"""Dagster's own daemon on a lake in S3: what is delivered becomes tables, without a click, once."""

import gzip
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.chaos.weather import Weather, in_weather
from pipeline_assets_tests.orchestration.site import Made, running

DAY = "2025-12-04"
TSV = "amazon_reviews/amazon_reviews_us_Gift_Card_v1_00.tsv"
SCORED = [(word, score) for score, word in ((1, "dull"), (3, "passable"), (5, "lovely"))]
MADE = {
    "Gift_Card": "ratings",
    "train": "taobao",
    "2026-01-01": "music",
    DAY: "rentals",
}
ASSETS = {
    "ratings": {"raw_reviews", "rejected_rows", "reviews", "filtered_ratings"}
    | {"train_ready_ratings", "interactions", "candidates", "interaction_histories"},
    "taobao": {"raw_files", "rejected_rows", "impressions", "core_features"}
    # The vocabulary of training sets, and what is encoded with it, wait for the other split.
    | {"common_features_summary", "common_features", "user_groups", "token_counts"},
    "music": {"raw_users", "raw_user_top_artists", "rejected_rows", "users"}
    | {"user_top_artists", "artist_rank_in_country", "country_rank_per_artist"}
    | {"artist_embeddings", "user_embeddings", "similar_artists"},
    "rentals": {"raw_movie_reviews", "rejected_rows", "movie_reviews"}
    | {"classified_movie_reviews", "user_behavior_metric"},
}
RATINGS: Made = Counter((f"ratings/{name}", "Gift_Card") for name in ASSETS["ratings"])


def reviews_of_films() -> bytes:
    """Enough of each kind to learn from."""
    rows = [
        f'{customer},"{word} film number {customer} and its {word} end",{score}'
        for word, score in SCORED
        for customer in range(1, 9)
    ]
    return "\n".join(["cid,review_str,score", *rows, ""]).encode()


@pytest.mark.daemon
def test_what_is_delivered_is_made_once_with_all_that_follows(
    tmp_path: Path, bucket: str, s3: S3Access
) -> None:
    source = tmp_path / "samples"
    write_taobao(source, 0.01, 0, 0.0)
    write_ratings(source, 0.01, 0, 0.0)
    write_music(source, 0.01, 0, 0.0)
    expected: Made = Counter(
        (f"{domain}/{name}", key) for key, domain in MADE.items() for name in ASSETS[domain]
    )
    for name in ("rentals/sentiment_model", "music/interactions", "music/candidates"):
        expected[name, None] = 1

    with running(tmp_path / "home", bucket, s3) as site:
        site.put(f"{TSV}.gz", gzip.compress((source / TSV).read_bytes()))
        for name in ("users.csv", "user_top_artists.csv"):
            site.put(f"music/2026-01-01/{name}", (source / "music/2026-01-01" / name).read_bytes())
        site.put(f"movie_review/{DAY}/movie_review.csv", reviews_of_films())
        archive = (source / "taobao/taobao_train.tar.gz").read_bytes()
        site.put("taobao/taobao_train.tar.gz", archive)
        site.wait(lambda made: set(made) >= set(expected))
        site.wait_for_ticks()
        assert site.made() == expected

        # Overwritten, with other bytes that hold the same rows: this partition alone is made again.
        site.put(f"{TSV}.gz", gzip.compress((source / TSV).read_bytes(), 1))
        site.wait(lambda made: made.total() >= expected.total() + RATINGS.total())
        site.wait_for_ticks()
        assert site.made() == expected + RATINGS


@pytest.mark.daemon
def test_an_outage_in_the_midst_of_a_run_delays_a_delivery_and_makes_nothing_twice(
    tmp_path: Path, bucket: str, s3: S3Access
) -> None:
    write_ratings(tmp_path, 0.01, 0, 0.0)
    weather = Weather(Random(0), kinds={"S3: 503 slow down": 1})
    assert s3.endpoint_url
    with (
        in_weather(s3.endpoint_url, weather) as endpoint,
        running(
            tmp_path / "home",
            bucket,
            s3,
            PIPELINE_S3_ENDPOINT_URL=endpoint,
            PIPELINE_RETRY_MINUTES="[0.1, 0.1, 0.1]",
        ) as site,
    ):
        site.put(TSV, (tmp_path / TSV).read_bytes())
        site.wait_for(lambda: site.made().total() > 0)
        weather.rate = 1
        site.wait_for(lambda: bool(site.failed()))
        assert site.made().total() < RATINGS.total()
        weather.rate = 0
        site.wait(lambda made: made.total() >= RATINGS.total(), failures=3)
        site.wait_for_ticks(failures=3)
        assert site.made() == RATINGS
