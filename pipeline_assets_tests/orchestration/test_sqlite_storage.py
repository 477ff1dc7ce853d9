"""Dagster's events in SQLite: few databases are opened, and what is written is as Dagster's own."""

import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from types import ModuleType

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import StaticPool

from pipeline_assets.orchestration import sqlite_storage
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.orchestration.sqlite_storage import OPEN_DATABASES, OpenEventLog

ROOT = Path(__file__).parents[2]


@dg.asset
def pages() -> None:
    """Materialised by a run."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(home, ROOT) as opened:
        yield opened


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each database was opened to stay open."""
    count: Counter[str] = Counter()

    def counted(url: str, pool: type) -> object:
        if pool is StaticPool:
            count[Path(url).stem] += 1
        return opened(url, pool)

    opened = sqlite_storage._open
    monkeypatch.setattr(sqlite_storage, "_open", counted)
    return count


def run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([pages], instance=instance).run_id


def events(log: SqliteEventLogStorage, run_id: str) -> list[str]:
    return [str(it.dagster_event_type) for it in log.get_logs_for_run(run_id)]


def log_of(instance: dg.DagsterInstance) -> OpenEventLog:
    assert isinstance(instance.event_log_storage, OpenEventLog)
    return instance.event_log_storage


def test_a_run_opens_its_database_and_the_index_once(
    instance: dg.DagsterInstance, opens: Counter[str]
) -> None:
    log_of(instance).dispose()
    opens.clear()
    first, second = run(instance), run(instance)
    assert opens == {"index": 1, first: 1, second: 1}


def test_what_was_used_long_ago_is_closed(
    instance: dg.DagsterInstance, opens: Counter[str]
) -> None:
    runs = [run(instance) for _ in range(OPEN_DATABASES + 1)]
    opens.clear()
    told = [events(log_of(instance), run_id) for run_id in runs]
    assert len(set(map(tuple, told))) == 1
    assert opens[runs[0]] == 1
    assert len(log_of(instance)._opened) == OPEN_DATABASES


def test_dagsters_own_storage_reads_it_and_ours_reads_dagsters(home: Path) -> None:
    with open_instance(home, ROOT) as instance:
        ours = run(instance)
        told = events(log_of(instance), ours)
    folder = str(home / "history" / "runs")
    assert "DagsterEventType.ASSET_MATERIALIZATION" in told
    assert events(SqliteEventLogStorage(folder), ours) == told
    with dg.DagsterInstance.local_temp(str(home)) as theirs:
        other = run(theirs)
    with open_instance(home, ROOT) as instance:
        assert events(log_of(instance), other) == told
        (latest,) = instance.fetch_materializations(pages.key, limit=1).records
        assert latest.run_id == other


def test_a_database_is_written_ahead_and_whole_without_being_closed(
    home: Path, instance: dg.DagsterInstance
) -> None:
    told = run(instance)
    with sqlite3.connect(home / "history" / "runs" / f"{told}.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
        assert connection.execute("SELECT count(*) FROM event_logs").fetchone()[0] > 10


def test_a_deleted_database_is_opened_anew(instance: dg.DagsterInstance) -> None:
    run(instance)
    log_of(instance).wipe()
    again = run(instance)
    assert len(events(log_of(instance), again)) > 10


def open_databases(home: Path) -> list[str]:
    """The databases below a Dagster home that this process has open."""
    files = [os.readlink(it) for it in Path("/proc/self/fd").iterdir() if it.is_symlink()]
    return [name for name in files if name.startswith(str(home)) and ".db" in name]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are open")
def test_a_forked_process_inherits_no_open_database(
    instance: dg.DagsterInstance, home: Path
) -> None:
    """SQLite would take locks for its own that are those of the other process."""
    told = run(instance)
    assert open_databases(home)
    child = os.fork()
    if not child:
        inherited = open_databases(home)
        instance.report_engine_event("said by the child", instance.get_run_by_id(told))
        os._exit(len(inherited))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    instance.report_engine_event("said by the parent", instance.get_run_by_id(told))
    said = [it.message for it in log_of(instance).get_logs_for_run(told)]
    assert said[-2:] == ["said by the child", "said by the parent"]


def test_who_watches_a_run_is_told_of_each_event(instance: dg.DagsterInstance) -> None:
    """As the UI does, which looks at the file and not at what is written ahead of it."""
    told = run(instance)
    heard: Queue[str] = Queue()
    log_of(instance).watch(told, None, lambda entry, _cursor: heard.put(entry.message))
    instance.report_engine_event("said afterwards", instance.get_run_by_id(told))
    while heard.get(timeout=30) != "said afterwards":
        pass


def test_threads_share_a_database(instance: dg.DagsterInstance, opens: Counter[str]) -> None:
    told = run(instance)
    opens.clear()
    log = log_of(instance)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: len(events(log, told)), range(16)))
    assert len(set(found)) == 1
    assert opens == {}


def made(database: Path) -> tuple[list[tuple[object, ...]], ...]:
    """Tables and indexes, Alembic's mark, and how it is written."""
    with sqlite3.connect(database) as connection:
        asked = (
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name",
            "SELECT * FROM alembic_version",
            "PRAGMA journal_mode",
        )
        return tuple(connection.execute(sql).fetchall() for sql in asked)


def test_the_database_of_a_run_is_made_as_dagster_makes_it(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    ours = run(instance)
    dagsters_home = tmp_path / "theirs"
    dagsters_home.mkdir()
    with dg.DagsterInstance.local_temp(str(dagsters_home)) as dagsters:
        theirs = run(dagsters)
    folder = Path("history", "runs")
    expected = made(dagsters_home / folder / f"{theirs}.db")
    assert made(home / folder / f"{ours}.db") == expected
    assert len(expected[0]) > 20


def test_migrations_are_looked_through_once_in_a_process(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def counted(module: ModuleType) -> Callable[..., object]:
        look = module.check_alembic_revision
        name = module.__name__.rpartition(".")[2]

        def counting(*arguments: object) -> object:
            looks.append(name)
            return look(*arguments)

        return counting

    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        monkeypatch.setattr(module, "check_alembic_revision", counted(module))
    with open_instance(home, ROOT):
        pass
    looks.clear()
    with open_instance(home, ROOT) as instance:
        assert looks == []
        for _ in range(3):
            run(instance)
    assert looks == ["sqlite_event_log"]


def test_a_database_that_was_begun_is_finished(home: Path, instance: dg.DagsterInstance) -> None:
    """As Dagster leaves it whose process is killed while it creates one table after the other."""
    begun = home / "history" / "runs" / "begun.db"
    with sqlite3.connect(begun) as connection:
        connection.execute("CREATE TABLE secondary_indexes (id INTEGER PRIMARY KEY)")
    assert events(log_of(instance), "begun") == []
    finished = run(instance)
    names = [{row[1] for row in made(begun.with_stem(it))[0]} for it in ("begun", finished)]
    assert "event_logs" in names[0] & names[1]


def test_processes_that_create_the_same_database_wait_for_one_another(tmp_path: Path) -> None:
    OpenEventLog(str(tmp_path)).dispose()
    logs = [OpenEventLog(str(tmp_path)) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda log: events(log, "shared"), logs))
    assert found == [[]] * 4
    assert len(made(tmp_path / "shared.db")[1]) == 1
