"""Deterministic generators of landing files in the vendors' exact formats."""

from pathlib import Path
from typing import Final

from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.rentals import write_movie_reviews
from pipeline_assets.sample.taobao import write_taobao

RENTAL_DAYS: Final = 28


def write_samples(landing: Path, scale: float, seed: int, damage: float) -> dict[str, Path]:
    """Write every domain's landing files.

    Returns:
        Domain to the file that tells what a correct pipeline must find.
    """
    write_taobao(landing, scale, seed, damage)
    write_ratings(landing, scale, seed, damage)
    write_music(landing, scale, seed, damage)
    write_movie_reviews(landing, scale, seed, damage, days=RENTAL_DAYS)
    return {
        "taobao": landing / "taobao" / "truth.json",
        "ratings": landing / "amazon_reviews" / "truth.json",
        "music": landing / "music" / "truth.json",
        "rentals": landing / "movie_review" / "truth.json",
    }
