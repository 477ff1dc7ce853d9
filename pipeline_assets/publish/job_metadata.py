"""A remote job as Dagster's pages show it: who it was, what became of it, where to look."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

Metadata = dict[str, Any]

_IDS: Final = ("cluster_id", "step_id", "application_id", "job_run_id", "query_ids")
_FIGURES: Final[Mapping[str, str]] = {
    "duration_seconds": "job/duration_seconds",
    "vcpu_hours": "job/vcpu_hours",
    "memory_gb_hours": "job/memory_gb_hours",
    "scanned_bytes": "job/scanned_bytes",
    "queue_seconds": "job/queue_seconds",
    "engine_seconds": "job/engine_seconds",
    "estimated_cost_usd": "job/estimated_cost_usd",
}


def job_metadata(facts: Mapping[str, Any]) -> Metadata:
    """What an engine tells of a remote job; nothing of one that ran in this process."""
    if not _is_remote(facts):
        return {}
    found = [facts[name] for name in _IDS if facts.get(name)]
    ids = [it for each in found for it in (each if isinstance(each, list) else [each])]
    return {
        "job/id": " / ".join(map(str, ids)),
        **_history(facts.get("state_history") or {}),
        **_table("job/queries", facts.get("queries") or ()),
        **_links(facts),
        **{shown: facts[name] for name, shown in _FIGURES.items() if name in facts},
    }


def other_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What else an engine tells: nothing that :func:`job_metadata` shows by itself."""
    shown = (
        {*_IDS, *_FIGURES, "queries", "state_history", "log_uri", "console_url"}
        if _is_remote(facts)
        else ()
    )
    return {name: value for name, value in facts.items() if name not in shown}


def _is_remote(facts: Mapping[str, Any]) -> bool:
    return any(name in facts for name in _IDS)


def _history(states: Mapping[str, str]) -> Metadata:
    rows = [{"state": state, "since": since} for state, since in states.items()]
    return _table("job/states", rows)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Metadata:
    records = [dg.TableRecord(row) for row in rows]
    return {name: dg.MetadataValue.table(records)} if records else {}


def _links(facts: Mapping[str, Any]) -> Metadata:
    log, console = facts.get("log_uri"), facts.get("console_url")
    return {
        **({"job/log": dg.MetadataValue.path(log)} if log else {}),
        **({"job/log_link": dg.MetadataValue.url(log_link(log))} if log else {}),
        **({"job/console": dg.MetadataValue.url(console)} if console else {}),
    }


def log_link(uri: str) -> str:
    """The page of Amazon's console that lists a folder on S3.

    >>> log_link("s3://logs/emr/j-1/steps/s-1")
    'https://console.aws.amazon.com/s3/buckets/logs?prefix=emr/j-1/steps/s-1/'
    """
    bucket, _, prefix = uri.partition("://")[2].partition("/")
    return f"https://console.aws.amazon.com/s3/buckets/{bucket}?prefix={prefix.rstrip('/')}/"
