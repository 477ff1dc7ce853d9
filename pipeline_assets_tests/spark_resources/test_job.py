import json
from pathlib import Path

import pytest

from pipeline_assets_tests.spark_resources.jobs import a_job, partitioned, text_file
from spark_resources.job import (
    Audit,
    DataFile,
    Job,
    JobFormatError,
    KeyedCheck,
    Manifest,
    Source,
    SourceFile,
)


def a_whole_job(folder: Path) -> Job:
    raw = text_file(folder / "raw.csv", "1\n2\n")
    lines = Source("lines", {"line": "string"}, (raw, SourceFile("s3://b/2", {"member": "m"}, 7)))
    job = partitioned(a_job(folder, "SELECT 1 AS n", {"n": "int"}, raw=lines), "n", "1", "2")
    keyed = {"unique_key": KeyedCheck(("day", "n"), "SELECT 0 AS unique_key", is_unique=True)}
    audit = Audit("SELECT 1 AS `rows`", {"unique_key": "SELECT 1"}, {"preview": "SELECT 2"}, keyed)
    return Job(**{**vars(job), "audit": audit, "parameters": {"seed": 3}})


def test_a_job_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    job = a_whole_job(tmp_path)
    assert Job.from_json(job.to_json()) == job


def test_what_another_version_wrote_is_refused(tmp_path: Path) -> None:
    older = json.loads(a_whole_job(tmp_path).to_json()) | {"job_version": 1}
    with pytest.raises(JobFormatError, match="job_version"):
        Job.from_json(json.dumps(older))
    manifest = Manifest("t1", 1, (DataFile("s3://b/1", 1, 9),), ())
    assert Manifest.from_json(manifest.to_json()) == manifest
    with pytest.raises(JobFormatError, match="job_version"):
        Job.from_json(manifest.to_json())
    with pytest.raises(JobFormatError, match="manifest_version"):
        Manifest.from_json("[]")
