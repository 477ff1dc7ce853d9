import re
from collections.abc import Iterator

import dagster as dg
import ibis.expr.types as ir
import pyarrow as pa

from pipeline_assets.dataset.asset import check, ingest_asset, lake_asset
from pipeline_assets.dataset.contract import Contract, Field, Int, Long, String, TableContract
from pipeline_assets.dataset.inputs import Landed, NumberedLines
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.raw_contracts import RawText
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import encode_key
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.landing.raw_text import split_into_parts

DIARY = "diary"
DAYS = Partitioning("day", dg.DynamicPartitionsDefinition(name="day"))
PAGES = LandingSource(
    name="diary",
    prefix="diary",
    pattern=re.compile(r"diary/(?P<key>.+)/[^/]+\.txt"),
    partitioning=DAYS,
    description="Diary pages `diary/{day}/{page}.txt`: lines of `who: what`.",
)


class Pages(RawText):
    """One row per stored part of a page."""

    day: String = Field(description="When.")


class Entries(Contract):
    """One row per entry of a day."""

    page: String = Field(description="Where it stands.")
    line_number: Int = Field(ge=1, description="Its line.")
    who: String = Field(isin=["ada", "bob"], description="Who wrote.")
    letters: Long = Field(ge=1, description="Length of what was written.")
    day: String = Field(description="When.")


class Letters(Contract):
    """One row per person."""

    who: String = Field(description="Who wrote.")
    letters: Long = Field(description="How much.")

    class Config:
        unique = ("who",)


@ingest_asset(domain=DIARY, contract=Pages, code_version="1", partitions=DAYS, landing=PAGES)
def pages(files: Landed, workspace: Workspace) -> Iterator[pa.RecordBatch]:
    """The pages as they were delivered."""
    schema = TableContract.of(Pages).schema.to_pyarrow()
    for day, objects in files.objects.items():
        for place, item in enumerate(objects):
            with files.store.open(item.uri) as stream:
                content = stream.read()
            for part in split_into_parts([content], part_bytes=20):
                path = f"{encode_key(day)}/{place}-{part.number}"
                workspace.progress.advance(item.uri, len(part.data), item.size)
                row = {
                    "source_uri": item.uri,
                    "member": item.uri.rpartition("/")[2],
                    "part": part.number,
                    "part_uri": workspace.put(path, part.data),
                    "first_line": part.first_line,
                    "line_count": part.line_count,
                    "escaped_lines": part.escaped_lines,
                    "size_bytes": len(part.data),
                    "unterminated_line": 0,
                    "member_size_bytes": item.size,
                    "member_sha256": "",
                    "day": day,
                }
                yield pa.RecordBatch.from_pylist([row], schema=schema)


@check("warn")
def nobody_is_brief(entries: ir.Table) -> ir.Table:
    """Nobody writes less than three letters."""
    return entries.filter(entries.letters < 3)


@check("error")
def every_line_is_an_entry(entries: ir.Table, pages: ir.Table) -> ir.Table:
    """There are as many entries as lines."""
    lines, found = pages.aggregate(n=pages.line_count.sum()), entries.aggregate(m=entries.count())
    return lines.cross_join(found).filter(lambda both: both.n != both.m)


@lake_asset(
    domain=DIARY,
    contract=Entries,
    partitions=DAYS,
    checks=[nobody_is_brief, every_line_is_an_entry],
)
def entries(pages: NumberedLines) -> ir.Table:
    """What was written, by whom."""
    fields = pages.line.split(": ")
    return pages.select(
        "day",
        page=pages.member,
        line_number=pages.line_number.cast("int32"),
        who=fields[0],
        letters=fields[1].length(),
    )


@lake_asset(domain=DIARY, contract=Letters, mappings={"entries": dg.AllPartitionMapping()})
def letters(entries: ir.Table) -> ir.Table:
    """How much each wrote on all days together."""
    return entries.group_by("who").aggregate(letters=entries.letters.sum())


ASSETS = (pages, entries, letters)
