"""A bearer token of the API, as the settings describe it."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

EVERY_TABLE: Final = ("*",)


class ApiToken(BaseModel):
    """Whom the settings allow to ask; `pipeline-assets serve --new-token` prints one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Hex digest of the token.")
    tables: tuple[str, ...] = Field(EVERY_TABLE, description="Globs over `domain.name`.")
    concurrency: int = Field(4, ge=1, description="Requests that are answered at the same time.")
