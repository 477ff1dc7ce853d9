"""Files that a table's cleaning has found to be garbage, and since when it has.

The list lies in the lake, in the folder ``condemned`` beside the table's data. It names files by
their paths below the table, so that it holds in a lake that was moved as well.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Final

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.errors import PipelineError

FOLDER: Final = "condemned"
_NAME: Final = "files.json"


def read_condemned(store: ObjectStore, location: str) -> dict[str, datetime]:
    """When each file was condemned, by its URI; nothing where no list was ever written.

    Raises:
        PipelineError: The list cannot be read.
    """
    uri = f"{location}/{FOLDER}/{_NAME}"
    if uri not in {item.uri for item in store.list(f"{location}/{FOLDER}")}:
        return {}
    with closing(store.open(uri)) as stream:
        text = stream.read()
    try:
        return {
            f"{location}/{path}": datetime.fromisoformat(moment)
            for path, moment in json.loads(text).items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise PipelineError(f"{uri} is no list of condemned files: delete it") from error


def write_condemned(store: ObjectStore, location: str, condemned: Mapping[str, datetime]) -> None:
    """Replace the list.

    Raises:
        PipelineError: It cannot be written.
    """
    paths = {
        uri.removeprefix(f"{location}/"): moment.isoformat() for uri, moment in condemned.items()
    }
    store.put(f"{location}/{FOLDER}/{_NAME}", json.dumps(paths, sort_keys=True).encode())
