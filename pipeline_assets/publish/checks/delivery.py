"""The check that a bad delivery does not take the place of a good partition unasked.

It compares counts that are known anyway: the rows of what was staged, of what is published, and of
the input that holds all records. It also compares the landing objects of what was staged with those
of what is published. People may accept what it refuses, by a tag of the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import dagster as dg

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import NOTHING
from pipeline_assets.dataset.values.table import WHOLE_TABLE, LakeTable
from pipeline_assets.publish.metadata import metadata_table
from pipeline_assets.publish.staging import Staged
from pipeline_assets.staleness.withdrawals import Withdrawal, withdrawal

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake

DELIVERY: Final = "delivery"
ACCEPT_TAG: Final = "pipeline/accept"
"""Tag of a run whose deliveries somebody has looked at and accepts."""
NAMED: Final = 3


@dataclass(frozen=True)
class Counts:
    """What is known of the delivery of one partition.

    Attributes:
        partition: Its key.
        rows: What the partition would hold.
        read: The records that were read for it.
        before: The rows that are published now; None for a new partition.
        complaint: Why the delivery is refused; None if it is not.
        remark: What people should know of it all the same.
    """

    partition: str
    rows: int
    read: int
    before: int | None
    complaint: str | None
    remark: str | None

    @property
    def told(self) -> str | None:
        """What people should know, refused or not."""
        return self.complaint or self.remark


def delivery_spec(asset: LakeAsset) -> Iterator[dg.AssetCheckSpec]:
    """The check for Dagster, of assets that have it."""
    if asset.delivery:
        yield dg.AssetCheckSpec(
            DELIVERY, asset=asset.key, description=str(asset.delivery), blocking=True
        )


def counts_of(
    asset: LakeAsset, tables: Mapping[str, LakeTable], lake: "Lake", staged: Staged
) -> list[Counts]:
    """Count what was delivered for each partition, and see which of its objects have gone.

    Raises:
        PipelineError: The lake cannot be read.
    """
    counts = _counts(asset, asset.delivery, tables, lake, staged) if asset.delivery else ()
    found = {each.partition: each for each in counts}
    return [*(found | _lacking(asset, found, lake, staged)).values()]


def _counts(
    asset: LakeAsset,
    delivery: Delivery,
    tables: Mapping[str, LakeTable],
    lake: "Lake",
    staged: Staged,
) -> Iterator[Counts]:
    column = delivery.counted_by
    spec = next((spec for spec in asset.inputs if spec.name == delivery.read), None)
    source = tables[spec.upstream] if spec else asset.table
    published = _published(lake, source, column, list(staged.records))
    for key, record in staged.records.items():
        is_counted = column is not None and spec is None
        rows = _total(staged, key, str(column)) if is_counted else record.rows
        read, before = (published.get(key, 0), None) if spec else (rows, published.get(key))
        if NOTHING in record.inputs.values():
            # Somebody has asked to empty the partition.
            yield Counts(key, rows, read, before, None, None)
            continue
        remark = None if spec else delivery.remark(rows, read, before)
        yield Counts(key, rows, read, before, delivery.complaint(rows, read, before), remark)


def _lacking(
    asset: LakeAsset, found: Mapping[str, Counts], lake: "Lake", staged: Staged
) -> dict[str, Counts]:
    """The partitions of which landing objects have gone, with what is to be said of them."""
    published = (
        lake.records(asset.table) if any(it.objects for it in staged.records.values()) else {}
    )
    lacking = {}
    for key, record in staged.records.items():
        before = published.get(key)
        gone = withdrawal(before, record.objects) if before and record.objects else None
        if before and gone:
            counts = found.get(key, Counts(key, record.rows, record.rows, before.rows, None, None))
            lacking[key] = _with_withdrawal(counts, gone)
    return lacking


def _with_withdrawal(counts: Counts, gone: Withdrawal) -> Counts:
    """Refuse what is left of a partition; what has come in the place of objects may hold more."""
    told = f"{gone}, and it holds {counts.rows:,} rows in place of {counts.before or 0:,}"
    if counts.rows < (counts.before or 0) or not gone.is_replaced:
        return replace(counts, complaint=counts.complaint or told)
    return replace(counts, remark=counts.remark or told)


def _published(
    lake: "Lake", table: LakeTable, column: str | None, keys: list[str]
) -> Mapping[str, int]:
    """The rows of published partitions, or the sums of a column that counts them."""
    import pyarrow.compute as pc

    if column is None:
        records = lake.records(table)
        return {key: records[key].rows for key in keys if key in records}
    states = {key: lake.read(table, [key]) for key in keys}
    return {
        key: pc.sum(lake.rows(table, state)[column]).as_py() or 0
        for key, state in states.items()
        if state.records
    }


def _total(staged: Staged, key: str, column: str) -> int:
    """The sum of a column of what was staged, from its mean."""
    means = (
        (profile.mean or 0) * profile.rows
        for profile in staged.profiles.get(key, ())
        if profile.column_name == column and profile.class_name is None
    )
    return round(next(means, 0))


def delivery_result(
    asset: LakeAsset, counts: list[Counts], *, accepted: bool
) -> dg.AssetCheckResult:
    """How the check ended.

    Args:
        asset: Its asset.
        counts: Of each partition.
        accepted: Whether somebody accepts whatever was delivered.
    """
    told = [each for each in counts if each.told]
    is_refused = any(each.complaint for each in told) and not accepted
    rows = [
        {"partition": it.partition, "rows": it.rows, "read": it.read, "published": it.before}
        for it in told or counts
    ]
    return dg.AssetCheckResult(
        passed=not told,
        check_name=DELIVERY,
        asset_key=asset.key,
        severity=dg.AssetCheckSeverity.ERROR if is_refused else dg.AssetCheckSeverity.WARN,
        description=_said(told) or None,
        metadata={"deliveries": metadata_table(rows)},
    )


def refuse_delivery(asset: LakeAsset, counts: list[Counts]) -> None:
    """Fail where a delivery was refused.

    Raises:
        dg.Failure: It was; the message says why and how to accept it.
    """
    refused = [each for each in counts if each.complaint]
    if refused:
        raise dg.Failure(
            f"{asset.table} is not published, its delivery is refused: {_said(refused)}; what was "
            "published stays. If the delivery is right, accept it: pipeline-assets update --accept",
            allow_retries=False,
        )


def _said(counts: list[Counts]) -> str:
    named = [
        f"{each.partition}: {each.told}" if each.partition != WHOLE_TABLE else str(each.told)
        for each in counts[:NAMED]
    ]
    more = [f"{len(counts) - NAMED:,} more partitions"] if len(counts) > NAMED else []
    return "; ".join([*named, *more])
