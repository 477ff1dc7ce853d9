import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline_assets.dataset.values.objects import ObjectStore, OnFault, StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.maintenance import Removed, expire, orphans, remove_orphans
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.storage.objects import LocalStore, S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.landing.plays import PLAYS, content, local_lake, publish, record, written

ALWAYS = datetime.max.replace(tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)
STORE = LocalStore()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path / "lake")


def files(lake: Lake, store: ObjectStore = STORE) -> list[str]:
    return [item.uri for item in store.list(lake.location(PLAYS))]


def test_expired_publishes_are_forgotten_and_the_last_one_never(lake: Lake) -> None:
    first, second, third = (publish(lake, {"mon": {"ada": plays}}) for plays in (1, 2, 3))
    assert expire(lake, PLAYS, NEVER) == ()
    assert expire(lake, PLAYS, ALWAYS) == (first, second)
    assert [entry.snapshot_id for entry in lake.history(PLAYS)] == [third]
    assert expire(lake, PLAYS, ALWAYS) == ()
    assert content(lake) == {"mon": {"ada": 3}}


def test_a_table_that_was_never_published_has_nothing_to_expire(lake: Lake) -> None:
    assert expire(lake, PLAYS, ALWAYS) == ()
    assert remove_orphans(lake, STORE, PLAYS, ALWAYS) == Removed(0, 0)


def test_what_was_in_force_at_the_moment_does_not_expire(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    publish(lake, {"mon": {"ada": 2}})
    first, second = lake.history(PLAYS)
    assert expire(lake, PLAYS, second.committed_at) == ()
    expired = expire(lake, PLAYS, second.committed_at + timedelta(milliseconds=1))
    assert expired == (first.snapshot_id,)


def test_what_expired_publishes_made_can_still_be_restored(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}}, "v1")
    publish(lake, {"tue": {"ada": 2}}, "v2")
    then = publish(lake, {"wed": {"ada": 3}}, "v3")
    publish(lake, {"mon": {"bob": 1}, "tue": {}}, "v4")
    for entry in lake.history(PLAYS)[1:3]:
        expire(lake, PLAYS, entry.committed_at + timedelta(milliseconds=1))
    remove_orphans(lake, STORE, PLAYS, ALWAYS)
    lake.restore(PLAYS, then)
    assert content(lake) == {"mon": {"ada": 1}, "tue": {"ada": 2}, "wed": {"ada": 3}}
    versions = {key: made.version for key, made in lake.read(PLAYS).records.items()}
    assert versions == {"mon": "v1", "tue": "v2", "wed": "v3"}


def test_two_that_expire_the_same_publishes_do_not_disturb_each_other(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(lake, {"mon": {"ada": 1}})
    publish(lake, {"mon": {"ada": 2}})
    publish(lake, {"mon": {"ada": 3}})
    seen_by_the_other = lake.load(PLAYS)
    expire(lake, PLAYS, lake.history(PLAYS)[1].committed_at + timedelta(milliseconds=1))
    looks = iter([seen_by_the_other, lake.load(PLAYS)])
    monkeypatch.setattr(Lake, "load", lambda *_: next(looks))
    expired = expire(lake, PLAYS, ALWAYS)
    assert len(expired) == 1
    assert first not in expired


def test_nothing_that_a_kept_publish_refers_to_is_an_orphan(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}, "tue": {"ada": 1}})
    publish(lake, {"mon": {"ada": 2}})
    assert orphans(lake, STORE, PLAYS, ALWAYS) == ()


def test_files_of_a_forgotten_publish_are_removed(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    old = lake.read(PLAYS).files
    publish(lake, {"mon": {"ada": 2}})
    expire(lake, PLAYS, ALWAYS)
    found = orphans(lake, STORE, PLAYS, ALWAYS)
    assert set(old) <= {item.uri for item in found}
    assert any(item.uri.endswith(".avro") for item in found)
    expected = Removed(len(found), sum(item.size for item in found))
    assert remove_orphans(lake, STORE, PLAYS, ALWAYS) == expected
    assert content(lake) == {"mon": {"ada": 2}}
    assert publish(lake, {"mon": {"ada": 3}})


def test_files_that_never_got_published_are_removed_with_their_raw_parts(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    kept = files(lake)
    (never_published,) = written(lake, {"mon": {"ada": 2}})
    STORE.put(f"{Path(never_published).parent}/raw/mon/0", b"raw")
    assert remove_orphans(lake, STORE, PLAYS, ALWAYS).files == 2
    assert files(lake) == kept


def test_files_of_a_first_publish_that_failed_are_removed(lake: Lake) -> None:
    list(written(lake, {"mon": {"ada": 2}}))
    assert remove_orphans(lake, STORE, PLAYS, ALWAYS).files == 1
    assert files(lake) == []


def test_raw_parts_live_as_long_as_one_file_beside_them(lake: Lake) -> None:
    paths = list(written(lake, {"mon": {"ada": 1}, "tue": {"ada": 1}}))
    raw = f"{Path(paths[0]).parent}/raw/mon/0"
    STORE.put(raw, b"raw")
    lake.publish(PLAYS, paths, {"mon": record(), "tue": record()})
    publish(lake, {"mon": {"ada": 2}})
    expire(lake, PLAYS, ALWAYS)
    remove_orphans(lake, STORE, PLAYS, ALWAYS)
    assert raw in files(lake)
    assert paths[0] not in files(lake)
    publish(lake, {"tue": {"ada": 2}})
    expire(lake, PLAYS, ALWAYS)
    remove_orphans(lake, STORE, PLAYS, ALWAYS)
    assert raw not in files(lake)


def test_a_run_that_still_writes_is_left_alone(lake: Lake) -> None:
    now = datetime.now(UTC)
    (early,) = written(lake, {"mon": {"ada": 1}})
    long_ago = (now - timedelta(days=2)).timestamp()
    os.utime(early, (long_ago, long_ago))
    yesterday = now - timedelta(days=1)
    late = f"{Path(early).parent}/raw/mon/1"
    STORE.put(late, b"just now")
    assert orphans(lake, STORE, PLAYS, older_than=yesterday) == ()
    os.utime(late, (long_ago, long_ago))
    assert len(orphans(lake, STORE, PLAYS, older_than=yesterday)) == 2


def test_what_is_committed_while_orphans_are_looked_for_is_none(lake: Lake) -> None:
    class PublishesWhileListed(LocalStore):
        def list(
            self,
            prefix: str,
            after: str = "",
            on_fault: OnFault | None = None,  # noqa: ARG002
        ) -> Iterator[StoredObject]:
            listed = list(super().list(prefix, after))
            publish(lake, {"tue": {"ada": 2}})
            return iter(listed)

    publish(lake, {"mon": {"ada": 1}})
    assert orphans(lake, PublishesWhileListed(), PLAYS, ALWAYS) == ()


def test_nothing_is_removed_from_a_lake_that_was_moved(tmp_path: Path, lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    moved = replace(lake, access=replace(lake.access, warehouse=str(tmp_path / "moved")))
    with pytest.raises(PipelineError, match=r"was the lake moved\? Nothing is removed$"):
        remove_orphans(moved, STORE, PLAYS, ALWAYS)


def test_old_metadata_in_the_log_is_kept(lake: Lake) -> None:
    for plays in range(3):
        publish(lake, {"mon": {"ada": plays}})
    expire(lake, PLAYS, ALWAYS)
    remove_orphans(lake, STORE, PLAYS, ALWAYS)
    iceberg = lake.load(PLAYS)
    assert iceberg is not None
    for entry in iceberg.metadata.metadata_log:
        assert json.loads(Path(entry.metadata_file).read_text())["table-uuid"]


def test_orphans_on_s3_are_removed(
    tmp_path: Path, s3: S3Access, s3_store: S3Store, bucket: str
) -> None:
    lake = Lake(CatalogAccess(sqlite_uri(tmp_path / "catalog.db"), f"{bucket}/lake", s3))
    data = f"{lake.location(PLAYS)}/data"
    local = local_lake(tmp_path)
    for plays in (1, 2):
        (path,) = written(local, {"mon": {"ada": plays}})
        uri = f"{data}/publication-{plays}/0.parquet"
        s3_store.put(uri, Path(path).read_bytes())
        lake.publish(PLAYS, [uri], {"mon": record()})
    s3_store.put(f"{data}/killed/raw/a%2Fb/0", b"raw")
    expire(lake, PLAYS, ALWAYS)
    assert remove_orphans(lake, s3_store, PLAYS, ALWAYS).files > 2
    assert [uri for uri in files(lake, s3_store) if "/data/" in uri] == [uri]
    assert lake.rows(PLAYS, lake.read(PLAYS)).to_pylist() == [
        {"listener": "ada", "plays": 2, "day": "mon"}
    ]
