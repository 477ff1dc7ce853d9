"""Idempotency keys of attempts, and the names of remote jobs, which end in them.

A process that takes over from a killed one computes the same token, and so finds the job that is
still running.
"""

import hashlib
from collections.abc import Callable
from itertools import count

from spark_resources.job import Job


def attempt_token(work: str, number: int) -> str:
    """The token of the attempt with this number at some work, the same in every process."""
    return hashlib.sha256(f"{work}\n{number}".encode()).hexdigest()[:32]


def open_attempt(work: str, is_open: Callable[[str], bool]) -> str:
    """The token of the first attempt at some work that is not started or may be taken over."""
    return next(filter(is_open, (attempt_token(work, number) for number in count())))


def token_of(name: str) -> str:
    """The token at the end of a name that :func:`submission_name` wrote; empty for other names.

    >>> token_of("prod: taobao/impressions train [t1]"), token_of("somebody's step")
    ('t1', '')
    """
    return name.rpartition(" [")[2][:-1] if name.endswith("]") and " [" in name else ""


def submission_name(deployment: str, job: Job) -> str:
    """Write ``deployment: asset partitions [token]``, in the 256 characters that AWS allows."""
    labels = (job.labels.get("asset"), job.labels.get("partitions"))
    who = " ".join(filter(None, labels)) or job.kind
    text = f"{deployment}: {who}".encode("ascii", "replace").decode()
    return f"{text[: 200 - len(job.token)]} {token_suffix(job.token)}"


def token_suffix(token: str) -> str:
    """The end of the name of an attempt's job."""
    return f"[{token}]"
