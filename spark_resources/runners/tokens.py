"""Names of remote jobs: whoever lists them finds the attempt's token at the end."""

import hashlib

from spark_resources.job import Job


def attempt_token(work: str, number: int) -> str:
    """The token of an attempt at some work: in any process the same."""
    return hashlib.sha256(f"{work}\n{number}".encode()).hexdigest()[:32]


def token_of(name: str) -> str:
    """The token that a name made by :func:`submission_name` ends in; empty without one.

    >>> token_of("prod: taobao/impressions train [t1]"), token_of("somebody's step")
    ('t1', '')
    """
    return name.rpartition(" [")[2][:-1] if name.endswith("]") and " [" in name else ""


def submission_name(deployment: str, job: Job) -> str:
    """``deployment: asset partitions [token]``, within the 256 characters that AWS allows."""
    labels = (job.labels.get("asset"), job.labels.get("partitions"))
    who = " ".join(filter(None, labels)) or job.kind
    text = f"{deployment}: {who}".encode("ascii", "replace").decode()
    return f"{text[: 200 - len(job.token)]} {token_suffix(job.token)}"


def token_suffix(token: str) -> str:
    """How the name of an attempt's job ends."""
    return f"[{token}]"
