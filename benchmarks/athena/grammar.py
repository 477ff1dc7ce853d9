"""Every statement that Athena may get, read by Trino's own grammar.

The grammar is that of Trino's source, in npm's `dt-sql-parser`; no Trino runs. UNLOAD is Athena's
own word around a query, so the query inside it is read. From the repository's root:

    npm install --prefix /tmp/grammar dt-sql-parser esbuild
    python -m benchmarks.athena.grammar /tmp/grammar
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import compile_computation, kind_of
from pipeline_assets.dataset.inputs import stored, unbound
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.definitions import DATASETS
from pipeline_assets.engines.athena.statements import audited, summary, unloads
from pipeline_assets.publish.asset_audit import audit_of
from pipeline_assets.staleness.versions import evaluate
from spark_resources.job import CatalogTable, Destination, Job, Source, SourceFile

UNLOAD: Final = re.compile(r"UNLOAD \((.*)\) TO '[^']*' WITH \(.*\)", re.DOTALL)
KEYS: Final = tuple(f"2026-02-{day:02}" for day in range(1, 29))
NONSENSE: Final = "SELECT FROM WHERE"
AUDITS: Final = '"pipeline_audits"."audit_x"'


def statements(asset: LakeAsset) -> Iterator[str]:
    """What Athena is asked for an asset; of one that it refuses, what it would be asked."""
    tables = {it.name: it.table for it in DATASETS.assets}
    inputs = {spec.name: unbound(spec, tables[spec.upstream]) for spec in asset.inputs}
    rows = {spec.name: stored(spec, tables[spec.upstream]) for spec in asset.reads if spec.is_table}
    keys = KEYS if asset.partitioning else ()
    computation = evaluate(asset, inputs, asset.config_type and asset.config_type())
    compiled = compile_computation(computation, asset.table.contract, "trino")
    job = Job(
        token="x",
        kind=kind_of(computation),
        inputs={
            rows[spec.name].get_name(): _source(tables[spec.upstream])
            for spec in asset.reads
            if spec.is_table
        },
        sql=compiled.sql,
        schema=schema_names(asset.table.contract.schema),
        destination=Destination("s3://lake/x", asset.table.partition_column, keys),
        audit=audit_of(asset, rows, keys, "trino"),
    )
    for statement in unloads(job):
        found = UNLOAD.fullmatch(statement)
        assert found, statement
        yield found[1]
    yield summary(job.audit.summary_sql, AUDITS, job)
    for sql in (*job.audit.examples_sql.values(), *job.audit.report_sql.values()):
        yield audited(sql, AUDITS, job)


def _source(table: LakeTable) -> Source:
    schema = schema_names(table.contract.schema)
    known = CatalogTable(str(table), {name: name for name in schema}, table.partition_column, KEYS)
    return Source("parquet", schema, (SourceFile("s3://lake/y"),), 7, table=known)


def errors_of(every: list[str], packages: Path) -> list[list[str]]:
    """What the grammar says against each statement.

    Args:
        every: The statements.
        packages: The folder in which npm has installed the parser, and what bundles it for node.
    """
    script = Path(__file__).with_name("grammar.js")
    modules = packages / "node_modules"
    bundle = [str(modules / ".bin" / "esbuild"), str(script), "--bundle", "--platform=node"]
    environment = {"NODE_PATH": str(modules), "PATH": os.environ["PATH"]}
    code = subprocess.run(bundle, env=environment, capture_output=True, check=True).stdout
    with tempfile.NamedTemporaryFile(suffix=".js") as file:
        file.write(code)
        file.flush()
        read = subprocess.run(
            ["node", file.name], input=json.dumps(every).encode(), capture_output=True, check=True
        )
    told: list[list[str]] = json.loads(read.stdout)
    return told


def main() -> None:
    """Print how many statements the grammar accepts; fail if it refuses one."""
    asked = {
        asset.name: list(statements(asset))
        for asset in DATASETS.assets
        if asset.kind == "expression"
    }
    every = [sql for found in asked.values() for sql in found]
    *found, nonsense = errors_of([*every, NONSENSE], Path(sys.argv[1]))
    if not nonsense:
        sys.exit("the grammar accepts anything")
    told = zip(every, found, strict=True)
    refused = [(sql, errors) for sql, errors in told if errors]
    for sql, errors in refused:
        print(f"refused: {errors[0]}\n  {sql[:400]}")
    accepted = len(every) - len(refused)
    print(f"{accepted} of {len(every)} statements of {len(asked)} assets are Trino's")
    sys.exit(bool(refused))


if __name__ == "__main__":
    main()
