import errno
import gzip
import hashlib
import io
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.domains.taobao.archive import Extractor, Row
from pipeline_assets.errors import PipelineError

NAME = "landing/taobao/taobao_train.tar.gz"
MEMBERS = ("sample_skeleton_train.csv", "common_features_train.csv")
SKELETON = b"1,0,0,a,0,\n2,1,0,a,0,\r\n3,0,0,\xff,0,\n4,0,0,b,0"
COMMON = b"a,0,\nb,0,\n"


@dataclass
class MemoryStore:
    """Keeps parts by URI and counts how many are stored at a time."""

    delay: float = 0
    parts: dict[str, bytes] = field(default_factory=dict)
    most_at_a_time: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, name: str, data: bytes) -> str:
        with self._lock:
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
        time.sleep(self.delay)
        uri = f"memory://{name}"
        self.parts[uri] = data
        with self._lock:
            self._now -= 1
        return uri

    def text(self, rows: list[Row]) -> bytes:
        return b"".join(self.parts[row["part_uri"]] for row in rows)


def archive_of(contents: Mapping[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    packed.seek(0)
    return packed


def extract(
    extractor: Extractor, skeleton: bytes = SKELETON, common: bytes = COMMON
) -> tuple[list[Row], list[Row]]:
    """The rows of the skeleton's parts, and of the common features' parts."""
    archive = archive_of(dict(zip(MEMBERS, (skeleton, common), strict=True)))
    rows = extractor.extract(archive, NAME, MEMBERS)
    ours, theirs = ([row for row in rows if row["member"] == member] for member in MEMBERS)
    return ours, theirs


def test_members_are_stored_as_parts_of_whole_lines() -> None:
    store = MemoryStore()
    skeleton, common = extract(Extractor(store, part_bytes=25))
    assert store.parts == {
        "memory://00000-sample_skeleton_train.csv": b"1,0,0,a,0,\n2,1,0,a,0,\n",
        "memory://00001-sample_skeleton_train.csv": b"\x1a3,0,0,\\xff,0,\n4,0,0,b,0\n",
        "memory://00000-common_features_train.csv": COMMON,
    }
    assert skeleton[1] == {
        "source_uri": f"{NAME}#sample_skeleton_train.csv",
        "member": "sample_skeleton_train.csv",
        "part": 1,
        "part_uri": "memory://00001-sample_skeleton_train.csv",
        "first_line": 3,
        "line_count": 2,
        "escaped_lines": 1,
        "size_bytes": 25,
        "unterminated_line": 4,
        "member_size_bytes": len(SKELETON),
        "member_sha256": hashlib.sha256(SKELETON).hexdigest(),
    }
    assert [row["line_count"] for row in common] == [2]


def test_size_and_digest_are_of_the_bytes_in_the_archive() -> None:
    skeleton, _ = extract(Extractor(MemoryStore()))
    assert {row["member_size_bytes"] for row in skeleton} == {len(SKELETON)}
    assert skeleton[0]["member_sha256"] == hashlib.sha256(SKELETON).hexdigest()


def test_a_byte_order_mark_costs_no_line() -> None:
    store = MemoryStore()
    skeleton, _ = extract(Extractor(store), skeleton=b"\xef\xbb\xbf1,0,0,a,0,\n\xef\xbb\xbf2")
    assert store.parts[skeleton[0]["part_uri"]] == b"1,0,0,a,0,\n\x1a\\xef\\xbb\\xbf2\n"
    assert skeleton[0]["member_size_bytes"] == 18


def test_a_member_that_ends_inside_a_line_says_so() -> None:
    skeleton, common = extract(Extractor(MemoryStore(), part_bytes=12))
    assert [row["unterminated_line"] for row in skeleton] == [4] * 4
    assert [row["unterminated_line"] for row in common] == [0]


def test_an_empty_member_has_no_parts() -> None:
    skeleton, _ = extract(Extractor(MemoryStore()), skeleton=b"")
    assert skeleton == []


def test_members_come_in_the_order_asked_for() -> None:
    archive = archive_of({MEMBERS[1]: COMMON, MEMBERS[0]: SKELETON})
    rows = Extractor(MemoryStore()).extract(archive, NAME, MEMBERS)
    assert tuple(row["member"] for row in rows) == MEMBERS


@given(st.lists(st.binary(max_size=30)), st.integers(1, 100), st.integers(1, 4))
def test_every_part_reaches_the_store(lines: list[bytes], part_bytes: int, writers: int) -> None:
    content = b"".join(line.hex().encode() + b"\n" for line in lines)
    store = MemoryStore()
    skeleton, common = extract(Extractor(store, part_bytes, writers), skeleton=content)
    assert store.text(skeleton) == content
    assert store.text(common) == COMMON
    assert sum(row["line_count"] for row in skeleton) == len(lines)


def test_parts_are_stored_at_the_same_time_but_not_too_many() -> None:
    store = MemoryStore(delay=0.002)
    extract(Extractor(store, part_bytes=10, writers=3), skeleton=b"0123456\n" * 50)
    assert store.most_at_a_time == 3


def test_progress_adds_up_to_the_archive() -> None:
    steps: list[int] = []
    archive = archive_of({MEMBERS[0]: SKELETON, MEMBERS[1]: COMMON})
    Extractor(MemoryStore(), progress=steps.append).extract(archive, NAME, MEMBERS)
    assert sum(steps) == len(archive.getvalue())


def test_a_corrupt_archive_gives_no_result_though_all_members_were_read() -> None:
    archive = archive_of({MEMBERS[0]: SKELETON, MEMBERS[1]: COMMON})
    damaged = bytearray(archive.getvalue())
    damaged[-8] ^= 1
    with pytest.raises(PipelineError, match=rf"^{NAME} is corrupt \(CRC .*; deliver it again$"):
        Extractor(MemoryStore()).extract(io.BytesIO(damaged), NAME, MEMBERS)


def test_an_overlong_line_is_told_with_its_member() -> None:
    with pytest.raises(PipelineError, match=f"^{NAME}: {MEMBERS[0]} has a line of more than 1,048"):
        extract(Extractor(MemoryStore()), skeleton=bytes(3_000_000))


def test_a_full_disk_is_told_in_one_line_and_leaves_no_thread() -> None:
    def full_disk(_name: str, _data: bytes) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "/lake/part-0")

    before = threading.active_count()
    with pytest.raises(PipelineError, match=r"^Part 0 of sample_skeleton.*No space left.*again$"):
        extract(Extractor(full_disk))
    assert threading.active_count() == before


def test_an_archive_is_read_forward_only() -> None:
    class Pipe(io.BytesIO):
        def seek(self, _offset: int, _whence: int = 0, /) -> int:
            raise io.UnsupportedOperation("seek")

        def tell(self) -> int:
            raise io.UnsupportedOperation("tell")

    archive = archive_of({MEMBERS[0]: SKELETON, MEMBERS[1]: COMMON})
    skeleton, _ = Extractor(MemoryStore()).extract(Pipe(archive.getvalue()), NAME, MEMBERS)
    assert skeleton["member_size_bytes"] == len(SKELETON)


def test_a_gzip_of_another_maker_is_read() -> None:
    raw = gzip.decompress(archive_of({MEMBERS[0]: SKELETON, MEMBERS[1]: COMMON}).getvalue())
    packed = io.BytesIO(gzip.compress(raw, compresslevel=1, mtime=1))
    assert len(Extractor(MemoryStore()).extract(packed, NAME, MEMBERS)) == 2
