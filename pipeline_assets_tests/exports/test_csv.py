import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.contract import Contract, Double, Field, String, TableContract
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.destinations import CsvObject, ExportedObjects
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.exports.csv import CsvExporter, StagedObjects, WrittenObject
from pipeline_assets.exports.exporter import Outgoing
from pipeline_assets.storage.objects import LocalStore, S3Store
from pipeline_assets.storage.s3_access import S3Access
from spark_resources.job import Source, SourceFile


class Plays(Contract):
    """One row per artist and day."""

    artist: String = Field(nullable=True, description="Who was listened to.")
    hours: Double = Field(nullable=True, description="For how long.")
    day: String = Field(description="When.")


class PlayFiles(ExportedObjects):
    """One row per file of a day's plays."""

    day: String = Field(description="When.")


ROWS = TableContract.of(Plays)
PLAYS = ibis.table(ROWS.schema, name="plays")
FILES = CsvObject("files/plays_{key}.csv", ROWS)
TABLE = LakeTable("music", "play_files", TableContract.of(PlayFiles), "day")
Row = tuple[str | None, float | None, str]


def stage(
    lake: str,
    plays: dict[str, Source],
    *days: str,
    store: ObjectStore | None = None,
    s3: S3Access | None = None,
) -> StagedObjects:
    engine = EmbeddedEngine(memory_limit_mib=256, threads=2, s3=s3 or S3Access())
    fresh = f"{lake}/music/play_files/data/{uuid4().hex}/export"
    outgoing = Outgoing(TABLE, PLAYS, plays, dict.fromkeys(days, "1"), fresh)
    return CsvExporter(engine, store or LocalStore(), lake).stage(FILES, outgoing)


def written(lake: Path, day: str, rows: Sequence[Row]) -> WrittenObject:
    return stage(str(lake), inputs(lake, rows), day).objects[day]


def inputs(folder: Path, rows: Sequence[Row]) -> dict[str, Source]:
    schema = pa.schema(ROWS.schema.to_pyarrow())
    records = [dict(zip(schema.names, row, strict=True)) for row in rows]
    path = folder / f"{uuid4().hex}.parquet"
    pq.write_table(pa.Table.from_pylist(records, schema), path)
    return {"plays": Source("parquet", schema_names(ROWS.schema), (SourceFile(str(path)),))}


def content(uri: str) -> str:
    return Path(uri).read_text(encoding="utf-8")


def test_every_field_is_quoted_and_a_null_is_empty(tmp_path: Path) -> None:
    rows: list[Row] = [('Guns "N" Roses, live\n', 0.1 + 0.2, "mon")]
    assert content(written(tmp_path, "mon", rows).staged_uri) == (
        '"artist","hours","day"\n"Guns ""N"" Roses, live\n","0.30000000000000004","mon"\n'
    )
    nulls = written(tmp_path, "tue", [(None, None, "tue")])
    assert content(nulls.staged_uri) == '"artist","hours","day"\n"","","tue"\n'


def test_an_object_holds_its_partition_only_and_may_be_a_header_alone(tmp_path: Path) -> None:
    plays = inputs(tmp_path, [("Can", 1.0, "mon"), ("Low", 2.0, "tue")])
    objects = list(stage(str(tmp_path), plays, "mon", "tue", "wed").objects.values())
    assert [item.rows for item in objects] == [1, 1, 0]
    assert content(objects[0].staged_uri).splitlines()[1:] == ['"Can","1.0","mon"']
    assert content(objects[2].staged_uri) == '"artist","hours","day"\n'


def test_the_listing_tells_what_was_stored(tmp_path: Path) -> None:
    staged = stage(str(tmp_path), inputs(tmp_path, [("Can", 1.0, "mon")]), "mon")
    stored = Path(staged.objects["mon"].staged_uri).read_bytes()
    assert staged.listing.to_pylist() == [
        {
            "uri": f"{tmp_path}/files/plays_mon.csv",
            "rows": 1,
            "bytes": len(stored),
            "sha256": hashlib.sha256(stored).hexdigest(),
            "day": "mon",
        }
    ]


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    rows: list[Row] = [(str(n), n / 7, "mon") for n in range(50_000)]
    once, again = (written(tmp_path, "mon", order) for order in (rows, rows[::-1]))
    assert once.sha256 == again.sha256


def test_a_key_cannot_leave_the_folder() -> None:
    assert FILES.uri("/lake", "../x") == "/lake/files/plays_..%2Fx.csv"


@settings(max_examples=25)
@given(
    artists=st.lists(
        st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=20
    )
)
def test_a_csv_reader_gets_back_every_text(
    artists: list[str | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    rows: list[Row] = [(artist, None, "mon") for artist in artists]
    found = written(folder, "mon", rows)
    text = Path(found.staged_uri).read_bytes().decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert Counter(row["artist"] for row in read) == Counter(artist or "" for artist in artists)
    assert found.rows == len(artists)


def test_on_s3_an_object_replaces_another_of_its_name(
    bucket: str, s3: S3Access, s3_store: S3Store, tmp_path: Path
) -> None:
    for artist in ("Can", "Low"):
        plays = inputs(tmp_path, [(artist, None, "mon")])
        staged = stage(bucket, plays, "mon", store=s3_store, s3=s3)
        staged.commit()
        staged.discard()
    assert [item.uri for item in s3_store.list(bucket)] == [f"{bucket}/files/plays_mon.csv"]
    with s3_store.open(f"{bucket}/files/plays_mon.csv") as stored:
        assert stored.read() == b'"artist","hours","day"\n"Low","","mon"\n'


def test_what_is_discarded_leaves_the_object_of_that_name_and_nothing_else(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = stage(str(lake), inputs(tmp_path, [("Can", None, "mon")]), "mon")
    first.commit()
    stage(str(lake), inputs(tmp_path, [("Low", None, "mon")]), "mon").discard()
    (left,) = LocalStore().list(str(lake))
    assert left.uri == f"{lake}/files/plays_mon.csv"
    assert '"Can"' in content(left.uri)
    first.discard()
    assert '"Can"' in content(left.uri)


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "music").write_text("in the way")
    with pytest.raises(PipelineError, match=str(tmp_path / "music")):
        written(tmp_path, "mon", [])
