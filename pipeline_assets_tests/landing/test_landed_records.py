from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline_assets.dataset.contract import Field, String
from pipeline_assets.dataset.raw_contracts import RawRecords
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.landing.delimited import RFC_4180, Columns, FileReport
from pipeline_assets.landing.landed_records import account, as_rows, read_landed
from pipeline_assets.storage.objects import LocalStore

PLAYS = Columns(("user", "artist"), optional=("mbid",))


class RawPlays(RawRecords):
    """One row per play."""

    user: String = Field(nullable=True)
    artist: String = Field(nullable=True)
    mbid: String = Field(nullable=True)
    snapshot: String = Field()


class Watcher:
    """Remembers what a reader says."""

    def __init__(self) -> None:
        self.read: dict[str, tuple[int, int | None]] = {}
        self.lines: list[str] = []

    def advance(self, what: str, amount: int, total: int | None) -> None:
        done, _ = self.read.get(what, (0, None))
        self.read[what] = (done + amount, total)

    def published(self, table: str, rows: int) -> None:
        raise AssertionError(f"reading published {rows} rows of {table}")

    def workspace(self) -> Workspace:
        return Workspace((), LocalStore(), "nowhere", 1 << 20, self, self.lines.append)


@pytest.fixture
def landed(tmp_path: Path) -> Callable[[str, bytes], None]:
    def land(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)

    return land


def test_reads_files_in_order_and_tells_how_far_it_is(
    landed: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    landed("1.csv", b"\nuser,artist\n1,Low\n2\n\n")
    landed("2.csv", b"artist,user,age\nCan,3,70\n")
    watcher = Watcher()

    files = list(LocalStore().list(str(tmp_path)))
    batches = read_landed(files, LocalStore(), PLAYS, RFC_4180, watcher.workspace())
    table = pa.Table.from_batches(
        as_rows(batch, RawPlays, snapshot="2024-01-01") for batch in batches
    )

    assert table.column_names == [
        *("source_uri", "row_number", "problem", "raw", "user", "artist", "mbid", "snapshot")
    ]
    assert table["artist"].to_pylist() == ["Low", None, None, "Can"]
    assert table["problem"].to_pylist() == [None, "field_count", "empty_line", None]
    assert table["snapshot"].to_pylist() == ["2024-01-01"] * 4
    assert watcher.read == {file.uri: (file.size, file.size) for file in files}
    assert watcher.lines == [
        f"{files[0].uri}: 3 records; with problems: 1 empty_line, 1 field_count; "
        "empty lines before the header: 1; optional columns absent: mbid",
        f"{files[1].uri}: 1 records; columns left out: age; optional columns absent: mbid",
    ]


def test_an_account_of_a_sound_file_is_its_number_of_records() -> None:
    assert account(FileReport("a.tsv", 1_234, {}, 0, (), ())) == "a.tsv: 1,234 records"


def test_an_account_shows_control_characters_of_a_header_as_escapes() -> None:
    report = FileReport("a.tsv", 1, {}, 0, ("age\x1b[2J",), ())
    assert account(report) == "a.tsv: 1 records; columns left out: age\\x1b[2J"
