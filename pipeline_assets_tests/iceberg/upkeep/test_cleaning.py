import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Timer
from uuid import uuid4

import pytest

from pipeline_assets.dataset.values.objects import ObjectStore, OnFault, StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import version_of
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.growing_tables import append
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.cleaning import Cleaned, clean
from pipeline_assets.iceberg.upkeep.expiry import expire
from pipeline_assets.iceberg.upkeep.verification import verify
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
    """The table's files, without the list of those condemned."""
    location = lake.location(PLAYS)
    return [it.uri for name in ("data", "metadata") for it in store.list(f"{location}/{name}")]


def cleaned(lake: Lake, older_than: datetime = ALWAYS, store: ObjectStore = STORE) -> Cleaned:
    """One pass."""
    (found,) = clean(lake, store, [PLAYS], older_than)
    return found


def cleaned_twice(lake: Lake, store: ObjectStore = STORE) -> Cleaned:
    """Condemn, then remove."""
    assert cleaned(lake, store=store).problem is None
    return cleaned(lake, store=store)


def expired(lake: Lake, older_than: datetime = ALWAYS) -> tuple[int, ...]:
    return expire(lake, PLAYS, older_than).snapshots


def snapshot_ids(lake: Lake) -> list[int]:
    return [entry.snapshot_id for entry in lake.history(PLAYS)]


def test_expired_publishes_are_forgotten_and_the_last_one_never(lake: Lake) -> None:
    first, second, third = (publish(lake, {"mon": {"ada": plays}}) for plays in (1, 2, 3))
    assert expired(lake, NEVER) == ()
    assert expired(lake) == (first, second)
    assert [entry.snapshot_id for entry in lake.history(PLAYS)] == [third]
    assert expired(lake) == ()
    assert content(lake) == {"mon": {"ada": 3}}


def test_a_table_that_was_never_published_has_nothing_to_expire(lake: Lake) -> None:
    assert expired(lake) == ()
    assert cleaned(lake) == Cleaned(PLAYS)


def test_what_was_in_force_at_the_moment_does_not_expire(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    publish(lake, {"mon": {"ada": 2}})
    first, second = lake.history(PLAYS)
    assert expired(lake, second.committed_at) == ()
    gone = expired(lake, second.committed_at + timedelta(milliseconds=1))
    assert gone == (first.snapshot_id,)


def test_what_expired_publishes_made_can_still_be_restored(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}}, "v1")
    publish(lake, {"tue": {"ada": 2}}, "v2")
    then = publish(lake, {"wed": {"ada": 3}}, "v3")
    publish(lake, {"mon": {"bob": 1}, "tue": {}}, "v4")
    for entry in lake.history(PLAYS)[1:3]:
        expire(lake, PLAYS, entry.committed_at + timedelta(milliseconds=1))
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
    monkeypatch.setattr(Lake, "load_to_commit", lambda *_: next(looks))
    gone = expired(lake)
    assert len(gone) == 1
    assert first not in gone


def test_nothing_that_a_kept_publish_refers_to_is_condemned(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}, "tue": {"ada": 1}})
    publish(lake, {"mon": {"ada": 2}})
    assert cleaned(lake, NEVER).condemned.number == 0


def test_files_of_a_forgotten_publish_are_condemned_and_then_removed(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    old = lake.read(PLAYS).files
    publish(lake, {"mon": {"ada": 2}})
    before = files(lake)
    first = cleaned(lake)
    assert first.removed.number == 0
    assert first.condemned.number > len(old)
    assert set(files(lake)) >= set(before)
    assert cleaned(lake).removed == first.condemned
    assert not set(old) & set(files(lake))
    assert content(lake) == {"mon": {"ada": 2}}
    assert publish(lake, {"mon": {"ada": 3}})


def test_what_was_condemned_too_recently_is_kept(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    (lost,) = written(lake, {"mon": {"ada": 2}})
    long_ago = (datetime.now(UTC) - timedelta(days=9)).timestamp()
    os.utime(lost, (long_ago, long_ago))
    for _ in range(2):
        found = cleaned(lake, datetime.now(UTC) - timedelta(days=2))
        assert (found.condemned.number, found.removed.number) == (1, 0)
    assert cleaned(lake).removed.number == 1


def test_what_is_restored_is_taken_off_the_list(lake: Lake) -> None:
    """A restore that began before its snapshot expired publishes files that are condemned."""
    publish(lake, {"mon": {"ada": 1}})
    old = list(lake.read(PLAYS).files)
    publish(lake, {"mon": {"ada": 2}})
    assert cleaned(lake).condemned.number
    lake.publish(PLAYS, old, {"mon": record()})
    cleaned_twice(lake)
    assert content(lake) == {"mon": {"ada": 1}}
    publish(lake, {"mon": {"ada": 3}})
    assert cleaned(lake).expired.snapshots
    assert set(old) <= set(files(lake)), "it is condemned anew, and not as it was before"


def test_four_that_clean_at_once_remove_garbage_and_nothing_else(lake: Lake) -> None:
    for plays in range(4):
        publish(lake, {"mon": {"ada": plays}})
    all_ready = Barrier(4)

    def passes(_: int) -> list[str | None]:
        own = Lake(lake.access)
        all_ready.wait(20)
        return [cleaned(own).problem for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        problems = [problem for found in pool.map(passes, range(4)) for problem in found]
    assert set(problems) == {None}
    assert content(lake) == {"mon": {"ada": 3}}
    cleaned_twice(lake)
    found = cleaned(lake)
    assert (found.condemned.number, found.removed.number) == (0, 0)
    assert verify(lake, PLAYS, deep=True).damages == ()


def test_a_commit_that_storage_knows_before_the_catalog_is_waited_for(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    iceberg = lake.load(PLAYS)
    assert iceberg
    known = Path(iceberg.metadata_location.removeprefix("file://"))
    ahead = known.with_name(f"{version_of(str(known)) + 1:05}-{uuid4()}.metadata.json")
    shutil.copy(known, ahead)
    told = Timer(0.3, publish, (lake, {"mon": {"ada": 2}}))
    told.start()
    assert cleaned(lake).problem is None
    told.join()
    assert content(lake) == {"mon": {"ada": 2}}


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    first = publish(lake, {"mon": {"ada": 2}})
    list(written(lake, {"mon": {"ada": 3}}))
    before = files(lake), snapshot_ids(lake)
    (found,) = clean(lake, STORE, [PLAYS], ALWAYS, is_dry=True)
    assert found.expired.snapshots
    assert first not in found.expired.snapshots
    assert found.condemned.number == 1
    assert (files(lake), snapshot_ids(lake)) == before
    assert cleaned(lake).removed.number == 0


def test_files_that_never_got_published_are_removed_with_their_raw_parts(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    kept = files(lake)
    (never_published,) = written(lake, {"mon": {"ada": 2}})
    STORE.put(f"{Path(never_published).parent}/raw/mon/0", b"raw")
    assert cleaned_twice(lake).removed.number == 2
    assert files(lake) == kept


def test_files_of_a_table_that_was_never_published_are_kept(lake: Lake) -> None:
    list(written(lake, {"mon": {"ada": 2}}))
    assert cleaned_twice(lake) == Cleaned(PLAYS)
    assert len(files(lake)) == 1


def test_what_other_programs_put_there_is_kept(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    strange = [f"{lake.location(PLAYS)}/{it}" for it in ("data/README", "metadata/stats.puffin")]
    for uri in strange:
        STORE.put(uri, b"not ours")
    cleaned_twice(lake)
    assert set(strange) <= set(files(lake))


def test_orphans_of_appends_are_removed_although_the_folder_is_in_use(lake: Lake) -> None:
    rows = (
        lake.arrow_schema(PLAYS)
        .empty_table()
        .from_pylist(
            [{"listener": "ada", "plays": 1, "day": "mon"}], schema=lake.arrow_schema(PLAYS)
        )
    )
    append(lake, PLAYS, rows)
    (kept,) = lake.read(PLAYS).files
    lost = (
        f"{lake.location(PLAYS)}/data/day=mon/00000-0-0e9f8a7b-1111-4222-8333-444455556666.parquet"
    )
    STORE.put(lost, Path(kept).read_bytes())
    assert cleaned_twice(lake).removed.number == 1
    assert kept in files(lake)


@pytest.mark.parametrize("loss", ["lost", "emptied", "wrong"])
def test_nothing_is_removed_without_the_catalog(lake: Lake, loss: str) -> None:
    publish(lake, {"mon": {"ada": 1}})
    publish(lake, {"mon": {"ada": 2}})
    before = files(lake)
    catalog = Path(lake.access.warehouse) / "catalog.db"
    if loss == "wrong":
        other = sqlite_uri(catalog.with_name("other.db"))
        lake = replace(lake, access=replace(lake.access, uri=other))
    elif loss == "lost":
        catalog.unlink()
    else:
        catalog.write_bytes(b"")
    for _ in range(2):
        assert "run: pipeline-assets recover" in str(cleaned(lake).problem)
    assert files(lake) == before
    with pytest.raises(PipelineError, match=r"the catalog does not know music.plays, but .* holds"):
        lake.read(PLAYS)
    with pytest.raises(PipelineError, match="does not know"):
        publish(lake, {"mon": {"ada": 3}})


@pytest.mark.parametrize("publishes", [1, 2])
def test_nothing_is_removed_with_a_catalog_of_an_older_backup(lake: Lake, publishes: int) -> None:
    publish(lake, {"mon": {"ada": 1}})
    catalog = Path(lake.access.warehouse) / "catalog.db"
    backup = catalog.read_bytes()
    for plays in range(publishes):
        publish(lake, {"tue": {"ada": plays}})
    before = files(lake)
    catalog.write_bytes(backup)
    for _ in range(2):
        assert "pipeline-assets recover" in str(cleaned(lake).problem)
    assert files(lake) == before
    assert snapshot_ids(lake) == snapshot_ids(lake)[:1]


def test_nothing_is_published_with_a_catalog_of_an_older_backup(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    catalog = Path(lake.access.warehouse) / "catalog.db"
    backup = catalog.read_bytes()
    publish(lake, {"tue": {"ada": 1}})
    publish(lake, {"wed": {"ada": 1}})
    catalog.write_bytes(backup)
    with pytest.raises(PipelineError, match=r"knows commit 1 of music.plays, .* holds commit 3"):
        publish(lake, {"mon": {"ada": 2}})


def test_snapshots_that_somebody_protects_stay_and_keep_no_others(lake: Lake) -> None:
    ids = [publish(lake, {f"day-{day}": {"ada": day}}, f"v{day}") for day in range(5)]
    iceberg = lake.load(PLAYS)
    assert iceberg is not None
    iceberg.manage_snapshots().create_tag(ids[1], "audit").commit()
    found = cleaned(lake)
    assert found.expired.snapshots == (ids[0], ids[2], ids[3])
    assert found.expired.protected == (f"{ids[1]} (tag audit)",)
    assert str(found).endswith(f"kept: snapshot {ids[1]} (tag audit)")
    cleaned(lake)
    lake.restore(PLAYS, ids[1])
    assert content(lake) == {"day-0": {"ada": 0}, "day-1": {"ada": 1}}
    assert sorted(it.version for it in lake.read(PLAYS).records.values()) == ["v0", "v1"]


def test_a_snapshot_expires_once_nobody_protects_it(lake: Lake) -> None:
    ids = [publish(lake, {f"day-{day}": {"ada": day}}) for day in range(3)]
    iceberg = lake.load(PLAYS)
    assert iceberg is not None
    iceberg.manage_snapshots().create_tag(ids[0], "audit").commit()
    assert expired(lake) == (ids[1],)
    iceberg = lake.load(PLAYS)
    assert iceberg is not None
    iceberg.manage_snapshots().remove_tag("audit").commit()
    assert expired(lake) == (ids[0],)
    assert set(content(lake)) == {"day-0", "day-1", "day-2"}


def test_one_table_that_cannot_be_cleaned_does_not_keep_the_others(lake: Lake) -> None:
    other = replace(PLAYS, name="others")
    publish(lake, {"mon": {"ada": 1}})
    publish(lake, {"mon": {"ada": 1}}, table=other)
    list(written(lake, {"mon": {"ada": 1}}, other))
    metadata = next((Path(lake.location(PLAYS)) / "metadata").glob("00001-*.json"))
    metadata.write_bytes(b"{}")
    for _ in range(2):
        bad, good = clean(lake, STORE, [PLAYS, other], ALWAYS)
    assert "metadata of music.plays that cannot be read" in str(bad.problem)
    assert good.removed.number == 1


def test_raw_parts_live_as_long_as_one_file_beside_them(lake: Lake) -> None:
    paths = list(written(lake, {"mon": {"ada": 1}, "tue": {"ada": 1}}))
    raw = f"{Path(paths[0]).parent}/raw/mon/0"
    STORE.put(raw, b"raw")
    lake.publish(PLAYS, paths, {"mon": record(), "tue": record()})
    publish(lake, {"mon": {"ada": 2}})
    cleaned_twice(lake)
    assert raw in files(lake)
    assert paths[0] not in files(lake)
    publish(lake, {"tue": {"ada": 2}})
    cleaned_twice(lake)
    assert raw not in files(lake)


def test_a_run_that_still_writes_is_left_alone(lake: Lake) -> None:
    now = datetime.now(UTC)
    (early,) = written(lake, {"mon": {"ada": 1}})
    long_ago = (now - timedelta(days=2)).timestamp()
    os.utime(early, (long_ago, long_ago))
    yesterday = now - timedelta(days=1)
    late = f"{Path(early).parent}/raw/mon/1"
    STORE.put(late, b"just now")
    publish(lake, {"tue": {"ada": 1}})
    assert cleaned(lake, yesterday).condemned.number == 0
    os.utime(late, (long_ago, long_ago))
    assert cleaned(lake, yesterday).condemned.number == 2


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
    for _ in range(2):
        cleaned(lake, store=PublishesWhileListed())
    assert content(lake) == {"mon": {"ada": 1}, "tue": {"ada": 2}}


def test_nothing_is_removed_from_a_lake_that_was_moved(tmp_path: Path, lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}})
    moved = replace(lake, access=replace(lake.access, warehouse=str(tmp_path / "moved")))
    assert "if the lake was moved" in str(cleaned(moved).problem)


def test_old_metadata_in_the_log_is_kept(lake: Lake) -> None:
    for plays in range(3):
        publish(lake, {"mon": {"ada": plays}})
    cleaned_twice(lake)
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
        uri = f"{data}/{plays:032x}/0.parquet"
        s3_store.put(uri, Path(path).read_bytes())
        lake.publish(PLAYS, [uri], {"mon": record()})
    s3_store.put(f"{data}/{0:032x}/raw/a%2Fb/0", b"raw")
    assert cleaned_twice(lake, s3_store).removed.number > 2
    assert [uri for uri in files(lake, s3_store) if uri.endswith(".parquet")] == [uri]
    assert lake.rows(PLAYS, lake.read(PLAYS)).to_pylist() == [
        {"listener": "ada", "plays": 2, "day": "mon"}
    ]
