"""Opening the Iceberg catalog: SQLite or any SQL database by default, Glue on AWS."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy.exc import IntegrityError, OperationalError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline_assets.s3 import S3_SCHEME, S3Access

GLUE: Final = "glue"
_NAME: Final = "lake"


@dataclass(frozen=True)
class CatalogAccess:
    """Where the catalog is and how its tables' files are reached.

    Attributes:
        uri: ``glue`` or a SQLAlchemy URL.
        warehouse: Folder or ``s3://`` prefix that table locations lie below.
        s3: How to reach S3.
    """

    uri: str
    warehouse: str
    s3: S3Access = field(default_factory=S3Access)

    def open(self) -> Catalog:
        """Connect; the first process to come creates the catalog's own tables."""
        properties = {"warehouse": self.warehouse, **self._storage_properties()}
        if self.uri == GLUE:
            return load_catalog(_NAME, type=GLUE, **properties)
        _make_parent(self.uri)
        return _open_sql(self.uri, properties)

    def _storage_properties(self) -> dict[str, str]:
        if not self.warehouse.startswith(S3_SCHEME):
            return {}
        credentials = self.s3.credentials()
        properties = {
            "s3.endpoint": self.s3.endpoint_url,
            "s3.region": self.s3.region_name,
            "s3.access-key-id": credentials["access_key"],
            "s3.secret-access-key": credentials["secret_key"],
            "s3.session-token": credentials.get("token"),
        }
        return {name: value for name, value in properties.items() if value}


@retry(
    retry=retry_if_exception_type((OperationalError, IntegrityError)),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    stop=stop_after_attempt(10),
    reraise=True,
)
def _open_sql(uri: str, properties: dict[str, str]) -> Catalog:
    """Processes that start together may all try to create the tables: all but one try again."""
    return SqlCatalog(_NAME, uri=uri, **properties)


def _make_parent(uri: str) -> None:
    path = uri.removeprefix("sqlite:///").partition("?")[0]
    if path != uri.partition("?")[0]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def sqlite_uri(path: Path) -> str:
    """The SQLAlchemy URL of a SQLite file, patient with other writers."""
    return f"sqlite:///{path}?timeout=60"
