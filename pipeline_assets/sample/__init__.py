"""Deterministic generators of landing files in the vendors' exact formats."""

from pathlib import Path

from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.taobao import write_taobao


def write_samples(landing: Path, scale: float, seed: int, damage: float) -> dict[str, Path]:
    """Write every domain's landing files.

    Returns:
        Domain to the file that tells what a correct pipeline must find.
    """
    write_taobao(landing, scale, seed, damage)
    write_ratings(landing, scale, seed, damage)
    write_music(landing, scale, seed, damage)
    return {
        "taobao": landing / "taobao" / "truth.json",
        "ratings": landing / "amazon_reviews" / "truth.json",
        "music": landing / "music" / "truth.json",
    }
