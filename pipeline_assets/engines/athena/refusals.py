"""What Athena cannot do, in a line for whoever asked for it, before anything is started."""

from collections.abc import Iterator

from pipeline_assets.engines.athena.statements import MOST_BYTES, unloads, uses
from pipeline_assets.errors import PipelineError
from spark_resources.job import Job


class NotOnAthenaError(PipelineError):
    """Athena cannot compute an asset; the message says why, and how to route it elsewhere."""


def refuse(job: Job) -> None:
    """Refuse a job that Athena cannot execute.

    Raises:
        NotOnAthenaError: It is one.
    """
    for reason in _reasons(job):
        asset = job.labels.get("asset", "it")
        route = f"""PIPELINE_ENGINE_OVERRIDES='{{"{asset}": "embedded"}}'"""
        raise NotOnAthenaError(
            f"Athena cannot compute {asset}: {reason}; set {route}, or use Spark"
        )


def _reasons(job: Job) -> Iterator[str]:
    if job.kind == "fixpoint":
        yield "it repeats a query until nothing changes (k-core), and Athena runs single queries"
    elif job.kind != "query":
        yield f"it learns ({job.kind}), and Athena only runs SQL"
    for name, source in job.inputs.items():
        if source.format == "lines" and uses(job.sql, name):
            yield f"`{name}` is raw text, and Athena reads tables"
    # UNLOAD writes like Athena's tables of Hive, whose timestamps end at the millisecond.
    if inexact := [name for name, type_ in job.schema.items() if type_ == "timestamp"]:
        yield f"UNLOAD cuts timestamps (`{inexact[0]}`) to milliseconds"
    longest = max(len(statement.encode()) for statement in unloads(job))
    if longest > MOST_BYTES:
        yield f"its statement has {longest:,} bytes, and Athena takes {MOST_BYTES:,}"
