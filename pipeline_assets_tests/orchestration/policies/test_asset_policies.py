import dagster as dg
import pytest

from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import rentals
from pipeline_assets_tests.conftest import MakeSettings

DAY = "2019-05-01"
CLASSIFIED = dg.AssetKey(["rentals", "classified_movie_reviews"])
METRIC = dg.AssetKey(["rentals", "user_behavior_metric"])


def publish(
    definitions: dg.Definitions, instance: dg.DagsterInstance, *, passed: bool | None
) -> None:
    """As a run does that makes an asset: its checks, if it has any yet, then the partition."""
    checked = passed is not None
    for key in definitions.resolve_asset_graph().get(CLASSIFIED).check_keys if checked else ():
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=CLASSIFIED, check_name=key.name, passed=bool(passed), metadata={}
            )
        )
    instance.report_runless_asset_event(dg.AssetMaterialization(CLASSIFIED, partition=DAY))


@pytest.mark.parametrize(
    "passed", [True, False, None], ids=["audited", "audit failed", "published before its checks"]
)
def test_a_day_long_gone_is_followed_once_though_optional_inputs_lack(
    make_settings: MakeSettings, instance: dg.DagsterInstance, passed: bool | None
) -> None:
    definitions = build_definitions(make_settings(), assets=datasets_in(rentals).assets)
    before = dg.evaluate_automation_conditions(definitions, instance)
    publish(definitions, instance, passed=passed)
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
    assert after.get_requested_partitions(METRIC) == (set() if passed is False else {DAY})
    again = dg.evaluate_automation_conditions(definitions, instance, cursor=after.cursor)
    assert again.total_requested == 0


def test_what_reads_landing_objects_is_left_to_the_sensors(make_settings: MakeSettings) -> None:
    graph = build_definitions(make_settings()).resolve_asset_graph()
    readers = {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if graph.get(key).automation_condition is None
    }
    assert readers == {
        "taobao/raw_files",
        "ratings/raw_reviews",
        "music/raw_users",
        "music/raw_user_top_artists",
        "rentals/raw_movie_reviews",
        "pageviews/raw_subjects",
        "pageviews/dump_views",
        "pageviews/raw_views",
        *("activity/raw_events", "activity/stream_batches"),
        "rentals/user_purchases",
        "rentals/rejected_purchases",
        "rentals/film_rentals",
        *(key for key in readers if key.startswith(("warehouse/", "keys/"))),  # none is configured
    }


def test_assets_are_selected_by_layer_domain_personal_data_and_tier(
    make_settings: MakeSettings,
) -> None:
    graph = build_definitions(make_settings()).resolve_asset_graph()

    def chosen(selection: str) -> set[str]:
        found = dg.AssetSelection.from_string(selection).resolve(graph)
        return {key.to_user_string() for key in found}

    assert chosen("tag:layer=raw and tag:domain=music") == {
        "music/raw_users",
        "music/raw_user_top_artists",
    }
    personal = chosen("tag:personal_data=yes")
    assert {"music/users", "rentals/movie_reviews", "ratings/train_ready_ratings"} <= personal
    assert {
        "music/similar_artists",
        "rentals/sentiment_model",
        "taobao/impressions",
    } & personal == set()
    assert chosen("tag:tier=1") >= {"ratings/train_ready_ratings", "warehouse/impressions"}
