"""Lookups by key that are answered from DynamoDB, where the newest rows are published by key."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request, Response

from pipeline_assets.keys.client import KeyTable
from pipeline_assets.keys.items import State
from pipeline_assets.keys.reading import read_key, read_state
from pipeline_assets.serving.answers import is_known, not_modified, problem, rows_response
from pipeline_assets.serving.by_key.lookups import Lookup
from pipeline_assets.serving.formats import Format


@dataclass(frozen=True)
class KeyLookups:
    """Answers what fits into a page; everything else is left to the lake.

    Attributes:
        keys: The table of DynamoDB.
        rows: The most rows of a page.
    """

    keys: KeyTable
    rows: int

    def answer(
        self, lookup: Lookup, key: str, limit: int | None, request: Request, format_: Format
    ) -> Response | None:
        """The rows of a key; None if the lake has to answer.

        Args:
            lookup: Which rows.
            key: The key.
            limit: Rows of a page, if the caller has named a number.
            request: What was asked.
            format_: Of the answer.

        Raises:
            UnavailableError: DynamoDB cannot be asked.
        """
        state = read_state(self.keys, lookup.table)
        text = lookup.key_text(key)
        if state is None or text is None:
            return None
        etag = f"{lookup.table}@{state.revision}"
        if is_known(request, etag):
            return not_modified(etag)
        rows = read_key(self.keys, lookup.table, text, state).rows
        if not len(rows):
            return problem(HTTPStatus.NOT_FOUND, f"{lookup.table} has no {lookup.key} {key!r}")
        if len(rows) > min(limit or self.rows, self.rows):
            return None
        return rows_response(rows, [_version(lookup.table, state)], None, etag, format_)


def _version(table: str, state: State) -> dict[str, str]:
    """What an answer says of the version that it has read."""
    return {
        "table": table,
        "snapshot": str(state.snapshot),
        "published_at": state.at,
        "from": "keys",
    }
