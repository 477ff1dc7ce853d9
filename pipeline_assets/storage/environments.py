"""Where an environment lies: a lake of its own within the folder of the lake it was cloned from.

``<lake>/_environments/<name>`` is the home of an environment. The catalog of the lake knows its
tables too, in namespaces of their own: ``env_<name>__taobao`` is ``taobao`` in the environment. So
the place of a lake says everything, and nobody has to be told beside it.
"""

import re
from typing import Final

FOLDER: Final = "_environments"
NAME: Final = re.compile(r"[a-z](?:_?[a-z0-9]){0,29}")
"""Of an environment. A namespace must show where it ends, and Glue's names have no capitals."""
_NAMESPACE: Final = re.compile(rf"env_{NAME.pattern}__(.+)")


def environment_uri(lake_uri: str, name: str) -> str:
    """The home of an environment of a lake."""
    return f"{lake_uri}/{FOLDER}/{name}"


def lake_of(uri: str) -> str:
    """The lake that an environment was cloned from; any other lake is its own.

    >>> lake_of("/data/lake/_environments/dev_x"), lake_of("/data/lake")
    ('/data/lake', '/data/lake')
    """
    lake, _, name = uri.rpartition(f"/{FOLDER}/")
    return lake if lake and NAME.fullmatch(name) else uri


def prefix_of(uri: str) -> str:
    """What namespaces of the lake at a place begin with in its catalog.

    >>> prefix_of("/data/lake/_environments/dev_x"), prefix_of("/data/lake")
    ('env_dev_x__', '')
    """
    is_environment = lake_of(uri) != uri
    return f"env_{uri.rpartition('/')[2]}__" if is_environment else ""


def own_namespace(uri: str, namespace: str) -> str | None:
    """What the lake at a place calls a namespace of the catalog; None for those of others.

    >>> own_namespace("/data/lake/_environments/dev_x", "env_dev_x__taobao")
    'taobao'
    >>> own_namespace("/data/lake", "env_dev_x__taobao") is None
    True
    """
    prefix = prefix_of(uri)
    if not prefix:
        return None if _NAMESPACE.fullmatch(namespace) else namespace
    return namespace.removeprefix(prefix) if namespace.startswith(prefix) else None


def shared_location(location: str) -> str:
    """Where the table lies that the table at a place was cloned from; itself if it is no clone.

    >>> shared_location("/data/lake/_environments/dev_x/taobao/impressions")
    '/data/lake/taobao/impressions'
    """
    home, namespace, name = location.rsplit("/", 2)
    return f"{lake_of(home)}/{namespace}/{name}"
