"""JSON Schemas of the documents that travel to a cluster and back."""

from typing import Any, Final

from pydantic import TypeAdapter

from spark_resources.job import FORMAT_VERSION, Job, Manifest

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def job_schema() -> dict[str, Any]:
    """What :meth:`spark_resources.job.Job.to_json` writes."""
    return _document(Job, "job_version")


def manifest_schema() -> dict[str, Any]:
    """What :meth:`spark_resources.job.Manifest.to_json` writes."""
    return _document(Manifest, "manifest_version")


def _document(model: type[Job | Manifest], version: str) -> dict[str, Any]:
    schema = TypeAdapter(model).json_schema()
    properties = {version: {"const": FORMAT_VERSION}, **schema["properties"]}
    return {
        "$schema": DIALECT,
        **schema,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
