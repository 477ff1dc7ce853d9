from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipeline_assets.orchestration import launcher, schedules
from pipeline_assets.orchestration.schedules import maintenance_schedule
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import diary, land, resources


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


def _job() -> dg.JobDefinition:
    @dg.job
    def nothing() -> None:
        pass

    return nothing
