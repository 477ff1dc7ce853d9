import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from pipeline_assets.dataset.asset import ingest_asset
from pipeline_assets.dataset.contract import Contract, Field, Long, String
from pipeline_assets.dataset.values.progress import Log, Progress
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.checksums import CHECKSUMS
from pipeline_assets.iceberg.upkeep.cleaning import clean
from pipeline_assets.publish.io_managers import LakeIOManager
from pipeline_assets.publish.staging import AlreadyPublished, Staged
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import DIARY, Letters
from pipeline_assets_tests.diary.bench import diary, land, resources
from pipeline_assets_tests.processes import (
    CONTEXT,
    in_process,
    killed_at_its_moment,
    wait_to_be_killed,
)
from pipeline_assets_tests.workbench import Workbench, failures
from spark_resources.job import Job, Manifest

ALWAYS = datetime.max.replace(tzinfo=UTC)
TABLES = ("diary.pages", "diary.entries")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat")
SUNNY = "ada: hello\nbob: good day\nada: what a day\nbob: it is a day like any other\n"
RAINY = "ada: it rains\nbob: it does\nada: and it does not stop\nbob: then stay at home, ada\n"


@dataclass(frozen=True)
class StopsAtTheSecondPart(Progress):
    """Waits to be killed when one part of a page is stored and another isn't."""

    moment: Event
    told: list[int]

    def advance(self, _what: str, amount: int, _total: int | None) -> None:
        self.told.append(amount)
        if len(self.told) == 2:
            wait_to_be_killed(self.moment)

    def published(self, table: str, rows: int) -> None:
        raise AssertionError((table, rows))


@dataclass(frozen=True)
class StopsInTheFile(EmbeddedEngine):
    """Waits to be killed when a Parquet file is begun and not ended."""

    moment: Event | None = None

    def run(self, job: Job, log: Log) -> Manifest:
        sql = f"SELECT * FROM ({job.sql}) UNION ALL BY NAME SELECT * FROM endless"
        return super().run(replace(job, sql=sql), log)

    @contextmanager
    def connect(self, *, uses_s3: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        schema = pa.schema([("page", pa.string()), ("line_number", pa.int32())])
        endless = pa.RecordBatchReader.from_batches(schema, self._rows(schema))
        with super().connect(uses_s3=uses_s3) as connection:
            yield connection.register("endless", endless)

    def _rows(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        pages = [f"{number:x}" for number in range(1_000_000)]
        numbers = pa.array(range(1_000_000), pa.int32())
        yield pa.RecordBatch.from_arrays([pa.array(pages), numbers], schema=schema)
        assert self.moment
        wait_to_be_killed(self.moment)


@dataclass(frozen=True)
class StopsBeforeTheCommit(LakeIOManager):
    """Waits to be killed when all files are written and none is published."""

    moment: Event

    def handle_output(self, context: dg.OutputContext, staged: Staged | AlreadyPublished) -> None:
        if context.asset_key.path[-1] == "entries":
            wait_to_be_killed(self.moment)
        super().handle_output(context, staged)


def extract_until(settings: Settings, day: str, moment: Event) -> None:
    stager = replace(resources(settings)["stager"], progress=StopsAtTheSecondPart(moment, []))
    run_day(diary(settings, stager=stager), day)


def write_until(settings: Settings, day: str, moment: Event) -> None:
    stager = resources(settings)["stager"]
    stops = StopsInTheFile(**vars(stager.engines.embedded), moment=moment)
    engines = replace(stager.engines, default=stops)
    run_day(diary(settings, stager=replace(stager, engines=engines)), day)


def commit_after(settings: Settings, day: str, moment: Event) -> None:
    lake = resources(settings)["lake_io_manager"]
    stops = StopsBeforeTheCommit(**vars(lake), moment=moment)
    run_day(diary(settings, lake_io_manager=stops), day)


def run_day(bench: Workbench, day: str) -> list[str]:
    bench.instance.add_dynamic_partitions("day", [day])
    return failures(bench.run(day))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A lake with a sunny day for each test; nobody else touches that day."""
    folder = tmp_path_factory.mktemp("diary")
    small = {"memory_limit_mib": 512, "threads": 2}
    places = {"lake_uri": str(folder / "lake"), "landing_uri": str(folder / "landing")}
    bench = diary(Settings.model_validate({**places, **small}))
    for day in DAYS:
        land(bench, day, one=SUNNY)
    assert failures(bench.run(*DAYS)) == []
    return bench


def entries(bench: Workbench) -> list[tuple[Any, ...]]:
    return bench.content("diary.entries")["diary.entries"]


def data_files(bench: Workbench, name: str) -> set[str]:
    location = bench.lake.location(bench.tables[name])
    stored = (item.uri for item in bench.store.list(f"{location}/data"))
    return {uri for uri in stored if not uri.endswith(f"/{CHECKSUMS}")}


@pytest.mark.parametrize(
    ("day", "until"), [("mon", extract_until), ("tue", write_until), ("wed", commit_after)]
)
def test_a_process_that_is_killed_leaves_the_last_good_data_and_nothing_else(
    bench: Workbench, day: str, until: Callable[[Settings, str, Event], None]
) -> None:
    sunny, before = entries(bench), {name: data_files(bench, name) for name in TABLES}
    land(bench, day, one=RAINY)
    killed_at_its_moment(until, bench.settings, day)
    assert entries(bench) == sunny
    assert any(data_files(bench, name) > before[name] for name in TABLES)

    assert run_day(bench, day) == []
    assert entries(bench) != sunny
    for _ in range(2):
        list(clean(bench.lake, bench.store, [bench.tables[name] for name in TABLES], ALWAYS))
    parts = {uri for (uri,) in bench.query("SELECT part_uri FROM diary.pages")}
    pages, entries_ = (set(bench.lake.read(bench.tables[name]).files) for name in TABLES)
    assert data_files(bench, "diary.entries") == entries_
    left = data_files(bench, "diary.pages") - pages
    assert left >= parts
    assert {uri.partition("/raw/")[0] for uri in left} == {
        uri.partition("/raw/")[0] for uri in parts
    }


def run_with_small_files(settings: Settings, day: str, most_bytes: int) -> list[str]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    return run_day(diary(settings), day)


def largest(bench: Workbench, suffix: str) -> int:
    location = bench.lake.location(bench.tables["diary.pages"])
    return max(item.size for item in bench.store.list(location) if item.uri.endswith(suffix))


# A full disk, as far as a test can have one: no file can grow beyond a size.


def test_a_disk_that_is_full_while_raw_text_is_stored_is_told_in_one_line(
    bench: Workbench,
) -> None:
    land(bench, "thu", one=f"ada: {'a' * 1000}\n")
    (told,) = in_process(run_with_small_files, bench.settings, "thu", 500)
    assert told.startswith(f"Cannot write {bench.lake.location(bench.tables['diary.pages'])}/data/")
    assert told.endswith(": File too large")


def test_a_disk_that_is_full_while_data_is_written_is_told_in_one_line(bench: Workbench) -> None:
    sunny = entries(bench)
    land(bench, "thu", one=RAINY)
    room = largest(bench, ".parquet") // 2
    (told,) = in_process(run_with_small_files, bench.settings, "thu", room)
    assert told.startswith("Embedded engine: ")
    assert "File too large" in told
    assert entries(bench) == sunny


def test_a_disk_that_is_full_at_the_commit_is_told_in_one_line(bench: Workbench) -> None:
    sunny = entries(bench)
    land(bench, "fri", one=RAINY)
    room = largest(bench, ".parquet") + 100
    assert room < largest(bench, ".metadata.json")
    (told,) = in_process(run_with_small_files, bench.settings, "fri", room)
    assert told.startswith("Cannot write ")
    assert "/lake/profiles/data/" in told
    assert "\n" not in told
    assert entries(bench) == sunny
    assert run_day(bench, "fri") == []


def test_what_an_ingesting_function_complains_of_is_what_is_told(bench: Workbench) -> None:
    class Refuses(StopsAtTheSecondPart):
        def advance(self, _what: str, _amount: int, _total: int | None) -> None:
            raise PipelineError("The vendor sent a picture; ask for the text")

    progress = Refuses(CONTEXT.Event(), [])
    stager = replace(resources(bench.settings)["stager"], progress=progress)
    assert run_day(diary(bench.settings, stager=stager), "sat") == [
        "The vendor sent a picture; ask for the text"
    ]


def test_an_ingest_whose_batches_would_be_rounded_publishes_nothing(settings: Settings) -> None:
    @ingest_asset(domain=DIARY, contract=Letters, code_version="1")
    def averages() -> Iterator[pa.RecordBatch]:
        """Halves."""
        yield pa.RecordBatch.from_pylist([{"who": "ada", "letters": 1.5}])

    bench = diary(settings, (averages,))
    (told,) = failures(bench.run())
    assert "Letters: `letters` is int64 by contract, and the function returns float64" in told
    assert bench.lake.records(averages.table) == {}


def test_a_contract_that_files_cannot_follow_is_refused_before_anything_is_computed(
    settings: Settings,
) -> None:
    calls: list[str] = []

    def mailed(contract: type[Contract], column: str) -> Workbench:
        @ingest_asset(domain=DIARY, contract=contract, code_version=contract.__name__)
        def mail() -> Iterator[pa.RecordBatch]:
            """What was sent."""
            calls.append(contract.__name__)
            yield pa.RecordBatch.from_pylist([{"who": contract.__name__, column: 1}])

        return diary(settings, (mail,))

    class Renamed(Contract):
        """One row per person."""

        who: String = Field()
        sent: Long = Field(renamed_from="letters")

    class Text(Contract):
        """One row per person."""

        who: String = Field()
        sent: String = Field()

    assert failures(mailed(Letters, "letters").run()) == []
    assert failures(mailed(Renamed, "sent").run()) == []
    (told,) = failures(mailed(Text, "sent").run())
    assert told.startswith("diary.mail: `sent` is long in what is published")
    assert calls == ["Letters", "Renamed"]
    last = mailed(Renamed, "sent")
    assert last.content("diary.mail") == {"diary.mail": [("Renamed", 1)]}
