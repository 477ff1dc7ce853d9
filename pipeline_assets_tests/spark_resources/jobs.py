"""Small jobs to try things with."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from spark_resources.job import Audit, Destination, Job, Source, SourceFile

LINES = {"line": "string", "line_number": "long"}


def a_job(out: Path | str, sql: str, schema: Mapping[str, str], **inputs: Source) -> Job:
    return Job(
        token="t1",
        kind="query",
        inputs=inputs,
        sql=sql,
        schema=schema,
        destination=Destination(str(out)),
        audit=Audit("SELECT count(*) AS `rows` FROM output"),
        labels={"asset": "taobao/impressions", "partitions": "train", "run": "run-1"},
    )


def partitioned(job: Job, column: str, *keys: str) -> Job:
    return replace(job, destination=Destination(job.destination.uri, column, keys))


def lines(*files: SourceFile, **columns: str) -> Source:
    return Source("lines", {**LINES, **columns}, files)


def text_file(path: Path, text: str) -> SourceFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return SourceFile(str(path))
