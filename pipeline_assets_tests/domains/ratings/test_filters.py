from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline_assets.dataset.computation import compile_computation
from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.domains.ratings.contracts import FilteredRatings
from pipeline_assets.domains.ratings.filters import FilterConfig, filtered
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.engine import Engine
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.audit import build_audit
from pipeline_assets.settings import Settings
from spark_resources.job import Destination, Job, Source, SourceFile

Rating = tuple[str | None, str | None, int | None, str | None, str]

FIXTURE = Path("../shared/data/recbole-filter-fixtures/filter_by_inter_num.inter")
ENGINE = EmbeddedEngine(memory_limit_mib=256, threads=2)
CONTRACT = TableContract.of(FilteredRatings)
SCHEMA = pa.schema(CONTRACT.schema.to_pyarrow())

ids = st.sampled_from([None, "1", "2", "3", "4"])
ratings = st.lists(
    st.tuples(ids, ids, st.sampled_from([None, 1, 5]), st.sampled_from([None, "x"]), st.just("a")),
    max_size=40,
)
thresholds = st.integers(1, 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("filter")


def run(
    rows: Iterable[Rating], config: FilterConfig, folder: Path, engine: Engine = ENGINE
) -> tuple[Counter[Rating], Any]:
    """What an engine leaves of rows, and its facts."""
    attempt = folder / uuid4().hex
    attempt.mkdir()
    records = [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(records, SCHEMA), attempt / "ratings.parquet")
    table = ibis.table(CONTRACT.schema, name="ratings")
    compiled = compile_computation(filtered(table, config), CONTRACT, engine.dialect)
    source = Source(
        "parquet", schema_names(CONTRACT.schema), (SourceFile(str(attempt / "ratings.parquet")),)
    )
    output = ibis.table(CONTRACT.schema, name="output")
    manifest = engine.run(
        Job(
            token="test",
            kind=compiled.kind,
            inputs={"ratings": source},
            sql=compiled.sql,
            schema=source.schema,
            destination=Destination(str(attempt / "out")),
            audit=build_audit(output, {}, CONTRACT.checks, {}, engine.dialect),
            parameters=compiled.parameters,
        ),
        log=lambda _: None,
    )
    assert [audit.failed for audit in manifest.audits] == [0] * len(CONTRACT.checks)
    found = [row for file in manifest.files for row in pq.read_table(file.uri).to_pylist()]
    return Counter(tuple(row.values()) for row in found), manifest.facts


def one_shot(rows: Sequence[Rating], customer_rows: int, product_rows: int) -> list[Rating]:
    customers = Counter(row[0] for row in rows)
    products = Counter(row[1] for row in rows)
    return [
        row
        for row in rows
        if row[0] is not None and customers[row[0]] >= customer_rows
        if row[1] is not None and products[row[1]] >= product_rows
    ]


def k_core(rows: Sequence[Rating], customer_rows: int, product_rows: int) -> list[Rating]:
    """Take away one bad row at a time, in whatever order, until there is none."""
    left = list(rows)
    while bad := [row for row in left if row not in one_shot(left, customer_rows, product_rows)]:
        left.remove(bad[0])
    return left


@tried(max_examples=40)
@given(rows=ratings, customer_rows=thresholds, product_rows=thresholds)
def test_both_methods_keep_what_plain_python_keeps(
    rows: list[Rating], customer_rows: int, product_rows: int, folder: Path
) -> None:
    least: Any = {"min_customer_rows": customer_rows, "min_product_rows": product_rows}
    once, _ = run(rows, FilterConfig(**least), folder)
    core, _ = run(rows, FilterConfig(method="k_core", **least), folder)
    assert once == Counter(one_shot(rows, customer_rows, product_rows))
    assert core == Counter(k_core(rows, customer_rows, product_rows))


def pairs(*edges: str) -> list[Rating]:
    """Ratings written as customer and product: `1a`."""
    return [(edge[0], edge[1], 5, "title", "category") for edge in edges]


def test_the_methods_differ_where_a_filtered_row_was_needed(folder: Path) -> None:
    """Product b has two rows only as long as customer 3, who has one, counts."""
    rows = pairs("1a", "2a", "1b", "3b", "2c")
    once, _ = run(rows, FilterConfig(min_customer_rows=2, min_product_rows=2), folder)
    core, facts = run(
        rows, FilterConfig(method="k_core", min_customer_rows=2, min_product_rows=2), folder
    )
    assert once == Counter(pairs("1a", "2a", "1b"))
    assert core == Counter()
    assert facts["converged"] is True
    assert facts["rounds"] == 2


def test_repeats_and_duplicates_count_and_stay(folder: Path) -> None:
    rows = pairs("1a", "1a", "1a")
    config = FilterConfig(min_customer_rows=3, min_product_rows=3)
    assert run(rows, config, folder)[0] == Counter(rows)


def test_the_defaults_are_five_and_ten(folder: Path) -> None:
    rows = [rating for n in range(2) for rating in pairs(*([f"{n}a"] * 5))]
    assert run(rows, FilterConfig(), folder)[0] == Counter(rows)
    assert run(rows[1:], FilterConfig(), folder)[0] == Counter()


@pytest.mark.spark
def test_spark_leaves_the_same_core(folder: Path, settings: Settings) -> None:
    rows = pairs("1a", "1b", "2a", "2b", "2c", "3c", "3d", "4d", "4e")
    config = FilterConfig(method="k_core", min_customer_rows=2, min_product_rows=2)
    core, facts = run(rows, config, folder)
    assert core == Counter(pairs("1a", "1b", "2a", "2b"))
    spark = Deployment(settings).parts.spark_local.engine()
    spark_core, spark_facts = run(rows, config, folder, spark)
    assert spark_core == core
    assert spark_facts["rounds"] == facts["rounds"] == 4


@pytest.mark.parametrize(
    ("customer_rows", "product_rows", "users", "items"), [(2, 1, 5, 6), (1, 2, 6, 5), (2, 2, 4, 4)]
)
@pytest.mark.skipif(not FIXTURE.exists(), reason="RecBole's filter fixture is not here")
def test_k_core_leaves_what_recbole_expects(
    customer_rows: int, product_rows: int, users: int, items: int, folder: Path
) -> None:
    """The numbers of RecBole's tests, less the padding entry that it counts."""
    _header, *lines = FIXTURE.read_text().splitlines()
    edges = [line.split("\t") for line in lines]
    rows: list[Rating] = [(user, item, None, None, "recbole") for user, item in edges]
    config = FilterConfig(
        method="k_core", min_customer_rows=customer_rows, min_product_rows=product_rows
    )
    left, _ = run(rows, config, folder)
    assert len(rows) == 13
    assert (len({row[0] for row in left}), len({row[1] for row in left})) == (users, items)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_customer_rows", 0),
        ("min_product_rows", -1),
        ("min_product_rows", "many"),
        ("method", "twice"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        FilterConfig.model_validate({field: value})
