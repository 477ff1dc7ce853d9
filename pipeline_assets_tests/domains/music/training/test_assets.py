"""From two snapshots of top artists to interactions."""

from typing import Any

import ibis.expr.types as ir

from pipeline_assets.dataset.training.candidates import CandidateConfig
from pipeline_assets.dataset.training.interactions import InteractionSplit
from pipeline_assets.domains.music.contracts import UserTopArtists
from pipeline_assets.domains.music.training import assets, checks
from pipeline_assets.domains.music.training.contracts import Interactions
from pipeline_assets_tests.domains.taobao.test_checks import failing, table

LISTS = {
    "2026-01-01": [("u1", "Air", 9), ("u1", "Blur", 5), ("u2", "Air", 3)],
    "2026-02-01": [("u1", "Air", 99), ("u1", "Can", 2), ("u2", "Can", 7), ("u3", "Dio", 1)],
}


def rows_of(found: ir.Table, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in found.select(*columns).to_pyarrow().to_pylist()]


def test_listeners_meet_artists_once_in_the_order_of_snapshots() -> None:
    rows = [
        {"user_id": user, "artist_name": artist, "playcount": plays, "snapshot": snapshot}
        for snapshot, lists in LISTS.items()
        for user, artist, plays in lists
    ]
    top_artists = table(UserTopArtists, *rows)
    made = assets.interactions(top_artists, InteractionSplit())
    found = made.order_by("interaction_id")
    assert rows_of(
        found, "user_id", "artist_name", "playcount", "part", "user_index", "item_index"
    ) == [
        ("u1", "Air", 9, "train", 3, 2),
        ("u1", "Blur", 5, "validation", 3, 1),
        ("u2", "Air", 3, "train", 2, 2),
        ("u2", "Can", 7, "train", 2, 3),
        ("u1", "Can", 2, "test", 3, 3),
        ("u3", "Dio", 1, "train", 4, 4),
    ]
    assert failing(checks.every_pair_is_an_interaction, made, top_artists) == []
    (lost, *_) = rows
    without = made.filter(made.artist_name != lost["artist_name"])
    assert len(failing(checks.every_pair_is_an_interaction, without, top_artists)) == 3
    drawn = assets.candidates(made, CandidateConfig())
    # u1 knows Air and Can, so Dio alone is a stranger; Blur is unknown to training.
    assert sorted(rows_of(drawn, "part", "choice_label", "item_index")) == [
        ("test", 0, 4),
        ("test", 1, 3),
    ]


def test_checks_without_partitions_compare_the_whole_table() -> None:
    sound = {"user_index": 2, "policy": "by_time"}
    rows = [
        sound | {"interaction_id": 1, "day": 5, "part": "train"},
        sound | {"interaction_id": 2, "day": 6, "part": "validation"},
    ]
    check = checks.training_ends_before_validation_begins
    assert failing(check, table(Interactions, *rows)) == []
    assert len(failing(check, table(Interactions, rows[0] | {"day": 6}, rows[1]))) == 1
