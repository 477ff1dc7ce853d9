"""A publish as an OpenLineage run event.

One publish is one finished run of the asset's job, and Dagster's run is its parent. Only complete
runs are told: what fails publishes nothing, and Dagster tells of it.

The facets are those of https://openlineage.io/docs/spec/facets.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    column_lineage_dataset,
    dataset_version_dataset,
    documentation_job,
    job_type_job,
    lifecycle_state_change_dataset,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
    test_run,
)

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.sql import type_name
from pipeline_assets.openlineage.datasets import Name, dataset_name, folders
from pipeline_assets.publish.publication import Publication, ReadTable

ENGINES: Final = frozenset({"duckdb", "spark"})
"""Engines tell their version under their name."""
PRODUCER: Final = "https://pypi.org/project/pipeline-assets"


def run_event(publication: Publication, warehouse: str, deployment: str) -> RunEvent:
    """The event of one publish.

    Args:
        publication: The publish.
        warehouse: Folder or ``s3://`` prefix of the lake's tables.
        deployment: Name of the deployment, which is the namespace of its jobs.
    """
    token = f"{publication.run_id}/{publication.asset}/{publication.snapshot_id}"
    tables = [_read(table, warehouse) for table in publication.origin.tables]
    landed = [InputDataset(*name) for name in folders(publication.origin.objects)]
    return RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=publication.published_at.isoformat(),
        run=Run(str(uuid5(NAMESPACE_URL, token)), dict(_run_facets(publication, deployment))),
        job=Job(
            deployment,
            publication.asset,
            {
                "documentation": documentation_job.DocumentationJobFacet(
                    publication.origin.description
                ),
                "jobType": job_type_job.JobTypeJobFacet("BATCH", "DAGSTER", "ASSET"),
            },
        ),
        inputs=[*tables, *landed],
        outputs=[_written(publication, warehouse)],
        producer=PRODUCER,
    )


def _run_facets(publication: Publication, deployment: str) -> Iterator[tuple[str, RunFacet]]:
    yield (
        "parent",
        parent_run.ParentRunFacet(
            run=parent_run.Run(publication.run_id),
            job=parent_run.Job(deployment, publication.job_name),
        ),
    )
    for engine in ENGINES & publication.facts.keys():
        version = str(publication.facts[engine])
        yield "processing_engine", processing_engine_run.ProcessingEngineRunFacet(version, engine)
    yield (
        "test",
        test_run.TestRunFacet(
            [
                test_run.TestExecution(
                    name=check.name,
                    status="fail" if check.failed else "pass",
                    actual=str(check.failed),
                    description=f"{check.failed} rows fail" if check.failed else None,
                )
                for check in publication.checks
            ]
        ),
    )


def _table_name(asset: str, warehouse: str) -> Name:
    return dataset_name(f"{warehouse}/{asset}")


def _read(table: ReadTable, warehouse: str) -> InputDataset:
    facets: dict[str, DatasetFacet] = {"symlinks": _symlinks(table.asset, warehouse)}
    if table.snapshot_id is not None:
        facets["version"] = _version(table.snapshot_id)
    return InputDataset(*_table_name(table.asset, warehouse), facets=facets)


def _written(publication: Publication, warehouse: str) -> OutputDataset:
    replaced = lifecycle_state_change_dataset.LifecycleStateChange.OVERWRITE
    return OutputDataset(
        *_table_name(publication.asset, warehouse),
        facets={
            "schema": _schema(publication.table.contract),
            "version": _version(publication.snapshot_id),
            "symlinks": _symlinks(publication.asset, warehouse),
            "storage": storage_dataset.StorageDatasetFacet("iceberg", "parquet"),
            "lifecycleStateChange": lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(
                replaced
            ),
            **_column_lineage(publication, warehouse),
        },
        outputFacets={
            "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                publication.rows, publication.bytes, publication.files
            )
        },
    )


def _version(snapshot: int) -> DatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(str(snapshot))


def _symlinks(asset: str, warehouse: str) -> DatasetFacet:
    """The same table by the name that SQL knows it by."""
    identifier = symlinks_dataset.Identifier(warehouse, asset.replace("/", "."), "TABLE")
    return symlinks_dataset.SymlinksDatasetFacet([identifier])


def _schema(contract: TableContract) -> DatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        [
            schema_dataset.SchemaDatasetFacetFields(
                column.name, type_name(column.type), column.description or None
            )
            for column in contract.columns
        ]
    )


def _column_lineage(publication: Publication, warehouse: str) -> Mapping[str, DatasetFacet]:
    if not publication.lineage:
        return {}
    tables = {table.parameter: table for table in publication.origin.tables}
    fields = {
        column: column_lineage_dataset.Fields(list(_input_fields(sources, tables, warehouse)))
        for column, sources in publication.lineage.items()
    }
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields)}


def _input_fields(
    sources: Iterable[tuple[str, str]], tables: Mapping[str, ReadTable], warehouse: str
) -> Iterator[column_lineage_dataset.InputField]:
    found = {
        (tables[parameter].asset, _stored(tables[parameter], column))
        for parameter, column in sources
        if parameter in tables
    }
    for asset, column in sorted(found):
        yield column_lineage_dataset.InputField(*_table_name(asset, warehouse), column)


def _stored(table: ReadTable, column: str) -> str:
    """Lines, and fields such as ``line.label``, come from the text that ``part_uri`` names."""
    is_line = table.is_text and column.partition(".")[0] in {"line", "line_number"}
    return "part_uri" if is_line else column
