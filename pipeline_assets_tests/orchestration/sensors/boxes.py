"""The assets of the simulation: two tables are read from what lands, one is made from the first."""

import re

import dagster as dg
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.contract import Contract, String
from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.staleness.versions import code_version

BOX = Partitioning("box", dg.DynamicPartitionsDefinition(name="box"))
SOURCE = LandingSource(
    name="boxes",
    prefix="boxes",
    pattern=re.compile(r"boxes/(?P<key>[^/]+)/[^/]+"),
    partitioning=BOX,
    description="Boxes.",
)


class Things(Contract):
    """One row per thing."""

    thing: String
    box: String


@ingest_asset(domain="sensors", contract=Things, code_version="1", partitions=BOX, landing=SOURCE)
def raw_boxes(objects: Landed) -> None:
    raise NotImplementedError


@ingest_asset(domain="sensors", contract=Things, code_version="1", partitions=BOX, landing=SOURCE)
def raw_labels(objects: Landed) -> None:
    raise NotImplementedError


@lake_asset(domain="sensors", contract=Things, partitions=BOX)
def contents(raw_boxes: ir.Table) -> ir.Table:
    return raw_boxes


ASSETS = (raw_boxes, raw_labels, contents)
TABLES = {asset.name: asset.table for asset in ASSETS}
CODE_VERSIONS = {asset.name: code_version(asset, TABLES) for asset in ASSETS}


def definitions() -> dg.Definitions:
    """What Dagster knows of these assets; nobody executes them."""
    specs = [
        dg.AssetSpec(
            asset.key,
            deps=[spec.key for spec in asset.inputs],
            partitions_def=BOX.definition,
            code_version=CODE_VERSIONS[asset.name],
        )
        for asset in ASSETS
    ]
    landing = dg.AssetSpec(SOURCE.key, partitions_def=BOX.definition)
    return dg.Definitions(assets=[landing, *specs])
