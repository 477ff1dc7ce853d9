"""One definition, every engine: each expression and each audit compiles for each dialect."""

from typing import get_args

import ibis
import pytest
import sqlglot

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.comparison import Comparison
from pipeline_assets.dataset.computation import compile_computation
from pipeline_assets.dataset.inputs import stored, unbound
from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.definitions import DATASETS
from pipeline_assets.publish.asset_audit import audit_of, partition_checks
from pipeline_assets.publish.audit import build_audit
from pipeline_assets.publish.published_checks import PUBLISHED
from pipeline_assets.staleness.versions import evaluate

ASSETS = DATASETS.assets

TABLES = {asset.name: asset.table for asset in ASSETS}
COMPUTED = [asset for asset in ASSETS if asset.kind != "ingest"]


@pytest.mark.parametrize("dialect", get_args(Dialect))
@pytest.mark.parametrize("asset", COMPUTED, ids=lambda asset: asset.name)
def test_every_expression_compiles_for_every_engine(asset: LakeAsset, dialect: Dialect) -> None:
    inputs = {spec.name: unbound(spec, TABLES[spec.upstream]) for spec in asset.inputs}
    computation = evaluate(asset, inputs, asset.config_type and asset.config_type())
    compiled = compile_computation(computation, asset.result, dialect)
    assert sqlglot.parse_one(compiled.sql, dialect="spark" if dialect == "pyspark" else dialect)


@pytest.mark.parametrize("dialect", get_args(Dialect))
@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_every_audit_compiles_for_every_engine(asset: LakeAsset, dialect: Dialect) -> None:
    inputs = {
        spec.name: stored(spec, TABLES[spec.upstream])
        for spec in asset.reads
        if spec.read_as != "landed"
    }
    keys = ["2026-02-01"] if asset.partitioning else []
    checks = (*asset.all_checks, *partition_checks(asset, keys))
    audit = audit_of(asset, inputs, keys, dialect)
    assert set(audit.examples_sql) == {check.name for check in checks}


COMPARISONS = [(asset, each) for asset in ASSETS for each in asset.comparisons]


@pytest.mark.parametrize("dialect", get_args(Dialect))
@pytest.mark.parametrize(
    ("asset", "comparison"), COMPARISONS, ids=lambda it: getattr(it, "name", "")
)
def test_every_comparison_compiles_for_every_engine(
    asset: LakeAsset, comparison: Comparison, dialect: Dialect
) -> None:
    own = ibis.table(asset.table.contract.schema, name=PUBLISHED)
    others = {spec.name: stored(spec, TABLES[spec.upstream]) for spec in comparison.inputs}
    audit = build_audit(own, others, [comparison.check], {}, dialect)
    (sql,) = audit.examples_sql.values()
    assert sqlglot.parse_one(sql, dialect="spark" if dialect == "pyspark" else dialect)
