"""What a page shows of a remote job is shown once."""

from pipeline_assets.publish.job_metadata import job_metadata, other_facts

FACTS = {
    "cluster_id": "j-1",
    "step_id": "s-1",
    "state_history": {"RUNNING": "2026-01-01T00:00:00"},
    "log_uri": "s3://logs/emr/j-1/steps/s-1",
    "console_url": "https://console.aws.amazon.com/emr",
    "duration_seconds": 12.5,
    "vcpu_hours": 0.1,
    "memory_gb_hours": 0.4,
    "estimated_cost_usd": 0.02,
    "spark_version": "3.5.5",
}


def test_no_fact_of_a_job_is_shown_twice() -> None:
    assert {f"job/{name}" for name in other_facts(FACTS)}.isdisjoint(job_metadata(FACTS))
    assert other_facts(FACTS) == {"spark_version": "3.5.5"}
    assert job_metadata(FACTS)["job/id"] == "j-1 / s-1"


def test_nothing_of_a_job_is_shown_of_what_this_process_computed() -> None:
    here = {"spark_version": "none", "duration_seconds": 1.0}
    assert job_metadata(here) == {}
    assert other_facts(here) == here


def test_each_query_of_an_attempt_is_a_row() -> None:
    query = {"query": "unload-0", "id": "q-1", "state": "SUCCEEDED", "bytes": 10}
    facts = {"engine": "athena", "query_ids": ["q-1", "q-2"], "queries": [query]}
    shown = job_metadata(facts)
    assert shown["job/id"] == "q-1 / q-2"
    assert [dict(row.data) for row in shown["job/queries"].records] == [query]
    assert other_facts(facts) == {"engine": "athena"}
