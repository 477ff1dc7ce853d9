import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import (  # type: ignore[import-untyped]  # no stubs of its own
    Draft202012Validator,
    ValidationError,
    validate,
)

from pipeline_assets.engines.job_schema import job_schema, manifest_schema
from pipeline_assets_tests.spark_resources.test_job import a_whole_job
from spark_resources.job import AuditResult, DataFile, Manifest

MANIFEST = Manifest(
    token="t1",
    rows=1,
    files=(DataFile("s3://b/1", 1, 9, partition="2024-01-01"), DataFile("s3://b/2", 0, 4)),
    audits=(AuditResult("unique_key", 1, ({"id": 3},)),),
    reports={"preview": ({"id": 3, "name": None},)},
    timings={"write": 0.1},
    facts={"rounds": 3},
    measures={"profile_rows": 1},
)


def job(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(a_whole_job(folder).to_json())
    return document


def manifest() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(MANIFEST.to_json())
    return document


def test_documents_follow_their_schemas(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(job_schema())
    Draft202012Validator.check_schema(manifest_schema())
    validate(job(tmp_path), job_schema())
    validate(manifest(), manifest_schema())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"job_version": 1}, "was expected"),
        ({"kind": "shell"}, "is not one of"),
        ({"inputs": {"raw": {"format": "parquet"}}}, "is a required property"),
        ({"user": "root"}, "unexpected"),
    ],
)
def test_what_is_no_job_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        validate(job(tmp_path) | change, job_schema())


def test_a_manifest_says_of_which_attempt_it_is() -> None:
    nameless = {key: value for key, value in manifest().items() if key != "token"}
    with pytest.raises(ValidationError, match="'token' is a required property"):
        validate(nameless, manifest_schema())
