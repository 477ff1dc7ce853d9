"""Views of titles as rows: asked of the API, or read from dump files that have landed."""

import bz2
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.errors import PipelineError
from pipeline_assets.wikimedia.access import Wikimedia
from pipeline_assets.wikimedia.client import Client
from pipeline_assets.wikimedia.views import LoadedMonth, loaded_month, views_of

if TYPE_CHECKING:
    import pyarrow as pa

ROWS: Final = 50_000
"""Rows of a batch."""
_DAY: Final = timedelta(days=1)
_DAY_IN_NAME: Final = re.compile(r"pageviews-(\d{8})-user\.bz2$")
_FIELDS: Final = 5

_Row = dict[str, Any]


def asked_views(
    access: Wikimedia, titles: Collection[str], workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """The views of titles in the months of a run, asked of the API.

    Raises:
        PipelineError: Wikimedia cannot be asked.
    """
    client = Client(access)
    for key, (start, _) in workspace.windows.items():
        month = loaded_month(client, start.date())
        workspace.log(f"{key}: {len(month.views)} days are loaded, {len(titles):,} titles")
        yield from _batches(_asked(client, titles, month), key, workspace.schema)


def dumped_views(
    access: Wikimedia, titles: Collection[str], dumps: Landed, workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """The views of titles in the dump files of a run's months.

    Raises:
        PipelineError: A file is not whole, is delivered twice, or lacks the sentinel.
    """
    for key, objects in dumps.objects.items():
        for item in objects:
            day = datetime.strptime(_named_day(item.uri), "%Y%m%d").replace(tzinfo=UTC).date()
            if f"{day:%Y-%m}" != key:
                raise PipelineError(f"{item.uri} is of {day}, not of {key}: move it to its folder")
            with dumps.store.open(item.uri, item.etag) as stream:
                counted = _counted(item.uri, stream, access, {*titles, access.sentinel}, workspace)
            rows = _of_a_dump(access, titles, counted, day)
            yield from _batches(rows, key, workspace.schema)


def _asked(client: Client, titles: Collection[str], month: LoadedMonth) -> Iterator[_Row]:
    yield from _sentinel_rows(client.access.sentinel, month.views, month.first, month.last)
    for title, views in views_of(client, titles, month):
        yield from (_row(title, day, count) for day, count in views.items())


def _sentinel_rows(
    title: str, views: Mapping[date, int], first: date, last: date
) -> Iterator[_Row]:
    """One row for every day that has ended, loaded or not."""
    until = min(last, datetime.now(UTC).date() - _DAY)
    for number in range((until - first).days + 1):
        day = first + number * _DAY
        yield {**_row(title, day, views.get(day)), "is_sentinel": True}


def _of_a_dump(
    access: Wikimedia, titles: Collection[str], counted: Mapping[str, int], day: date
) -> Iterator[_Row]:
    yield from _sentinel_rows(access.sentinel, {day: counted[access.sentinel]}, day, day)
    yield from (_row(it, day, counted[it]) for it in titles if it in counted)


def _counted(
    uri: str,
    stream: BinaryIO,
    access: Wikimedia,
    titles: Collection[str],
    workspace: Workspace,
) -> Counter[str]:
    """The views of some titles in a dump file, all ways of reading together.

    A line is wiki, title, page id, way of reading, views of the day and views by hour:
    https://dumps.wikimedia.org/other/pageview_complete/readme.html
    """
    names = {title.replace(" ", "_").encode(): title for title in titles}
    start = f"{access.project} ".encode()
    counted: Counter[str] = Counter()
    unreadable = 0
    try:
        for line in bz2.BZ2File(stream):
            if not line.startswith(start):
                continue
            fields = line.split(b" ")
            if len(fields) < _FIELDS or not fields[4].isdigit():
                unreadable += 1
            elif fields[1] in names:
                counted[names[fields[1]]] += int(fields[4])
    except (EOFError, OSError) as error:
        raise PipelineError(f"{uri} is no whole bzip2 file, deliver it again: {error}") from error
    if access.sentinel not in counted:
        raise PipelineError(
            f"{uri} has no views of {access.sentinel} on {access.project}, which is read every "
            "day: is it the right file?"
        )
    workspace.log(f"{uri}: {len(counted):,} of {len(titles):,} titles; {unreadable:,} odd lines")
    return counted


def _named_day(uri: str) -> str:
    match = _DAY_IN_NAME.search(uri)
    return match[1] if match else ""


def _row(title: str, day: date, views: int | None) -> _Row:
    return {"title": title, "day": day, "views": views, "is_sentinel": False}


def _batches(rows: Iterator[_Row], month: str, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    batch: list[_Row] = []
    for row in rows:
        batch.append({**row, "month": month})
        if len(batch) == ROWS:
            yield pa.RecordBatch.from_pylist(batch, schema)
            batch = []
    yield pa.RecordBatch.from_pylist(batch, schema)
