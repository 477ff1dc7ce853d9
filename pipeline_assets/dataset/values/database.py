"""Systems outside the lake, as settings name them: databases, and what else assets read."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from pipeline_assets.dataset.values.dsn import SecretDsn, address
from pipeline_assets.errors import PipelineError

OLTP: Final = "oltp"
WAREHOUSE: Final = "warehouse"
WIKIMEDIA: Final = "wikimedia"
STREAM: Final = "stream"
KEYS: Final = "keys"


class OutsideSystem(Protocol):
    """A system that may not be configured; nothing connects before it is used."""

    @property
    def setting(self) -> str:
        """The variable without which it is not configured."""
        ...

    @property
    def is_set(self) -> bool:
        """Whether it is configured."""
        ...

    @property
    def address(self) -> str:
        """Which system it is, without secrets; fails if it is not configured."""
        ...

    def require(self) -> Any:  # noqa: ANN401 - what connects to one kind of system
        """What its readers connect with; fails if it is not configured."""
        ...


@dataclass(frozen=True)
class Database:
    """A database that may not be configured; nothing connects before it is used.

    Attributes:
        setting: The variable that holds its connection string.
        dsn: The connection string, if the variable is set.
    """

    setting: str
    dsn: SecretDsn | None

    @property
    def is_set(self) -> bool:
        """Whether it is configured."""
        return self.dsn is not None

    @property
    def address(self) -> str:
        """Database and server, without user and password."""
        return address(self.require())

    def require(self) -> SecretDsn:
        """The connection string.

        Raises:
            PipelineError: The variable is not set.
        """
        if self.dsn is None:
            raise PipelineError(f"{self.setting} is not set; it names the database to connect to")
        return self.dsn
