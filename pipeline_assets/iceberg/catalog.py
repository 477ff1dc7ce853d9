"""Access to the Iceberg catalog: SQLite or any other SQL database, Glue on AWS, or by REST.

Several processes use the catalog at once and nobody holds a lock. Where two of them change the same
table, one commit is refused, and :data:`beside_others` repeats that process's whole step.

Imports of SQLAlchemy and of pyiceberg's catalogs stand inside functions, because they are slow and
only opening a catalog needs them.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    RESTError,
    TableAlreadyExistsError,
    ValidationException,
)
from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import Readable
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.environments import own_namespace, prefix_of
from pipeline_assets.storage.objects import LocalStore, S3Store
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

GLUE: Final = "glue"
RECOVER: Final = "run: pipeline-assets recover"
REST_SCHEMES: Final = ("rest+http://", "rest+https://")
ENCRYPTING_IO: Final = "pipeline_assets.iceberg.encryption.EncryptingFileIO"
LOCAL_IO: Final = "pipeline_assets.iceberg.local_files.LocalFileIO"
CATALOG_NAME: Final = "lake"
"""Tells the tables of this product apart in a database that several catalogs share."""
# In the URLs of both of their endpoints: as the host, or in the warehouse that Glue's is asked for.
_S3_TABLES: Final = "s3tables"
WAIT_SECONDS: Final = 60
"""So long whoever uses a SQLite catalog waits for a writer."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# What pyiceberg raises when another process was faster; an SQL catalog adds IntegrityError.
_LOST_RACE: Final = (
    CommitFailedException,
    ValidationException,
    NamespaceAlreadyExistsError,
    TableAlreadyExistsError,
)


class DamagedCatalogError(PipelineError):
    """A file that should be a SQLite catalog, and is no whole database."""


def name_damage(error: BaseException, file: object) -> None:
    """Say of a damaged SQLite file which one it is, and what helps.

    Raises:
        DamagedCatalogError: The error of SQLite tells of damage, and of nothing else.
    """
    # The code without the part that tells kinds of one error apart.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, sqlite3.Error) and code in _DAMAGED:
        raise DamagedCatalogError(f"the catalog {file} is damaged ({error}): {RECOVER}") from error


@dataclass(frozen=True)
class CatalogAccess:
    """Where the catalog is, and how to reach the files of its tables.

    Attributes:
        uri: ``glue``, a SQLAlchemy URL, or ``rest+https://…`` with properties as its query.
        warehouse: Folder or ``s3://`` prefix that table locations lie below.
        s3: How to reach S3.
        chosen: Where a catalog that chooses places has put tables, by identifier, as last loaded.
    """

    uri: str = field(repr=False)  # may hold a password
    warehouse: str
    s3: S3Access = field(default_factory=S3Access)
    chosen: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _opened: "dict[str, _Opened]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def chooses_places(self) -> bool:
        """Whether the catalog is somebody else's, which may keep tables where it likes."""
        return self.uri.startswith(REST_SCHEMES)

    @property
    def takes_places(self) -> bool:
        """Whether the catalog may be asked for a place: S3 Tables refuse whoever names one."""
        return not (self.chooses_places and _S3_TABLES in self.uri)

    def place(self, table: Readable) -> str:
        """Where a table lies, unless its catalog has chosen another place."""
        return f"{self.warehouse}/{table.namespace}/{table.name}"

    @cached_property
    def store(self) -> ObjectStore:
        """Where the files of the tables lie."""
        return S3Store(self.s3) if self.warehouse.startswith(S3_SCHEME) else LocalStore()

    def identifier(self, table: Readable) -> str:
        """What the catalog calls a table of this lake."""
        return f"{prefix_of(self.warehouse)}{table}"

    def namespaces(self) -> Mapping[str, str]:
        """The namespaces of this lake, by the names that the catalog has for them."""
        names = [name for name, *_ in self.open().list_namespaces()]
        found = {name: own_namespace(self.warehouse, name) for name in names}
        return {name: own for name, own in found.items() if own is not None}

    def open(self) -> "Catalog":
        """The catalog; the first process creates the tables of the catalog itself.

        A connection is used again until the credentials are renewed, the database's file is
        replaced, or the process forks.
        """
        properties = {"warehouse": self.warehouse, **self.storage_properties()}
        opened = self._opened.get(self.uri)
        if opened is None or opened.circumstances != _circumstances(self.uri, properties):
            catalog = self._connect(properties)
            opened = _Opened(catalog, _circumstances(self.uri, properties))
            self._opened[self.uri] = opened
        return opened.catalog

    def require(self) -> int:
        """Make sure that the catalog can be read, and return the number of its namespaces.

        Raises:
            PipelineError: It cannot be reached, or is damaged.
        """
        with one_line_errors("read the catalog"):
            return len(self.namespaces())

    def _connect(self, properties: dict[str, str]) -> "Catalog":
        if self.uri == GLUE:
            from pyiceberg.catalog import load_catalog

            # boto3 needs a region for Glue, and the setting names it, not the environment.
            region = {"glue.region": self.s3.region_name}
            return load_catalog(CATALOG_NAME, type=GLUE, **properties, **region)
        if self.uri.startswith(REST_SCHEMES):
            return _open_rest(self.uri, properties)
        if path := sqlite_path(self.uri):
            path.parent.mkdir(parents=True, exist_ok=True)
        return _open_sql(self.uri, properties)

    def storage_properties(self) -> dict[str, str]:
        """What pyiceberg is told of how to reach the files of the tables."""
        if not self.warehouse.startswith(S3_SCHEME):
            return {"py-io-impl": LOCAL_IO}
        credentials = self.s3.credentials()
        properties = {
            "s3.endpoint": self.s3.endpoint_url,
            "s3.region": self.s3.region_name,
            "s3.access-key-id": credentials["access_key"],
            "s3.secret-access-key": credentials["secret_key"],
            "s3.session-token": credentials.get("token"),
            "s3.sse-kms-key-id": self.s3.kms_key_id,
            "py-io-impl": self.s3.kms_key_id and ENCRYPTING_IO,
        }
        return {name: value for name, value in properties.items() if value}


@dataclass(frozen=True)
class _Opened:
    """A connection to a catalog, and the circumstances in which it may be used."""

    catalog: "Catalog"
    circumstances: tuple[object, ...]


def _circumstances(uri: str, properties: Mapping[str, str]) -> tuple[object, ...]:
    path = sqlite_path(uri)
    # A connection to a deleted file still accepts writes, and nobody ever reads them. An emptied
    # one lacks the catalog's tables, which a new connection creates.
    file = path.stat() if path and path.exists() else None
    identity = file and (file.st_dev, file.st_ino, file.st_size > 0)
    return os.getpid(), sorted(properties.items()), identity


def _is_created_by_another(error: BaseException) -> bool:
    """Whether another process has just created the tables of the catalog itself."""
    from sqlalchemy.exc import DBAPIError

    # Every database words this differently, so the texts are all there is to compare.
    return isinstance(error, DBAPIError) and ("exists" in str(error) or "locked" in str(error))


def is_lost_race(error: BaseException) -> bool:
    """Whether another process has changed or created the same table meanwhile."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, (*_LOST_RACE, IntegrityError))


@retry(
    retry=retry_if_exception(_is_created_by_another),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    stop=stop_after_attempt(10),
    reraise=True,
)
def _open_sql(uri: str, properties: dict[str, str]) -> "Catalog":
    """Connect; of several processes that create the tables, all but the first try again."""
    from pipeline_assets.iceberg.catalogs.durable_catalog import DurableSqlCatalog

    return DurableSqlCatalog(CATALOG_NAME, uri=uri, **properties)


def _open_rest(uri: str, properties: dict[str, str]) -> "Catalog":
    """Connect to a catalog that speaks Iceberg's REST protocol.

    The query of the URL holds pyiceberg's properties of REST catalogs, such as ``warehouse``,
    ``credential`` or ``rest.sigv4-enabled``.
    """
    from pyiceberg.catalog.rest import RestCatalog

    url = urlsplit(uri.removeprefix("rest+"))
    # What such a catalog calls a warehouse is a name of its own, and no place.
    own = {name: value for name, value in properties.items() if name != "warehouse"}
    own |= dict(parse_qsl(url.query))
    return RestCatalog(CATALOG_NAME, **own, uri=url._replace(query="").geturl())


def _give_up(attempt: RetryCallState) -> None:
    error = attempt.outcome.exception() if attempt.outcome else None
    raise PipelineError(
        f"Other processes kept changing the same table; run it again ({error})"
    ) from error


beside_others: Final = retry(
    retry=retry_if_exception(is_lost_race),
    # Random waits: processes that were refused together would otherwise meet again.
    wait=wait_random_exponential(multiplier=0.05, max=2),
    stop=stop_after_attempt(30),
    retry_error_callback=_give_up,
)
"""Decorator: repeats a function that reads the catalog and changes it, if a commit was refused."""


@contextmanager
def one_line_errors(doing: str) -> Iterator[None]:
    """Turn errors of the catalog, its driver and the storage into a PipelineError of one line."""
    try:
        yield
    except _faults() as error:
        raise PipelineError(f"Cannot {doing}: {str(error).splitlines()[0]}") from error


def _faults() -> tuple[type[Exception], ...]:
    """Asked for when something failed: until then nobody need have imported SQLAlchemy."""
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, ImportError, SQLAlchemyError, BotoCoreError, ClientError, RESTError)


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite database; None for any other catalog."""
    scheme, _, rest = uri.partition(":///")
    database = unquote(rest.partition("?")[0])
    is_sqlite = scheme.partition("+")[0] == "sqlite"
    return Path(database) if is_sqlite and database else None


def sqlite_uri(path: Path) -> str:
    """The SQLAlchemy URL of a SQLite file; a writer waits for other writers."""
    return f"sqlite:///{quote(str(path))}?timeout={WAIT_SECONDS}"
