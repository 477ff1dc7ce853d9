import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import OnFault, StoredObject, fingerprint
from pipeline_assets.domains.taobao.assets import ARCHIVES
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.storage.objects import LocalStore, S3Store
from pipeline_assets_tests.diary.assets import PAGES


@pytest.fixture
def zone(tmp_path: Path) -> LandingZone:
    return LandingZone(str(tmp_path), LocalStore())


def deliver(zone: LandingZone, *paths: str) -> None:
    for path in paths:
        zone.store.put(f"{zone.uri}/{path}", b"delivered")


def listed(zone: LandingZone, source: LandingSource) -> dict[str, list[str]]:
    return {
        key: [item.uri.removeprefix(f"{zone.uri}/") for item in items]
        for key, items in zone.list(source).partitions.items()
    }


def test_objects_are_sorted_into_partitions(zone: LandingZone) -> None:
    deliver(zone, "diary/mon/2.txt", "diary/mon/1.txt", "diary/tue/1.txt", "other/1.txt")
    assert listed(zone, PAGES) == {
        "mon": ["diary/mon/1.txt", "diary/mon/2.txt"],
        "tue": ["diary/tue/1.txt"],
    }
    assert zone.list(PAGES).problems == ()


def test_nothing_delivered_yet_is_no_problem(zone: LandingZone) -> None:
    assert listed(zone, PAGES) == {}


def test_a_landing_zone_that_is_not_there_is_told(tmp_path: Path) -> None:
    zone = LandingZone(f"{tmp_path}/nowhere", LocalStore())
    with pytest.raises(PipelineError, match=r"nowhere does not exist; create it or set"):
        zone.list(PAGES)


def test_what_nobody_understands_is_told_and_harms_nothing(zone: LandingZone) -> None:
    deliver(
        zone,
        "taobao/taobao_train.tar.gz",
        "taobao/taobao_valid.tar.gz",
        "taobao/taobao_train.zip",
        "taobao/readme.txt",
    )
    assert list(listed(zone, ARCHIVES)) == ["train"]
    assert zone.list(ARCHIVES).problems == (
        f"taobao/readme.txt: no name that landing/taobao knows; it should be {ARCHIVES.expected}",
        f"taobao/taobao_train.zip: no name that landing/taobao knows; it should be "
        f"{ARCHIVES.expected}",
        "taobao/taobao_valid.tar.gz: split 'valid' is not train or test",
    )


def test_truth_files_and_half_written_ones_are_no_deliveries(zone: LandingZone) -> None:
    deliver(zone, "taobao/truth.json", "taobao/.taobao_train.tar.gz.partial")
    assert (listed(zone, ARCHIVES), zone.list(ARCHIVES).problems) == ({}, ())


@pytest.mark.parametrize(
    "marker",
    [
        "_SUCCESS",
        "_committed_42",
        "_temporary/0/part-0",
        "train_$folder$",
        "sub/_SUCCESS",
        ".DS_Store",
        "Thumbs.db",
        "~$taobao_train.csv",
        "taobao_train.tar.gz~",
        "taobao_train.tar.gz.part",
        "taobao_train.tar.gz.tmp",
        "taobao_train.tar.gz._COPYING_",
        "taobao_train.tar.gz.md5",
        ".taobao_train.tar.gz.crc",
        "_temporary",
    ],
)
def test_markers_of_other_programs_are_no_deliveries(zone: LandingZone, marker: str) -> None:
    deliver(zone, f"taobao/{marker}")
    assert (listed(zone, ARCHIVES), zone.list(ARCHIVES).problems) == ({}, ())


def test_what_is_no_file_is_named_and_its_neighbours_are_found(
    zone: LandingZone, tmp_path: Path
) -> None:
    deliver(zone, "diary/mon/1.txt", "elsewhere/1.txt")
    outside = tmp_path / "elsewhere"
    (tmp_path / "diary" / "tue").mkdir()
    os.mkfifo(tmp_path / "diary" / "tue" / "1.txt")
    (tmp_path / "diary" / "mon" / "2.txt").symlink_to(outside / "1.txt")
    (tmp_path / "diary" / "mon" / "3.txt").symlink_to(tmp_path / "diary" / "mon" / "1.txt")
    (tmp_path / "diary" / "wed").symlink_to(outside)
    (tmp_path / "diary" / "thu").symlink_to(tmp_path / "nowhere")
    found = zone.list(PAGES)
    assert listed(zone, PAGES) == {"mon": ["diary/mon/1.txt", "diary/mon/3.txt"]}
    assert [problem.partition(";")[0] for problem in found.problems] == [
        f"diary/mon/2.txt: is a link that leads out of {tmp_path}/diary",
        "diary/thu: is a link to nothing",
        "diary/tue/1.txt: is no file, but a pipe, a device, or a link to a folder",
        "diary/wed: is no file, but a pipe, a device, or a link to a folder",
    ]


def test_a_name_that_is_no_text_is_named_and_its_neighbours_are_found(zone: LandingZone) -> None:
    deliver(zone, "diary/mon/1.txt")
    folder = os.fsencode(f"{zone.uri}/diary/mon")
    for name in (b"gr\xf6\xdfe.txt", b"clear\x1b[2J.txt"):
        with open(folder + b"/" + name, "wb"):
            pass
    assert listed(zone, PAGES) == {"mon": ["diary/mon/1.txt"]}
    fault = "has a name that is no plain UTF-8 text; rename it"
    assert set(zone.list(PAGES).problems) == {
        f"diary/mon/gr\\udcf6\\udcdfe.txt: {fault}",
        f"diary/mon/clear\\x1b[2J.txt: {fault}",
    }


class CountingStore(LocalStore):
    """Counts how often anybody lists."""

    listings = 0

    def list(
        self, prefix: str, after: str = "", on_fault: OnFault | None = None
    ) -> Iterator[StoredObject]:
        type(self).listings += 1
        return super().list(prefix, after, on_fault)


def test_the_objects_of_many_partitions_are_found_in_one_listing(tmp_path: Path) -> None:
    zone = LandingZone(str(tmp_path), CountingStore())
    deliver(zone, "diary/a/1.txt", "diary/b/1.txt", "diary/b/2.txt", "diary/c/1.txt", "diary/d/1")
    found = zone.deliveries(PAGES, ["b", "c", "x"])
    assert {key: len(items) for key, items in found.items()} == {"b": 2, "c": 1}
    assert CountingStore.listings == 1
    assert zone.deliveries(PAGES, []) == {}


def test_a_name_that_makes_no_partition_key_is_told(zone: LandingZone) -> None:
    deliver(zone, "diary/a,b/1.txt", "diary/a/b/1.txt", "diary/a..b/1.txt")
    assert listed(zone, PAGES) == {}
    assert zone.list(PAGES).problems == (
        "diary/a,b/1.txt: 'a,b' cannot be a partition key; rename the object",
        "diary/a..b/1.txt: 'a..b' cannot be a partition key; rename the object",
        "diary/a/b/1.txt: 'a/b' cannot be a partition key; rename the object",
    )


@dataclass(frozen=True)
class Delivered(LocalStore):
    """Holds one object, whatever it is called."""

    path: str

    def require(self, root: str) -> None:
        pass

    def list(
        self,
        prefix: str,
        after: str = "",
        on_fault: OnFault | None = None,  # noqa: ARG002
    ) -> Iterator[StoredObject]:
        uri = f"{prefix}/{self.path}"
        if uri > after:
            yield StoredObject(uri, "etag", 0, datetime.now(UTC))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example("a...b")
@example("a\tb")
def test_every_key_that_is_let_through_is_one_for_dagster(key: str) -> None:
    listing = LandingZone("/landing", Delivered(f"{key}/1.txt")).list(PAGES)
    dg.StaticPartitionsDefinition(list(listing.partitions))
    assert not (listing.partitions and listing.problems)


def test_an_object_that_is_touched_changes_its_partition_only(zone: LandingZone) -> None:
    deliver(zone, "diary/mon/1.txt", "diary/tue/1.txt")
    before = {key: fingerprint(items) for key, items in zone.list(PAGES).partitions.items()}
    os.utime(f"{zone.uri}/diary/mon/1.txt", (1, 1))
    after = {key: fingerprint(items) for key, items in zone.list(PAGES).partitions.items()}
    assert after["mon"] != before["mon"]
    assert after["tue"] == before["tue"]


def test_a_landing_zone_on_s3_is_listed_alike(s3_store: S3Store, bucket: str) -> None:
    zone = LandingZone(f"{bucket}/deliveries", s3_store)
    deliver(zone, "diary/mon/1.txt", "diary/größe ü/1.txt")
    assert listed(zone, PAGES) == {
        "größe ü": ["diary/größe ü/1.txt"],
        "mon": ["diary/mon/1.txt"],
    }


def test_dagster_sees_a_source_as_an_asset_that_others_deliver() -> None:
    spec = ARCHIVES.spec()
    assert spec.key == dg.AssetKey(["landing", "taobao"])
    assert spec.partitions_def is ARCHIVES.partitioning.definition
    assert spec.metadata["pattern"] == r"taobao/taobao_(?P<key>.+)\.tar\.gz"
