"""What may be said in a request: parameters of routes, and the body of a statement."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline_assets.serving.formats import Format

Limit = Annotated[int | None, Query(ge=1, description="Rows of a page.")]
AsOf = Annotated[str | None, Query(description="Read what was published at this moment.")]
PageToken = Annotated[str | None, Query(description="`next` of the page before.")]


class QueryRequest(BaseModel):
    """A statement; see `POST /query`."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(description="A single SELECT over tables named `domain.name`.")
    parameters: list[Any] | dict[str, Any] = Field(
        default_factory=list, description="Values of `?`, or by name of `$name`."
    )
    limit: int | None = Field(None, ge=1, description="Rows of a page.")
    as_of: str | None = Field(None, description="Read what was published at this moment.")
    page: str | None = Field(None, description="`next` of the page before: the same snapshots.")
    format: Format | None = Field(None, description="Instead of the header `Accept`.")
