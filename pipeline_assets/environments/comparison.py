"""Comparing the rows of an environment with those of production."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_assets.dataset.values.table import TableState
from pipeline_assets.engines.embedded.comparing import counting
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.environments.changes import Change
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.profiles.drift import Drift, drifts
from pipeline_assets.profiles.profiles import published_profiles
from pipeline_assets.storage.s3_access import S3_SCHEME
from spark_resources.job import Source, SourceFile


@dataclass(frozen=True)
class Difference:
    """What is different in the changed partitions of a table.

    Attributes:
        added: Rows that only the environment has.
        removed: Rows that only production has.
        changed: Rows of which both have the key, with other values; 0 where rows have no key.
        columns: Columns that only one of the two has, as ``+name`` or ``-name``.
        drifts: Statistics that are far from those of production.
    """

    added: int
    removed: int
    changed: int
    columns: tuple[str, ...] = ()
    drifts: tuple[Drift, ...] = ()


def difference(production: Lake, lake: Lake, change: Change, engine: EmbeddedEngine) -> Difference:
    """Compare the changed partitions of a table, by the key of its contract if that has one.

    Columns that only one of the two has are named, and the others are compared.

    Raises:
        PipelineError: A table cannot be read.
    """
    table, keys = change.asset.table, list(change.records)
    before, after = production.read(table, keys), lake.read(table, keys)
    # A table that is new in the environment has no columns in production yet.
    old, new = before.columns or after.columns, after.columns
    columns = [name for name in new if name in old]
    key = table.contract.unique if set(table.contract.unique) <= set(columns) else ()
    uses_s3 = production.access.warehouse.startswith(S3_SCHEME)
    with engine.connect(uses_s3=uses_s3) as connection:
        sql = counting(key, columns, _source(before, old), _source(after, new))
        added, removed, changed = connection.execute(sql).fetchall()[0]
    come = [f"+{it}" for it in new if it not in old]
    gone = [f"-{it}" for it in old if it not in new]
    found = tuple(_drifts(production, lake, change))
    return Difference(added, removed, changed, (*come, *gone), found)


def _source(state: TableState, columns: Mapping[str, str]) -> Source:
    types = {name: type_.replace(" ", "") for name, type_ in columns.items()}
    files = tuple(SourceFile(uri) for uri in state.files)
    return Source("parquet", types, files, former=state.former)


def _drifts(production: Lake, lake: Lake, change: Change) -> list[Drift]:
    own = {key: it for key, it in change.records.items() if it}
    held = {key: it for key, it in change.before.items() if it}
    now = published_profiles(lake, change.asset.table, own) if own else {}
    before = published_profiles(production, change.asset.table, held) if held else {}
    return [
        drift
        for key, profile in sorted(now.items())
        if key in before
        for drift in drifts(key, profile, [before[key]])
    ]
