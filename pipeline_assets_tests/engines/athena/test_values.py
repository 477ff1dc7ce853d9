"""Values at the edges of their types come through Athena as through the embedded engine."""

import math
import struct
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from pipeline_assets.dataset.sql import schema_names, to_sql
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets_tests.engines.athena.rig import Rig
from spark_resources.job import Audit, CatalogTable, Destination, Job, Source, SourceFile

AT = datetime(2026, 1, 2, 3, 4, 5, 678901)
EDGES: Mapping[str, tuple[pa.DataType, list[Any]]] = {
    "i": (pa.int32(), [-(2**31), 2**31 - 1, 0, None]),
    "b": (pa.int64(), [-(2**63), 2**63 - 1, 0, None]),
    "r": (pa.float32(), [math.nan, -0.0, -math.inf, None]),
    "f": (pa.float64(), [math.nan, -0.0, 5e-324, None]),
    "n": (pa.decimal128(18, 5), [Decimal("-9999999999999.99999"), Decimal("0.00001"), 0, None]),
    "o": (pa.bool_(), [True, False, False, None]),
    "t": (pa.string(), ["", 'it\'s \\ "odd"\n\t', "Üñï 🎬 \u0001", None]),
    "d": (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1), None]),
    "l": (pa.list_(pa.float64()), [[], [math.nan, -0.0], [1.5], None]),
    "at": (pa.timestamp("us"), [AT, AT.replace(microsecond=678902), datetime(1, 1, 1), None]),
}


def the_job(catalog: SqlCatalog, dialect: str, home: str) -> Job:
    """Every column as it is, but the timestamp, which Athena cannot write: whether it is one."""
    iceberg = catalog.load_table(("odd", "edges"))
    stored = ibis.table(ibis.Schema.from_pyarrow(iceberg.schema().as_arrow()), name="edges")
    rows = stored.mutate(at=stored["at"] == ibis.literal(AT, "timestamp(6)"))
    files = tuple(SourceFile(task.file.file_path) for task in iceberg.scan().plan_files())
    snapshot = iceberg.current_snapshot()
    assert snapshot
    columns = {name: name for name in EDGES}
    known = CatalogTable("odd.edges", columns, None)
    schema = schema_names(stored.schema())
    return Job(
        token=f"{dialect:0<32}",
        kind="query",
        inputs={"edges": Source("parquet", schema, files, snapshot.snapshot_id, table=known)},
        sql=to_sql(rows, dialect),  # type: ignore[arg-type]
        schema=schema_names(rows.schema()),
        destination=Destination(f"{home}/{dialect}", None, ()),
        audit=Audit('SELECT COUNT(*) AS "rows" FROM "output"', {}, {}),
        labels={"asset": "odd/edges"},
    )


@pytest.fixture
def catalog(tmp_path: Path) -> SqlCatalog:
    """A table of the edges."""
    place = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": str(tmp_path)}
    catalog = SqlCatalog("edges", **place)
    schema = pa.schema([(name, type_) for name, (type_, _) in EDGES.items()])
    rows = pa.table({name: values for name, (_, values) in EDGES.items()}, schema)
    catalog.create_namespace("odd")
    catalog.create_table("odd.edges", schema).append(rows)
    return catalog


def test_values_at_the_edges_are_the_same_bit_by_bit(
    rig: Rig, catalog: SqlCatalog, tmp_path: Path
) -> None:
    rig.double.catalog = lambda: catalog
    there = rig.run(the_job(catalog, "trino", "s3://lake/odd"))
    embedded = EmbeddedEngine(512, 1)
    here = embedded.run(the_job(catalog, "duckdb", str(tmp_path / "odd")), print)

    (file,) = there.files
    bucket, _, key = file.uri.removeprefix("s3://").partition("/")
    content = rig.double.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    athena = pq.read_table(pa.BufferReader(content))
    duck = pq.read_table(here.files[0].uri)
    assert athena.schema.remove_metadata() == duck.schema.remove_metadata()
    assert sorted(map(bits, athena.to_pylist())) == sorted(map(bits, duck.to_pylist()))
    assert [row["at"] for row in duck.sort_by("i").to_pylist()] == [True, False, False, None]


def bits(row: Mapping[str, Any]) -> str:
    """A row in which -0.0 is not 0.0, and NaN equals itself."""
    return repr({name: _bits(value) for name, value in row.items()})


def _bits(value: Any) -> Any:  # noqa: ANN401 - any value of a row
    if isinstance(value, list):
        return [_bits(each) for each in value]
    return struct.pack("<d", value) if isinstance(value, float) else value
