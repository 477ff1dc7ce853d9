"""Databases outside the lake, as settings name them."""

from dataclasses import dataclass
from typing import Final

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError

OLTP: Final = "oltp"
WAREHOUSE: Final = "warehouse"


@dataclass(frozen=True)
class Database:
    """A database that may not be configured; nothing connects before it is used.

    Attributes:
        setting: The variable that holds its connection string.
        dsn: The connection string, if the variable is set.
    """

    setting: str
    dsn: SecretDsn | None

    def require(self) -> SecretDsn:
        """The connection string.

        Raises:
            PipelineError: The variable is not set.
        """
        if self.dsn is None:
            raise PipelineError(f"{self.setting} is not set; it names the database to connect to")
        return self.dsn
