"""Tables and landed objects under the names that OpenLineage gives to datasets.

The naming follows https://openlineage.io/docs/spec/naming: an object of S3 is named by its bucket
and its key, a file by its path, so that other tools that read the same place mean the same dataset.
"""

from collections.abc import Iterable, Iterator
from posixpath import dirname
from typing import Final, TypeAlias

Name: TypeAlias = tuple[str, str]
"""Namespace and name of a dataset."""

S3: Final = "s3://"


def dataset_name(uri: str) -> Name:
    """Namespace and name of what lies at a URI, which is an ``s3://`` one or an absolute path."""
    if not uri.startswith(S3):
        return "file", uri
    bucket, _, key = uri.removeprefix(S3).partition("/")
    return f"{S3}{bucket}", key


def folders(objects: Iterable[str]) -> Iterator[Name]:
    """The folders that objects lie in, each once: a delivery may be thousands of objects."""
    yield from map(dataset_name, dict.fromkeys(map(dirname, objects)))
