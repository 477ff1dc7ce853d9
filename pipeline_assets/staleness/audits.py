"""Which version of its checks a published partition has passed.

A changed check changes no row, so nothing is computed anew. What is published is audited again.
"""

from collections.abc import Mapping

import ibis

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import stored
from pipeline_assets.dataset.structure import structure_of
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.staleness.versions import digest


def audit_version(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> str:
    """A hash of what an asset's checks ask, and of how severe each of them is.

    Args:
        asset: The asset.
        tables: Lake table by asset key (``domain/name``).
    """
    output = ibis.table(asset.table.contract.schema, name="output")
    inputs = {it.name: stored(it, tables[it.upstream]) for it in asset.reads if it.is_table}
    asked = [
        [
            check.name,
            check.severity,
            structure_of(check.failing(output, *(inputs[name] for name in check.inputs))),
        ]
        for check in asset.all_checks
    ]
    return digest(asked)


def has_passed_other_checks(records: Mapping[str, PartitionRecord], version: str) -> bool:
    """Whether a published partition has passed other checks than those of a version.

    What version 0.1 published does not say which checks it has passed; it is taken as it is.
    """
    return bool({record.audit for record in records.values()} - {"", version})
