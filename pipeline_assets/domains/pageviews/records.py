"""From the records of a list to handles, the titles that count for them, and rejected rows.

Format: RFC 4180 with a header; ``name``, and ``hint`` and ``handle`` where the list has them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.domains.pageviews.resolution import Found, Subject
from pipeline_assets.landing.delimited import Columns
from pipeline_assets.landing.fields import reasons, text_of

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = Columns(("name",), optional=("hint", "handle"))


def subject_of(record: dict[str, str | None]) -> Subject:
    """The subject of a record, without white space around its fields."""
    return Subject(*((record[name] or "").strip() for name in COLUMNS.names))


def resolved(
    batch: "pa.RecordBatch", found: Iterator[Found], schema: "pa.Schema"
) -> "pa.RecordBatch":
    """Records with what was found for each of them."""
    import pyarrow as pa

    rows = []
    for record in batch.to_pylist():
        each = found.__next__() if record["problem"] is None else Found()
        page = each.page
        article = {
            "page_id": page and page.page_id,
            "title": page and page.title,
            "redirect_chain": page and list(page.chain),
            "other_titles": page and list(each.other_titles),
        }
        rows.append({**record, **article, "reason": each.reason, "how_found": each.how})
    return pa.RecordBatch.from_pylist(rows, schema)


def accepted(raw_subjects: ir.Table) -> ir.Table:
    """Every subject with an article, once."""
    sound = _judged(raw_subjects)
    sound = sound.filter(sound.fault.isnull())
    return sound.select(
        "page_id",
        "how_found",
        "redirect_chain",
        "list",
        name=sound.name.strip(),
        hint=sound.hint.strip().nullif(""),
        handle=sound.title,
    )


def titles_of(raw_subjects: ir.Table) -> ir.Table:
    """The titles whose views count for each article."""
    found = raw_subjects.filter(raw_subjects.page_id.notnull())
    columns = {"page_id": found.page_id, "handle": found.title, "list": found["list"]}
    own = found.select(**columns, title=found.title)
    others = found.select(**columns, title=found.other_titles.unnest())
    return own.union(others).distinct()


def rejected(raw_subjects: ir.Table) -> ir.Table:
    """Every other record, with its text and all reasons that apply."""
    broken = _judged(raw_subjects)
    broken = broken.filter(broken.fault.notnull())
    text = text_of(broken, COLUMNS.names, ",")
    return broken.select(
        "source_uri", "row_number", "list", reason=broken.fault, raw=broken.raw.fill_null(text)
    )


def _judged(raw: ir.Table) -> ir.Table:
    """The records with all that is wrong with each; nothing is wrong with one that is accepted."""
    key = [raw["list"], raw.name.strip(), raw.hint.fill_null("").strip(), raw.page_id.isnull()]
    place = ibis.row_number().over(group_by=key, order_by=[raw.source_uri, raw.row_number])
    fault = reasons(
        (raw.problem.notnull(), raw.problem),
        (raw.reason.notnull(), raw.reason),
        (raw.page_id.notnull() & (place > 0), "repeated"),
    )
    return raw.mutate(fault=fault)
