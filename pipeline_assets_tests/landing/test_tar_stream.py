import contextlib
import gzip
import io
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.tar_stream import MAX_HEADER_BYTES, TarMember, stream_members

TarFormat = Literal[0, 1, 2]  # as `tarfile` numbers USTAR, GNU and PAX

EXPECTED = ("a.csv", "b.csv")
SKELETON = b"1,0\n2,1\n"
COMMON = b"x,9\n" * 1000


@dataclass(frozen=True)
class Entry:
    """A tar entry to build; `claimed` is the size its header names."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    linkname: str = ""
    claimed: int | None = None
    pax: dict[str, str] = field(default_factory=dict)

    def pack(self, tar_format: TarFormat) -> bytes:
        info = tarfile.TarInfo(self.name)
        info.type, info.linkname, info.pax_headers = self.type, self.linkname, self.pax
        info.size = len(self.content) if self.claimed is None else self.claimed
        header = info.tobuf(tar_format, "utf-8", "surrogateescape")
        return header + self.content + b"\0" * (-len(self.content) % tarfile.BLOCKSIZE)


SOUND = (Entry("a.csv", SKELETON), Entry("b.csv", COMMON))


def tar(*entries: Entry, tar_format: TarFormat = tarfile.GNU_FORMAT) -> bytes:
    return b"".join(entry.pack(tar_format) for entry in entries) + b"\0" * 2 * tarfile.BLOCKSIZE


def read(tgz: bytes, progress: Callable[[int], None] = lambda _: None) -> dict[str, bytes]:
    members = stream_members(io.BytesIO(tgz), "taobao_train.tar.gz", EXPECTED, progress)
    return {member.name: b"".join(member.chunks) for member in members}


def fault_of(tgz: bytes) -> str:
    with pytest.raises(PipelineError) as caught:
        read(tgz)
    message = str(caught.value)
    assert message.startswith("taobao_train.tar.gz")
    assert "\n" not in message
    assert message.endswith(("; deliver it again", "; pack just a.csv and b.csv as plain files"))
    return message


def test_the_members_are_streamed_in_the_order_of_the_archive() -> None:
    assert read(gzip.compress(tar(*SOUND))) == {"a.csv": SKELETON, "b.csv": COMMON}
    assert list(read(gzip.compress(tar(*reversed(SOUND))))) == ["b.csv", "a.csv"]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_every_tar_format_is_read(tar_format: TarFormat) -> None:
    assert read(gzip.compress(tar(*SOUND, tar_format=tar_format)))["b.csv"] == COMMON


def test_posix_extensions_are_read() -> None:
    entries = (Entry("a.csv", SKELETON, pax={"mtime": "1.5", "comment": "é" * 300}), SOUND[1])
    assert read(gzip.compress(tar(*entries, tar_format=tarfile.PAX_FORMAT)))["a.csv"] == SKELETON


def test_a_folder_packed_from_inside_is_read() -> None:
    entries = (
        Entry("./", type=tarfile.DIRTYPE),
        Entry("./a.csv", SKELETON),
        Entry("./b.csv", COMMON),
    )
    assert read(gzip.compress(tar(*entries))) == {"a.csv": SKELETON, "b.csv": COMMON}


def test_an_archive_of_several_gzip_streams_is_read() -> None:
    raw = tar(*SOUND)
    assert read(gzip.compress(raw[:700]) + gzip.compress(raw[700:]))["b.csv"] == COMMON


def test_an_unread_member_is_skipped() -> None:
    tgz = gzip.compress(tar(*SOUND))
    members = stream_members(io.BytesIO(tgz), "x.tar.gz", EXPECTED, lambda _: None)
    assert [member.name for member in members] == ["a.csv", "b.csv"]


def test_progress_adds_up_to_the_archive() -> None:
    steps: list[int] = []
    tgz = gzip.compress(tar(*SOUND))
    read(tgz, steps.append)
    assert sum(steps) == len(tgz)


@pytest.mark.parametrize(
    ("intruder", "what"),
    [
        (Entry("../a.csv", SKELETON), "holds the unexpected member '../a.csv'"),
        (Entry("/a.csv", SKELETON), "holds the unexpected member '/a.csv'"),
        (Entry("x/../a.csv", SKELETON), "holds the unexpected member 'x/../a.csv'"),
        (Entry("extra\n.csv", SKELETON), "holds the unexpected member 'extra\\n.csv'"),
        (Entry("y" * 300, SKELETON), f"holds the unexpected member '{'y' * 97}...'"),
        (Entry("folder", type=tarfile.DIRTYPE), "holds the unexpected member 'folder'"),
        (Entry("..", type=tarfile.DIRTYPE), "holds the unexpected member '..'"),
        (Entry(".", SKELETON), "holds the unexpected member '.'"),
        (Entry("a.csv", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "as a symbolic link"),
        (Entry("a.csv", type=tarfile.LNKTYPE, linkname="b.csv"), "as a hard link"),
        (Entry("a.csv", type=tarfile.CHRTYPE), "as a device"),
        (Entry("a.csv", type=tarfile.BLKTYPE), "as a device"),
        (Entry("a.csv", type=tarfile.FIFOTYPE), "as a pipe"),
        (Entry("a.csv", type=tarfile.DIRTYPE), "as a folder"),
        (Entry("a.csv", type=tarfile.GNUTYPE_SPARSE), "holds member a.csv as a sparse file"),
        (Entry("a.csv", type=b"Z"), "as a sparse file or one of an unknown kind"),
        (Entry("a.csv", pax={"GNU.sparse.realsize": "9999999999"}), "as a sparse file"),
        (Entry("a.csv", pax={"size": "-512"}), "as a sparse file or one of an unknown kind"),
        (SOUND[1], "lacks a.csv"),
    ],
)
def test_anything_but_the_expected_files_is_refused(intruder: Entry, what: str) -> None:
    tar_format: TarFormat = tarfile.PAX_FORMAT if intruder.pax else tarfile.GNU_FORMAT
    assert what in fault_of(gzip.compress(tar(intruder, tar_format=tar_format)))


def test_a_member_that_occurs_twice_is_refused() -> None:
    assert "holds member a.csv twice" in fault_of(gzip.compress(tar(SOUND[0], *SOUND)))


def test_missing_members_are_named() -> None:
    assert "lacks a.csv and b.csv" in fault_of(gzip.compress(tar()))


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_header_that_claims_more_bytes_than_follow(tar_format: TarFormat) -> None:
    liar = Entry("a.csv", SKELETON, claimed=10_000_000_000)
    fault = fault_of(gzip.compress(liar.pack(tar_format)))
    assert "is truncated: member a.csv lacks the last 9,999,999,488 of its 10,000,000,000" in fault


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_header_is_not_read(kind: bytes) -> None:
    bomb = Entry("a.csv", type=kind, claimed=10_000_000_000).pack(tarfile.GNU_FORMAT)
    assert f"a header of over {MAX_HEADER_BYTES:,} bytes" in fault_of(gzip.compress(bomb + b"\0"))


def test_headers_without_end_are_not_read() -> None:
    nested = Entry("a.csv", type=tarfile.XHDTYPE).pack(tarfile.GNU_FORMAT)
    assert "a header of over" in fault_of(gzip.compress(nested * 1000))


def test_what_is_no_archive_at_all() -> None:
    assert "is corrupt (Not a gzipped file" in fault_of(b"sample_id,click\n")
    assert "is no sound .tar.gz archive: empty file" in fault_of(b"")
    assert "is no sound .tar.gz archive: " in fault_of(gzip.compress(SKELETON))
    assert "is no sound .tar.gz archive: " in fault_of(gzip.compress(b"x" * 1024))


def test_a_damaged_later_header_is_not_taken_for_the_end() -> None:
    damaged = bytearray(tar(*SOUND))
    damaged[2 * tarfile.BLOCKSIZE] ^= 1
    assert "a damaged header before byte 1,536" in fault_of(gzip.compress(damaged))


def test_data_after_the_end_is_refused() -> None:
    assert "data after its end" in fault_of(gzip.compress(tar(*SOUND) + b"\0" * 9000 + b"x"))


def test_a_wrong_checksum_at_the_very_end_is_found() -> None:
    tgz = bytearray(gzip.compress(tar(*SOUND) + bytes(5_000_000)))
    tgz[-5] ^= 1
    assert "is corrupt (CRC check failed" in fault_of(bytes(tgz))


def test_every_truncated_archive_is_refused() -> None:
    tgz = gzip.compress(tar(*SOUND))
    for size in range(len(tgz)):
        fault_of(tgz[:size])


@given(st.data())
def test_a_damaged_archive_is_refused_or_reads_the_same(data: st.DataObject) -> None:
    tgz = bytearray(gzip.compress(tar(*SOUND), mtime=0))
    tgz[data.draw(st.integers(0, len(tgz) - 1))] ^= data.draw(st.integers(1, 255))
    assert_refused_or_sound(bytes(tgz))


@given(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.data())
def test_a_forged_header_is_refused_or_reads_the_same(
    tar_format: TarFormat, data: st.DataObject
) -> None:
    pax = {"comment": "7 size=1", "GNU.sparse.major": "1"} if tar_format else {}
    forged = bytearray(tar(Entry("a.csv", SKELETON, pax=pax), SOUND[1], tar_format=tar_format))
    for place in data.draw(st.lists(st.integers(0, 1535), min_size=1, max_size=6)):
        forged[place] = data.draw(st.sampled_from(b"\0\x80\xff0127xgLKS= \n"))
    for start in (0, 1024):
        sign_header(forged, start)
    assert_refused_or_sound(gzip.compress(forged))


def sign_header(tar_bytes: bytearray, start: int) -> None:
    """Write the checksum that belongs to the 512 bytes of a header."""
    header = tar_bytes[start : start + 512]
    total = sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")
    tar_bytes[start + 148 : start + 156] = b"%06o\0 " % total


def assert_refused_or_sound(tgz: bytes) -> None:
    with contextlib.suppress(PipelineError):
        assert set(read(tgz)) == set(EXPECTED)


def test_memory_does_not_grow_with_the_archive() -> None:
    content = bytes(1 << 20)
    entry = Entry("a.csv", claimed=64 << 20).pack(tarfile.GNU_FORMAT)
    tgz = gzip.compress(entry) + gzip.compress(content) * 64 + gzip.compress(tar(SOUND[1]))
    tracemalloc.start()
    sizes = [sum(map(len, member.chunks)) for member in members_of(tgz)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == [64 << 20, len(COMMON)]
    assert peak < 16 << 20


def members_of(tgz: bytes) -> Iterator[TarMember]:
    return stream_members(io.BytesIO(tgz), "x.tar.gz", EXPECTED, lambda _: None, expansion=2000)


def test_an_archive_that_unfolds_too_far_is_refused_long_before_its_end() -> None:
    newlines = gzip.compress(b"\n" * (1 << 20))
    entry = Entry("a.csv", claimed=1 << 30).pack(tarfile.GNU_FORMAT)
    tgz = io.BytesIO(gzip.compress(entry) + newlines * 1024)
    members = stream_members(tgz, "x.tar.gz", EXPECTED, lambda _: None)
    member = next(members)
    sizes: list[int] = []
    with pytest.raises(PipelineError, match=r"unfolds to more than 100 times its size: .* raise"):
        sizes.extend(len(chunk) for chunk in member.chunks)
    assert sum(sizes) <= 110 << 20


def test_a_reader_that_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    members = stream_members(
        io.BytesIO(gzip.compress(tar(*SOUND))), "x.tar.gz", EXPECTED, lambda _: None
    )
    next(members)
    members.close()
    assert threading.active_count() == before


def test_a_fault_of_the_storage_is_passed_on() -> None:
    class Unplugged(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ConnectionError("unplugged")

    with pytest.raises(ConnectionError, match="unplugged"):
        next(stream_members(Unplugged(), "x.tar.gz", EXPECTED, lambda _: None))
