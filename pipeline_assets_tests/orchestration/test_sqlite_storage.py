"""Dagster's events in SQLite: few databases are opened, and what is written is as Dagster's own."""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
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


def test_a_process_that_forks_opens_databases_of_its_own(
    instance: dg.DagsterInstance, opens: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(instance)
    opens.clear()
    child = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)
    assert events(log_of(instance), first)
    assert opens == {first: 1}


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
