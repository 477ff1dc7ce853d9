"""The emitter that sends through OpenLineage's own client, which is an optional dependency."""

from openlineage.client import OpenLineageClient

from pipeline_assets.openlineage.emitter import Emitter, Send
from pipeline_assets.openlineage.events import run_event


def openlineage_emitter(warehouse: str, deployment: str) -> Emitter:
    """An emitter whose transport is what OpenLineage's own settings say.

    Those are its variables, such as ``OPENLINEAGE_URL``, or a file ``openlineage.yml``.

    Args:
        warehouse: Folder or ``s3://`` prefix of the lake's tables.
        deployment: Name of the deployment.
    """
    return Emitter(lambda publication: run_event(publication, warehouse, deployment), _connect)


def _connect() -> Send:
    return OpenLineageClient().emit
