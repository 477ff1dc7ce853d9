"""One try at one request for partitions of an asset: its inputs, its job and its versions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import Compiled
from pipeline_assets.dataset.inputs import Input, LandedInput, LazyTable
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.config import Fields, plain
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.dataset.values.table import WHOLE_TABLE, PartitionRecord
from pipeline_assets.engines.engine import Engine
from pipeline_assets.publish.asset_audit import audit_of
from pipeline_assets.staleness.versions import evaluate, input_versions, partition_version
from spark_resources.job import Audit, Destination, Job, Manifest, Source


@dataclass(frozen=True)
class Request:
    """One execution of an asset.

    Attributes:
        keys: The partitions to materialise; none for a table that is replaced as a whole.
        run_id: The Dagster run.
        code_version: Of the asset.
        config: Its config, if it has any.
        log: Told about progress.
        override: The part of the config that a run has asked for against the declaration.
        audit_version: Of the asset's checks.
    """

    keys: tuple[str, ...]
    run_id: str
    code_version: str
    config: Any
    log: Log
    override: Fields = field(default_factory=dict)
    audit_version: str = ""

    @property
    def plain_config(self) -> Fields | None:
        """The config as JSON values."""
        return plain(self.config) if self.config else None


@dataclass(frozen=True)
class Attempt:
    """Everything about one try at one request.

    Attributes:
        asset: What is materialised.
        inputs: Its loaded inputs, by parameter name.
        request: Which partitions, and for whom.
        token: Names the attempt; nobody else writes below its location.
        home: Where all attempts of the asset write.
        outside: Version of the asset's outside system by partition; empty if it has none.
    """

    asset: LakeAsset
    inputs: Mapping[str, Input]
    request: Request
    token: str
    home: str
    outside: Mapping[str, str]

    @property
    def location(self) -> str:
        """Where this attempt writes."""
        return f"{self.home}/{self.token}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The partitions; the empty key for a table without."""
        return self.request.keys or (WHOLE_TABLE,)

    @property
    def lazy(self) -> dict[str, LazyTable]:
        """The tables among the inputs."""
        return {
            name: loaded for name, loaded in self.inputs.items() if isinstance(loaded, LazyTable)
        }

    @property
    def tables(self) -> dict[str, ir.Table]:
        """What the asset's function is called with."""
        return {name: lazy.table for name, lazy in self.lazy.items()}

    @property
    def stored(self) -> dict[str, ir.Table]:
        """The input tables as they are stored, which is what checks look at."""
        return {name: lazy.rows for name, lazy in self.lazy.items()}

    @property
    def sources(self) -> dict[str, Source]:
        """The files of the inputs, by table name."""
        return {
            name: source for lazy in self.lazy.values() for name, source in lazy.sources.items()
        }

    @property
    def landed(self) -> dict[str, Any]:
        """The landed objects among the inputs."""
        return {
            name: loaded.landed
            for name, loaded in self.inputs.items()
            if isinstance(loaded, LandedInput)
        }

    def evaluated(self) -> Any:  # noqa: ANN401 - as the function returns
        """What the asset's function returns for the inputs."""
        request = self.request
        return evaluate(self.asset, self.tables, request.config, request.keys)

    def job(self, compiled: Compiled, engine: Engine) -> Job:
        """What an engine is to do."""
        return Job(
            token=self.token,
            kind=compiled.kind,
            inputs=self.sources,
            sql=compiled.sql,
            schema=schema_names(self.asset.table.contract.schema),
            destination=Destination(
                self.location, self.asset.table.partition_column, self.request.keys
            ),
            audit=self.audit(engine),
            parameters=compiled.parameters,
            labels={
                "asset": self.asset.name,
                "partitions": ",".join(self.request.keys),
                "run": self.request.run_id,
            },
        )

    def audit(self, engine: Engine) -> Audit:
        """What is asked of the files that the job writes."""
        return audit_of(self.asset, self.stored, self.request.keys, engine.dialect)

    def outdated(self, published: Iterable[str]) -> tuple[str, ...]:
        """The published partitions that go with these, if the asset keeps only the newest."""
        newest = self.asset.keeps_newest
        older = sorted({*published, *self.keys})[:-newest] if newest else []
        return tuple(key for key in older if key not in self.keys)

    def input_versions(self, key: str) -> dict[str, str]:
        """What a partition is materialised from: versions of its inputs and its outside system."""
        versions = input_versions(self.asset, self.inputs, key)
        if self.asset.system and key in self.outside:
            versions[self.asset.system] = self.outside[key]
        return versions

    def version(self, key: str) -> str:
        """The version that a partition has once this attempt is published."""
        request = self.request
        return partition_version(
            request.code_version, request.plain_config, self.input_versions(key)
        )

    def records(self, manifest: Manifest) -> dict[str, PartitionRecord]:
        """What is to be known of each partition once it is published."""
        rows: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for file in manifest.files:
            rows[file.partition or WHOLE_TABLE] += file.rows
            size[file.partition or WHOLE_TABLE] += file.bytes
        return {key: self._record(key, rows[key], size[key]) for key in self.keys}

    def _record(self, key: str, rows: int, size: int) -> PartitionRecord:
        return PartitionRecord(
            version=self.version(key),
            inputs=self.input_versions(key),
            code_version=self.request.code_version,
            run_id=self.request.run_id,
            rows=rows,
            bytes=size,
            config=self.request.plain_config,
            override=self.request.override,
            audit=self.request.audit_version,
            objects=self._objects(key),
        )

    def _objects(self, key: str) -> tuple[str, ...]:
        """The URIs of the landing objects of a partition."""
        landed = [it.landed for it in self.inputs.values() if isinstance(it, LandedInput)]
        return tuple(item.uri for it in landed for item in it.objects.get(key, ()))
