"""The DynamoDB table of a deployment, which may have none."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline_assets.errors import PipelineError
from pipeline_assets.settings import PREFIX, Settings
from pipeline_assets.storage.s3_access import S3Access

if TYPE_CHECKING:
    from pipeline_assets.keys.client import KeyTable


@dataclass(frozen=True)
class KeyStore:
    """A DynamoDB table that may not be configured; nothing connects before it is used.

    Attributes:
        setting: The variable that names the table.
        name: Its name, if the variable is set.
        access: The region.
        endpoint_url: Where DynamoDB is not Amazon's.
    """

    setting: str
    name: str | None
    access: S3Access
    endpoint_url: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "KeyStore":
        """The one that settings name."""
        setting, access = f"{PREFIX}KEYS_TABLE", settings.s3
        return cls(setting, settings.keys_table, access, settings.keys_endpoint_url)

    @property
    def is_set(self) -> bool:
        """Whether a table is named."""
        return bool(self.name)

    @property
    def address(self) -> str:
        """Its name."""
        return self.require().name

    def require(self) -> "KeyTable":
        """The table.

        Raises:
            PipelineError: The variable is not set.
        """
        if self.name is None:
            raise PipelineError(f"{self.setting} is not set; it names the DynamoDB table of keys")
        return self._table

    @cached_property
    def _table(self) -> "KeyTable":
        # Whoever only looks whether there is one does without what writes to it.
        from pipeline_assets.keys.client import KeyTable  # noqa: PLC0415

        access = replace(self.access, endpoint_url=self.endpoint_url)
        return KeyTable(self.name or "", lambda: access.client("dynamodb"))
