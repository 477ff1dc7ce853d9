from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipeline_assets.orchestration import launcher, schedules
from pipeline_assets.orchestration.processes import PROCESS_TAG, this_process
from pipeline_assets.orchestration.schedules import maintenance_schedule, verification_schedules
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import diary, land, resources
from pipeline_assets_tests.workbench import failures


def test_maintenance_lets_go_of_what_was_replaced(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = diary(settings)
    for text in ("ada: hello", "bob: goodbye"):
        land(bench, "mon", one=text)
        assert bench.run("mon").success
    table = bench.tables["diary.entries"]
    lost = f"{bench.lake.location(table)}/data/{0:032x}/part.parquet"
    bench.store.put(lost, b"left by a run that was killed")
    monkeypatch.setattr(schedules, "KEPT", timedelta(seconds=-1))
    schedule = maintenance_schedule(list(bench.tables.values()), compacted=[])
    job = dg.Definitions(schedules=[schedule], resources=resources(settings)).resolve_job_def(
        schedule.job_name
    )
    for _ in range(2):  # the first condemns, the second removes
        assert job.execute_in_process(instance=instance).success
    assert len(bench.lake.history(table)) == 1
    assert lost not in {item.uri for item in bench.store.list(bench.lake.location(table))}
    assert bench.query("SELECT who FROM diary.entries") == [("bob",)]


def test_a_scheduled_verification_fails_where_something_is_damaged(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    bench = diary(settings)
    land(bench, "mon", one="ada: hello")
    assert bench.run("mon").success
    quick, deep = verification_schedules(bench.assets)
    jobs = [
        dg.Definitions(schedules=[it], resources=resources(settings)).resolve_job_def(it.job_name)
        for it in (quick, deep)
    ]
    assert all(job.execute_in_process(instance=instance).success for job in jobs)
    (uri,) = bench.lake.read(bench.tables["diary.entries"]).files
    data = bytearray(Path(uri).read_bytes())
    data[20] ^= 1
    Path(uri).write_bytes(data)
    results = [job.execute_in_process(instance=instance, raise_on_error=False) for job in jobs]
    assert [result.success for result in results] == [True, False]
    assert failures(results[1]) == [
        f"diary.entries: {uri} is damaged: its checksum differs; "
        "to mend it: pipeline-assets update --repair"
    ]


@pytest.mark.parametrize(
    ("host", "pid", "status"),
    [("localhost", 2**22 + 1, "NOT_FOUND"), ("localhost", 1, "RUNNING"), ("far", 0, "RUNNING")],
)
def test_a_run_whose_process_is_gone_is_noticed(
    instance: dg.DagsterInstance, host: str, pid: int, status: str
) -> None:
    run = instance.create_run_for_job(_job(), tags={GRPC_INFO_TAG: f'{{"host": "{host}"}}'})
    instance.report_engine_event("Started", run, EngineEventData.in_process(pid))
    watching = launcher.WatchingRunLauncher()
    watching.register_instance(instance)
    assert watching.supports_check_run_worker_health
    assert watching.check_run_worker_health(run).status.value == status


@pytest.mark.parametrize(("pid", "status"), [(2**22 + 1, "NOT_FOUND"), (1, "RUNNING")])
def test_a_run_whose_update_was_killed_is_noticed(
    instance: dg.DagsterInstance, pid: int, status: str
) -> None:
    place, _, _ = this_process().rpartition("/")
    run = instance.create_run_for_job(_job(), tags={PROCESS_TAG: f"{place}/{pid}"})
    watching = launcher.WatchingRunLauncher()
    watching.register_instance(instance)
    assert watching.check_run_worker_health(run).status.value == status


def _job() -> dg.JobDefinition:
    @dg.job
    def nothing() -> None:
        pass

    return nothing
