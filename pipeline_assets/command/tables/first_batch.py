"""The end of the demo: a release, and the first batch that a model would be trained on."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline_assets.command.tables.release import IMPRESSIONS, releases_of, training_sets

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session

NAME: Final = "demo"
ROWS: Final = 256
_USERS: Final = "taobao.encoded_users"


def first_batch(session: "Session") -> str:
    """Release the training sets as they are now, and say in one line what a batch is.

    The release of an earlier demo makes room for the new one.

    Raises:
        PipelineError: The training sets do not belong together, or cannot be read.
    """
    from pipeline_assets.reading.open_lake import open_lake
    from pipeline_assets.training import Reader, prepare

    releases = releases_of(session)
    if NAME in releases.names():
        releases.delete(NAME, session.deployment.lake.published())
    release = releases.create(NAME, training_sets(session))
    settings = session.settings
    with (
        open_lake(settings.lake_uri, catalog=settings.catalog_uri) as lake,
        TemporaryDirectory() as folder,
    ):
        rows = release.table(lake, IMPRESSIONS, partition="train")
        order, cache = ["user_row", "sample_id"], Path(folder)
        impressions = prepare(rows, cache, order_by=order)
        users = release.table(lake, _USERS, partition="train")
        resident = prepare(users, cache, order_by=["user_row"]).resident()
        batch = next(iter(Reader(impressions, ROWS)))
        own = sum(len(field.ids) for field in batch.fields.values())
        places = batch.keys["user_row"].astype(np.int64)
        joined = sum(int(field.lengths[places].sum()) for field in resident.values())
    return (
        f"release {NAME} of {len(release.tables)} tables; a first batch of {len(batch)} rows "
        f"has {own:,} tokens, and no join sends {joined:,} more"
    )
