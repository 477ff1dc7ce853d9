"""Does Spark 3.5 accept every statement that assets compile to?

Run: ``python -m benchmarks.spark.accept_35 [version]``. It installs that PySpark (3.5.9 unless told
otherwise) into a throwaway environment, starts it on the Java that local Spark runs on, and has it
analyse each asset's statement, its audits and its reports over empty tables. Both ways of handling
overflow and bad casts are tried: ANSI, as on Spark 4, and not, as on EMR 7. Prints what is refused,
and exits with 1 if anything is.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ibis

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import STATE, compile_computation
from pipeline_assets.dataset.inputs import stored, unbound
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.definitions import DATASETS
from pipeline_assets.publish.asset_audit import audit_of
from pipeline_assets.publish.audit import OUTPUT
from pipeline_assets.staleness.versions import evaluate
from spark_resources.cluster.spark_types import ddl
from spark_resources.runners.jvm import choose_java, environment

VERSION: Final = "3.5.9"
ASSETS: Final = DATASETS.assets
A_DAY: Final = "2026-02-01"
DIALECT: Final[Dialect] = "pyspark"
TABLES: Final = {asset.name: asset.table for asset in ASSETS}

# Runs in the other environment, which has nothing of ours.
ANALYSE: Final = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
refused, empty = [], {}
for ansi in ("true", "false"):
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    for item in json.load(open(sys.argv[1])):
        for name, schema in item["tables"].items():
            if schema not in empty:
                empty[schema] = spark.createDataFrame([], schema)
            empty[schema].createOrReplaceTempView("`" + name + "`")
        try:
            frame = spark.sql(item["sql"])
            if item["creates"]:
                frame.createOrReplaceTempView(item["creates"])
            frame._jdf.queryExecution().executedPlan()
        except Exception as error:
            refused.append([item["name"], ansi, str(error).strip().splitlines()[0]])
java = spark.sparkContext._jvm.java.lang.System.getProperty("java.version")
print("RESULT" + json.dumps({"spark": spark.version, "java": java, "refused": refused}))
"""


@dataclass(frozen=True)
class Statement:
    """A statement and the tables it reads; ``creates`` names what later ones read it as."""

    name: str
    sql: str
    tables: dict[str, str]
    creates: str = ""


def statements(asset: LakeAsset) -> Iterator[Statement]:
    """All that Spark would be asked for an asset."""
    yield from _computed(asset)
    inputs = {
        spec.name: stored(spec, TABLES[spec.upstream]) for spec in asset.reads if spec.is_table
    }
    output = ibis.table(asset.table.contract.schema, name=OUTPUT)
    audit = audit_of(asset, inputs, (A_DAY,), DIALECT)
    tables = {table.get_name(): _ddl(table) for table in (output, *inputs.values())}
    aggregates = ", ".join(f"{sql} AS `{name}`" for name, sql in audit.aggregates.items())
    asked = {
        "aggregates": f"SELECT {aggregates} FROM output",
        **({"audit": audit.summary_sql} if audit.summary_sql else {}),
        **{f"all of {name}": keyed.sql for name, keyed in audit.keyed.items()},
        **audit.examples_sql,
        **audit.report_sql,
    }
    for what, sql in asked.items():
        yield Statement(f"{asset.name}: {what}", sql, tables)


def _computed(asset: LakeAsset) -> Iterator[Statement]:
    if asset.kind != "expression":
        return
    inputs = {spec.name: unbound(spec, TABLES[spec.upstream]) for spec in asset.reads}
    config = asset.config_type and asset.config_type()
    computation = evaluate(asset, inputs, config, [A_DAY])
    compiled = compile_computation(computation, asset.result, DIALECT)
    tables = {table.get_name(): _ddl(table) for table in inputs.values()}
    yield Statement(f"{asset.name}: {compiled.kind}", compiled.sql, tables, creates=STATE)
    for name, sql in compiled.parameters.items():
        if name.endswith("_sql"):
            yield Statement(f"{asset.name}: {name}", sql, tables)


def _ddl(table: Any) -> str:  # noqa: ANN401 - an Ibis table
    return ddl(schema_names(table.schema()))


def analysed(version: str, folder: Path, asked: list[Statement]) -> dict[str, Any]:
    """What that PySpark says, in an environment below a folder."""
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    # setuptools: 3.5 still imports distutils.
    wanted = [f"pyspark=={version}", "setuptools"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    document = folder / "statements.json"
    document.write_text(json.dumps([vars(statement) for statement in asked]))
    java = choose_java(None, folder / "java")
    print(java.explain())
    variables = {"PATH": "/usr/bin:/bin", **environment(java.home, python)}
    command = [python, "-c", ANALYSE, str(document)]
    done = subprocess.run(
        command, env=variables, cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    told: dict[str, Any] = json.loads(done.stdout.partition("RESULT")[2])
    return told


def main(version: str = VERSION) -> int:
    """Print what is refused; how many statements are."""
    asked = [statement for asset in ASSETS for statement in statements(asset)]
    with tempfile.TemporaryDirectory() as folder:
        told = analysed(version, Path(folder), asked)
    for name, ansi, reason in told["refused"]:
        print(f"{name} (ANSI {ansi}): {reason}")
    print(
        f"Spark {told['spark']}, Java {told['java']}: {len(asked)} statements, "
        f"{len(told['refused'])} refused of {2 * len(asked)} analyses"
    )
    return len(told["refused"])


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:])))
