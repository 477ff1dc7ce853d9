"""Generators of landing files in the vendors' exact formats.

The demo, the tests and the benchmarks need data of any size that nobody has to download. The same
arguments always give the same bytes, so a second demo finds its files unchanged. Each generator
plants what a pipeline has to notice: odd names, thresholds, and on request a share of faults.
"""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.placing import place
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.rental_rows import DAYS, END
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.sample.wikipedia.articles import write_list


def write_samples(
    landing: Path,
    scale: float,
    seed: int,
    damage: float,
    *,
    end: date = END,
    days: int = DAYS,
) -> None:
    """Write every domain's landing files, and leave alone each file that would not change.

    Args:
        landing: Where to.
        scale: 1 takes seconds.
        seed: Same arguments, same bytes.
        damage: Share of damaged rows.
        end: The day after the last of the daily files, UTC.
        days: How many of them there are.

    Raises:
        PipelineError: One would overwrite a file that is not of an earlier sample.
    """
    landing.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=landing.parent, prefix=f".{landing.name}.") as folder:
        fresh = Path(folder)
        write_taobao(fresh, scale, seed, damage)
        write_ratings(fresh, scale, seed, damage)
        write_music(fresh, scale, seed, damage)
        write_movie_reviews(fresh, scale, seed, damage, end=end, days=days)
        write_list(fresh, seed)
        place(fresh, landing)
