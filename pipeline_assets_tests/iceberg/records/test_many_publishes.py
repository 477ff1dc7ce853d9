"""What a publish reads and writes does not grow with the number of those before it."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyiceberg.io import InputStream

from pipeline_assets.iceberg.history import current_records, damaged_uris, record_uris
from pipeline_assets.iceberg.local_files import LocalFile
from pipeline_assets.iceberg.records.files import extended, names_in, read
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.cleaning import clean
from pipeline_assets.iceberg.upkeep.expiry import expire
from pipeline_assets.iceberg.upkeep.merging import TOGETHER
from pipeline_assets.iceberg.upkeep.tidying import LAST, SPREAD
from pipeline_assets.iceberg.upkeep.verification import verify
from pipeline_assets_tests.landing.plays import PLAYS, content, local_lake, publish, record

DAYS = [f"day-{day:03d}" for day in range(60)]
ALWAYS = datetime.max.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """One publish a day, and nobody has cleaned up."""
    lake = local_lake(tmp_path_factory.mktemp("lake"))
    for number, day in enumerate(DAYS):
        publish(lake, {day: {"ada": number}}, f"v{number}")
    return lake


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many files were opened, by the ending of their names."""
    count, really = Counter[str](), LocalFile.open

    def counting(self: LocalFile, seekable: bool = True) -> InputStream:
        count[Path(self.location).suffix] += 1
        return really(self, seekable)

    monkeypatch.setattr(LocalFile, "open", counting)
    return count


def test_the_metadata_of_a_table_stays_small(lake: Lake) -> None:
    iceberg = lake.load(PLAYS)
    assert iceberg
    assert len(iceberg.properties) <= 30
    assert not [name for name in iceberg.properties if name.startswith("pipeline.partition")]
    assert len(iceberg.metadata.snapshots) < LAST + SPREAD + TOGETHER
    assert Path(iceberg.metadata_location).stat().st_size <= 100_000


def test_every_kept_snapshot_knows_its_own_records(lake: Lake) -> None:
    iceberg = lake.load(PLAYS)
    assert iceberg
    assert list(current_records(iceberg)) == DAYS
    history = lake.history(PLAYS)
    assert len(history) == len(iceberg.metadata.snapshots) < len(DAYS)
    assert list(history[0].records) == DAYS[:1], "the first is kept until it expires"
    assert [list(entry.records) for entry in history[-LAST:]] == [[it] for it in DAYS[-LAST:]]
    assert history[-1].is_current


def test_a_publish_opens_as_many_files_as_an_early_one(
    lake: Lake, tmp_path: Path, opened: Counter[str]
) -> None:
    young = local_lake(tmp_path)
    for day in DAYS[:10]:
        publish(young, {day: {"ada": 1}})
    opened.clear()
    publish(young, {"new": {"ada": 1}})
    early = opened.total()
    opened.clear()
    publish(lake, {DAYS[-1]: {"ada": len(DAYS) - 1}}, f"v{len(DAYS) - 1}")
    assert opened.total() <= early + 6


def test_planning_one_partition_reads_few_manifests(lake: Lake, opened: Counter[str]) -> None:
    iceberg = lake.load(PLAYS)
    assert iceberg
    snapshot = iceberg.current_snapshot()
    assert snapshot
    assert len(snapshot.manifests(iceberg.io)) < 3 * TOGETHER
    opened.clear()
    assert content(lake, [DAYS[7]]) == {DAYS[7]: {"ada": 7}}
    assert opened[".avro"] <= 3
    assert len(content(lake)) == len(DAYS)


def test_records_lie_in_few_files_however_many_publishes_there_were(tmp_path: Path) -> None:
    iceberg = local_lake(tmp_path).create(PLAYS)
    listed, most = "", 0
    for number in range(300):
        listed = extended(iceberg, listed, {f"day-{number}": record(f"v{number}")})
        most = max(most, len(names_in(listed)))
    found = read(iceberg.io, iceberg.location(), names_in(listed))
    assert {key: it.version for key, it in found.items() if it} == {
        f"day-{number}": f"v{number}" for number in range(300)
    }
    assert most <= 15
    again = extended(iceberg, listed, dict.fromkeys(found))
    assert not any(read(iceberg.io, iceberg.location(), names_in(again)).values())


def test_many_partitions_of_one_publish_are_no_part_of_the_metadata(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, {day: {} for day in DAYS})
    iceberg = lake.load(PLAYS)
    assert iceberg
    assert Path(iceberg.metadata_location).stat().st_size < 10_000
    (entry,) = lake.history(PLAYS)
    assert list(entry.records) == DAYS


def test_cleaning_keeps_the_records_that_a_kept_snapshot_names_and_no_others(
    tmp_path: Path,
) -> None:
    lake = local_lake(tmp_path)
    for number in range(9):
        publish(lake, {f"day-{number}": {"ada": number}}, f"v{number}")
    expire(lake, PLAYS, ALWAYS)
    for _ in range(2):
        list(clean(lake, lake.access.store, [PLAYS], ALWAYS))
    iceberg = lake.load(PLAYS)
    assert iceberg
    left = {str(path) for path in Path(lake.location(PLAYS), "metadata").glob("*.records")}
    assert left == set(record_uris(iceberg))
    assert len(left) <= 6
    assert len(current_records(iceberg)) == 9


def test_a_lost_file_of_records_is_damage(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, {"mon": {"ada": 1}})
    iceberg = lake.load(PLAYS)
    assert iceberg
    (lost,) = record_uris(iceberg)
    Path(lost).write_bytes(Path(lost).read_bytes()[:-9])
    assert list(damaged_uris(iceberg)) == [lost]
    (damage,) = verify(lake, PLAYS).damages
    assert damage.uri == lost
