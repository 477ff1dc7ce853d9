"""Which warehouse a connection string is of."""

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.warehouses.postgres import PostgresWarehouse
from pipeline_assets.warehouses.redshift.warehouse import RedshiftWarehouse
from pipeline_assets.warehouses.warehouse import Warehouse


def warehouse_of(dsn: SecretDsn, s3: S3Access) -> Warehouse:
    """The warehouse; nothing connects yet.

    Args:
        dsn: Its connection string.
        s3: How to reach the bucket that Redshift copies rows from.
    """
    if dsn.system == "postgres":
        return PostgresWarehouse(dsn)
    return RedshiftWarehouse(dsn, S3Store(s3))
