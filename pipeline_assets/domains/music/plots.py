"""Pictures on the music assets' pages."""

from typing import TYPE_CHECKING, Final

import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COUNTRIES: Final = 4
ARTISTS: Final = 5
POINTS: Final = 400
LABELS: Final = 40
LETTERS: Final = 20


def _leaders(ranks: ir.Table) -> ir.Table:
    """The top artists of the countries with the most plays."""
    plays = ranks.group_by("country").aggregate(plays=ranks.total_playcount.sum())
    largest = plays.order_by(plays.plays.desc(), plays.country).limit(COUNTRIES)
    top = ranks.filter(ranks["rank"] <= ARTISTS).semi_join(largest, "country")
    return top.select("country", "artist_name", "total_playcount", "rank").order_by(
        "country", "rank"
    )


def _draw_leaders(axes: "Axes", rows: Rows) -> None:
    names = [f"{_label(row['artist_name'])} · {_label(row['country'])}" for row in rows]
    countries = sorted({row["country"] for row in rows})
    colours = [f"C{countries.index(row['country'])}" for row in rows]
    axes.barh(range(len(rows)), [row["total_playcount"] for row in rows], color=colours)
    axes.set_yticks(range(len(rows)), names, fontsize=6, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("plays")


def _best_known(embeddings: ir.Table, user_top_artists: ir.Table) -> ir.Table:
    """Vectors of the artists with the most listeners, those first."""
    heard = user_top_artists.group_by("artist_name").aggregate(listeners=user_top_artists.count())
    known = embeddings.join(heard, "artist_name").select("artist_name", "embedding", "listeners")
    return known.order_by(known.listeners.desc(), known.artist_name).limit(POINTS)


def _draw_map(axes: "Axes", rows: Rows) -> None:
    """The two directions in which the vectors differ most (principal components)."""
    import numpy as np

    if len(rows) < 3:
        return
    vectors = np.array([row["embedding"] for row in rows], dtype=float)
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    places = centred @ directions[:2].T
    axes.scatter(places[:, 0], places[:, 1], s=8, alpha=0.5)
    for row, (x, y) in list(zip(rows, places, strict=True))[:LABELS]:
        axes.annotate(_label(row["artist_name"]), (x, y), fontsize=5, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])


def _label(name: str) -> str:
    """A name as one short line."""
    return " ".join(name.split())[:LETTERS]


LEADERS: Final = Plot("top_artists", _leaders, _draw_leaders)
ARTIST_MAP: Final = Plot("artist_map", _best_known, _draw_map, inputs=("user_top_artists",))
