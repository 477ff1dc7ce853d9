"""Joins with what was known at the time, beside a loop over all facts."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples

from pipeline_assets.dataset.computation import compile_computation
from pipeline_assets.dataset.contract import Contract, Date, Field, Int, String, TableContract
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.training.as_of import as_of
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.audit import build_audit
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.spark_resources.conftest import COLD_START
from spark_resources.job import Destination, Job, Source, SourceFile

Row = dict[str, Any]
DAY = date(2026, 1, 1)
DAYS = st.integers(0, 6).map(lambda it: DAY + timedelta(days=it))
EVENTS = st.lists(st.tuples(st.sampled_from("ab"), DAYS), max_size=12)
FACTS = st.lists(st.tuples(st.sampled_from("ac"), DAYS, DAYS), max_size=12, unique_by=lambda it: it)


class Event(Contract):
    """One row per event."""

    number: Int
    user: String
    happened_on: Date


class Fact(Contract):
    """One row per fact."""

    user: String
    true_from: Date
    published_on: Date
    value: Int


class Known(Event):
    """One row per event, with what was known."""

    value: Int = Field(nullable=True)


def rows_of(events: list[Any], facts: list[Any]) -> tuple[list[Row], list[Row]]:
    return (
        [{"number": n, "user": user, "happened_on": day} for n, (user, day) in enumerate(events)],
        [
            {"user": user, "true_from": day, "published_on": published, "value": n}
            for n, (user, day, published) in enumerate(facts)
        ],
    )


def naive(events: list[Row], facts: list[Row], *, by_publish: bool) -> list[Row]:
    found = []
    for event in events:
        known = [
            fact
            for fact in facts
            if fact["user"] == event["user"]
            and fact["true_from"] < event["happened_on"]
            and (not by_publish or fact["published_on"] < event["happened_on"])
        ]
        latest = max(known, key=lambda it: (it["true_from"], it["published_on"]), default=None)
        found.append(event | {"value": latest["value"] if latest else None})
    return found


def schema(contract: type[Contract]) -> pa.Schema:
    return pa.schema(TableContract.of(contract).schema.to_pyarrow())


def joined(events: Any, facts: Any, *, by_publish: bool) -> Any:  # noqa: ANN401 - tables of Ibis
    if not by_publish:
        # Of facts that are true from one day, publishing leaves the last.
        facts = facts.drop("published_on")
        return as_of(events, facts, key=["user"], at="happened_on", true_from="true_from")
    times = {"true_from": "true_from", "published": "published_on"}
    return as_of(events, facts, key=["user"], at="happened_on", **times)


@examples(max_examples=25, deadline=None)
@given(EVENTS, FACTS, st.booleans())
def test_the_latest_fact_that_was_known_is_joined(
    events: list[Any], facts: list[Any], by_publish: bool
) -> None:
    if not by_publish:
        facts = list({(user, day): (user, day, day) for user, day, _ in facts}.values())
    rows = rows_of(events, facts)
    tables = (
        ibis.memtable(pa.Table.from_pylist(found, schema=schema(contract)))
        for found, contract in zip(rows, (Event, Fact), strict=True)
    )
    found = joined(*tables, by_publish=by_publish).order_by("number").to_pyarrow().to_pylist()
    assert found == naive(*rows, by_publish=by_publish)


@pytest.mark.spark
def test_spark_joins_the_same(tmp_path: Path, make_settings: MakeSettings) -> None:
    settings = make_settings(spark_conf=COLD_START)
    days = [DAY + timedelta(days=it) for it in range(7)]
    rows = rows_of(
        [(user, day) for user in "ab" for day in days],
        [("a", days[(n * 3) % 7], days[(n * 5 + 1) % 7]) for n in range(7)],
    )
    contracts = {"events": Event, "facts": Fact}
    sources = {}
    for (name, contract), found in zip(contracts.items(), rows, strict=True):
        file = tmp_path / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(found, schema=schema(contract)), file)
        types = schema_names(TableContract.of(contract).schema)
        sources[name] = Source("parquet", types, (SourceFile(str(file)),))
    tables = (ibis.table(TableContract.of(it).schema, name=name) for name, it in contracts.items())
    known, engine = TableContract.of(Known), Deployment(settings).parts.spark_local.engine()
    compiled = compile_computation(joined(*tables, by_publish=True), known, engine.dialect)
    output = ibis.table(known.schema, name="output")
    job = Job(
        token="test",
        kind=compiled.kind,
        inputs=sources,
        sql=compiled.sql,
        schema=schema_names(known.schema),
        destination=Destination(str(tmp_path / "out")),
        audit=build_audit(output, {}, known.checks, {}, engine.dialect),
    )
    manifest = engine.run(job, log=lambda _: None)
    answer = [row for file in manifest.files for row in pq.read_table(file.uri).to_pylist()]
    assert sorted(answer, key=lambda it: it["number"]) == naive(*rows, by_publish=True)
