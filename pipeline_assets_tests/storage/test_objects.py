import errno
import os
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_assets.dataset.values.objects import ObjectStore, encode_key, fingerprint
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.objects import LocalStore, S3Store, free_space
from pipeline_assets.storage.s3_access import S3Access

Place = tuple[ObjectStore, str]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return LocalStore(), str(tmp_path)
    return request.getfixturevalue("s3_store"), request.getfixturevalue("bucket")


def names(place: Place, prefix: str = "") -> list[str]:
    store, root = place
    return [item.uri.removeprefix(f"{root}/") for item in store.list(f"{root}/{prefix}")]


def test_what_is_put_can_be_opened_and_listed(place: Place) -> None:
    store, root = place
    store.put(f"{root}/b/two words?.txt", b"2")
    store.put(f"{root}/a.txt", b"one")
    assert names(place) == ["a.txt", "b/two words?.txt"]
    with store.open(f"{root}/a.txt") as file:
        assert (file.read(2), file.read()) == (b"on", b"e")


def test_a_listing_tells_size_and_time(place: Place) -> None:
    store, root = place
    store.put(f"{root}/a.txt", b"one")
    (item,) = store.list(root)
    assert item.size == 3
    assert abs(item.modified - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(place: Place) -> None:
    store, root = place
    store.put(f"{root}/core/1", b"")
    store.put(f"{root}/core_features/1", b"")
    assert names(place, "core") == ["core/1"]
    assert names(place, "nothing") == []


def test_putting_again_replaces_and_changes_the_identity(place: Place) -> None:
    store, root = place
    store.put(f"{root}/a", b"one")
    before = fingerprint(store.list(root))
    store.put(f"{root}/a", b"other")
    with store.open(f"{root}/a") as file:
        assert file.read() == b"other"
    assert fingerprint(store.list(root)) != before


@pytest.mark.parametrize("command", [("cp", "-p"), ("mv",)])  # rsync ends with a rename, too
def test_a_file_of_the_same_size_and_time_is_another_object(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    store, landed, corrected = LocalStore(), tmp_path / "zone" / "a", tmp_path / "corrected"
    store.put(str(landed), b"1,4")
    (listed,) = store.list(str(landed.parent))
    corrected.write_bytes(b"1,5")
    time.sleep(0.15)
    times = landed.stat()
    os.utime(corrected, ns=(times.st_mtime_ns, times.st_mtime_ns))
    subprocess.run([*command, str(corrected), str(landed)], check=True)
    (replaced,) = store.list(str(landed.parent))
    assert (replaced.size, replaced.modified) == (listed.size, listed.modified)
    assert replaced.etag != listed.etag
    with pytest.raises(PipelineError, match="was overwritten while it was read"):
        store.open(listed.uri, listed.etag)
    with store.open(replaced.uri, replaced.etag) as file:
        assert file.read() == b"1,5"


def test_a_file_that_was_simply_written_has_the_etag_that_lakes_have_recorded(
    tmp_path: Path,
) -> None:
    LocalStore().put(str(tmp_path / "a"), b"one")
    (item,) = LocalStore().list(str(tmp_path))
    assert item.etag == f"3-{(tmp_path / 'a').stat().st_mtime_ns:x}"


def test_an_object_that_was_overwritten_since_it_was_listed_is_not_read(place: Place) -> None:
    store, root = place
    store.put(f"{root}/a", b"listed")
    (listed,) = store.list(root)
    with store.open(listed.uri, listed.etag) as file:
        assert file.read() == b"listed"
    store.put(f"{root}/a", b"overwritten")
    with pytest.raises(PipelineError, match="/a was overwritten while it was read; run again"):
        store.open(listed.uri, listed.etag)


def test_an_archived_object_is_named_as_such_and_its_neighbours_are_read(
    s3_store: S3Store, bucket: str
) -> None:
    s3_store.put(f"{bucket}/near", b"1")
    s3_store.client.put_object(
        Bucket=bucket.removeprefix("s3://"), Key="cold", Body=b"2", StorageClass="GLACIER"
    )
    assert len(list(s3_store.list(bucket))) == 2
    with pytest.raises(PipelineError, match=r"/cold is archived: restore it \(aws s3api"):
        s3_store.open(f"{bucket}/cold")
    with s3_store.open(f"{bucket}/near") as stream:
        assert stream.read() == b"1"


def test_what_is_moved_has_another_name(place: Place) -> None:
    store, root = place
    store.put(f"{root}/new/a", b"one")
    store.put(f"{root}/a", b"old")
    store.move(f"{root}/new/a", f"{root}/a")
    assert names(place) == ["a"]


def test_a_copy_is_an_object_of_its_own(place: Place) -> None:
    store, root = place
    store.put(f"{root}/new/a", b"one")
    store.put(f"{root}/a", b"old")
    store.copy(f"{root}/new/a", f"{root}/a")
    store.delete([f"{root}/new/a"])
    assert names(place) == ["a"]
    with store.open(f"{root}/a") as stream:
        assert stream.read() == b"one"
    with pytest.raises(PipelineError, match=r"/absent"):
        store.copy(f"{root}/absent", f"{root}/b")
    assert names(place) == ["a"]


def test_deleting_what_is_not_there_is_no_error(place: Place) -> None:
    store, root = place
    store.put(f"{root}/a", b"")
    store.put(f"{root}/b", b"")
    store.delete([f"{root}/a", f"{root}/c/d"])
    assert names(place) == ["b"]


def test_what_cannot_be_reached_is_told_in_one_line(place: Place) -> None:
    store, root = place
    store.require(root)
    with pytest.raises(PipelineError, match="no-such") as raised:
        store.require(f"{root}-no-such")
    assert "\n" not in str(raised.value)
    with pytest.raises(PipelineError, match=f"{root}/missing"):
        store.open(f"{root}/missing")


def test_folders_left_empty_go_with_their_last_file(tmp_path: Path) -> None:
    LocalStore().put(f"{tmp_path}/data/one/raw/1", b"")
    LocalStore().put(f"{tmp_path}/data/two/1", b"")
    LocalStore().delete([f"{tmp_path}/data/one/raw/1"], below=str(tmp_path))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["two"]


def test_no_folder_goes_that_may_be_somebody_elses(tmp_path: Path) -> None:
    store, lake = LocalStore(), tmp_path / "mine" / "lake"
    lake.mkdir(parents=True)
    store.put(f"{lake}/data/attempt/1", b"")
    store.delete([f"{lake}/data/attempt/1"], below=str(lake))
    assert list(lake.iterdir()) == []
    store.put(f"{lake}/probe", b"")
    store.delete([f"{lake}/probe"])
    assert lake.exists()


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path) -> None:
    (tmp_path / "in the way").mkdir()
    with pytest.raises(PipelineError, match=r"^Cannot write .*in the way: Is a directory$"):
        LocalStore().put(f"{tmp_path}/in the way", b"text")
    assert [path.name for path in tmp_path.iterdir()] == ["in the way"]


def test_a_folder_can_be_listed_while_files_go(tmp_path: Path) -> None:
    (tmp_path / "stays").touch()
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            LocalStore().put(f"{tmp_path}/a/b", b"")
            LocalStore().delete([f"{tmp_path}/a/b"], below=str(tmp_path))

    busy = threading.Thread(target=come_and_go)
    busy.start()
    try:
        for _ in range(300):
            assert len(list(LocalStore().list(str(tmp_path)))) <= 2
    finally:
        done.set()
        busy.join()


def test_more_objects_than_s3_deletes_at_once(s3_store: S3Store, bucket: str) -> None:
    for name in ("a", "b", "c"):
        s3_store.put(f"{bucket}/{name}", b"")
    s3_store.delete(f"{bucket}/{name}" for name in ["a", *map(str, range(1500)), "b"])
    assert names((s3_store, bucket)) == ["c"]


def test_a_reader_goes_on_where_the_connection_broke(s3_store: S3Store, bucket: str) -> None:
    s3_store.put(f"{bucket}/a", b"0123456789")
    with s3_store.open(f"{bucket}/a") as file:
        assert file.read(4) == b"0123"
        file._body = _Broken()  # type: ignore[attr-defined]
        assert file.read() == b"456789"


class _Broken:
    def read(self, _size: int | None) -> bytes:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    def close(self) -> None:
        pass


def test_an_object_that_is_overwritten_while_it_is_read_is_an_error(
    s3_store: S3Store, bucket: str
) -> None:
    s3_store.put(f"{bucket}/a", b"0123456789")
    with s3_store.open(f"{bucket}/a") as file:
        file.read(4)
        s3_store.put(f"{bucket}/a", b"abcdefghij")
        file._body = _Broken()  # type: ignore[attr-defined]
        with pytest.raises(PipelineError, match="/a was overwritten while it was read"):
            file.read()


def test_one_store_is_used_from_many_threads(s3: S3Access, bucket: str) -> None:
    s3_store = S3Store(s3)
    threads = [
        threading.Thread(target=s3_store.put, args=(f"{bucket}/{number:02}", b""))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names((s3_store, bucket))) == 16


@given(st.text(), st.text())
@example("a/b", "a%2Fb")
@example(".", "..")
@example("%2E", ".")
def test_different_keys_are_different_segments_of_a_path(one: str, other: str) -> None:
    assert unquote(encode_key(one)) == one
    assert (encode_key(one) == encode_key(other)) == (one == other)
    assert "/" not in encode_key(one)
    assert encode_key(one) not in {".", ".."}
    assert urlsplit(f"/lake/{encode_key(one)}").path == f"/lake/{encode_key(one)}"


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    assert (free_space(f"{tmp_path}/not/yet") or 0) > 0
    assert free_space("s3://bucket/prefix") is None
