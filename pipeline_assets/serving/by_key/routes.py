"""Routes of lookups by key."""

from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request, Response

from pipeline_assets.reading.published_table import Column
from pipeline_assets.serving.answers import accepted, page_response, problem, unchanged
from pipeline_assets.serving.by_key.keyed import KeyLookups
from pipeline_assets.serving.by_key.lookups import LOOKUPS, Beside, Lookup, joined_sql, key_sql
from pipeline_assets.serving.described import rows_answered
from pipeline_assets.serving.remembered import Answers
from pipeline_assets.serving.requests import AsOf, Limit, PageToken
from pipeline_assets.serving.service import Query as Statement
from pipeline_assets.serving.service import QueryService, is_allowed
from pipeline_assets.serving.tokens import Caller

Columns = Mapping[str, tuple[Column, ...]]


def add_lookups(
    app: FastAPI,
    service: QueryService,
    answers: Answers,
    keys: KeyLookups | None,
    columns: Columns,
    caller: Callable[..., AsyncIterator[Caller]],
) -> None:
    """Add a route for each lookup whose table is published.

    Args:
        app: The application.
        service: Answers over the lake.
        answers: Remembers them.
        keys: Answers from DynamoDB, where rows are published by key.
        columns: Of each published table, by name.
        caller: The dependency that tells who asks.
    """
    for lookup in LOOKUPS:
        if lookup.table in columns:
            by_key = keys if lookup.is_keyed else None
            _add_lookup(app, service, answers, by_key, lookup, columns, caller)


def _add_lookup(
    app: FastAPI,
    service: QueryService,
    answers: Answers,
    keys: KeyLookups | None,
    lookup: Lookup,
    columns: Columns,
    caller: Callable[..., AsyncIterator[Caller]],
) -> None:
    alone = key_sql(lookup, columns[lookup.table])
    beside = lookup.beside if lookup.beside and lookup.beside.table in columns else None
    joined = joined_sql(lookup, beside, columns) if beside else ""
    (of_key,) = (it for it in columns[lookup.table] if it.name == lookup.key)
    of_rows = [*columns[lookup.table], *(columns[beside.table] if beside else ())]

    @app.get(lookup.path, summary=lookup.summary, tags=["by key"], responses=rows_answered(of_rows))
    def find(
        key: Annotated[str, Path(description=of_key.meaning)],
        request: Request,
        who: Annotated[Caller, Depends(caller)],
        limit: Limit = None,
        as_of: AsOf = None,
        page: PageToken = None,
    ) -> Response:
        is_joined = _may_join(beside, who)
        sql, values = (joined, [key, key]) if is_joined else (alone, [key])
        statement = Statement(sql, values, limit, as_of, page, who.token.tables)
        # What is published by key has nothing of the other table beside it.
        if keys and not is_joined and as_of is None and page is None:
            service.require_allowed([lookup.table], statement)
            if found := keys.answer(lookup, key, limit, request, accepted(request)):
                return found
        versions = service.versions(statement)
        if same := unchanged(request, versions.values()):
            return same
        rows = service.answer(statement, versions)
        if not len(rows.rows) and page is None:
            return problem(HTTPStatus.NOT_FOUND, f"{lookup.table} has no {lookup.key} {key!r}")
        return answers.remember(request, page_response(rows, accepted(request)), versions)


def _may_join(beside: Beside | None, who: Caller) -> bool:
    return beside is not None and is_allowed(beside.table, who.token.tables)
