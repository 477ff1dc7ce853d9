"""Deterministic generators of landing files in the vendors' exact formats."""

import filecmp
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.taobao import write_taobao


def write_samples(landing: Path, scale: float, seed: int, damage: float) -> None:
    """Write every domain's landing files; a file that would not change is not touched."""
    landing.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=landing.parent, prefix=f".{landing.name}.") as folder:
        fresh = Path(folder)
        write_taobao(fresh, scale, seed, damage)
        write_ratings(fresh, scale, seed, damage)
        write_music(fresh, scale, seed, damage)
        write_movie_reviews(fresh, scale, seed, damage)
        _deliver(fresh, landing)


def _deliver(fresh: Path, landing: Path) -> None:
    """Move new and changed files, each of which appears whole."""
    for file in filter(Path.is_file, sorted(fresh.rglob("*"))):
        target = landing / file.relative_to(fresh)
        if not (target.exists() and filecmp.cmp(file, target, shallow=False)):
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
