"""A recommender-data lake as a Dagster asset graph.

:func:`open_lake` reads what it has published.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline_assets.reading.open_lake import open_lake

__all__ = ["open_lake"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Import the readers of the lake when somebody asks for them: no module of ours needs them."""
    if name == "open_lake":
        from pipeline_assets.reading.open_lake import open_lake  # noqa: PLC0415 - see above

        return open_lake
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
