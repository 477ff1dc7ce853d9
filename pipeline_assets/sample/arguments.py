"""The arguments that every generator shares."""

from pipeline_assets.errors import PipelineError


def check_arguments(scale: float, damage: float, scale_one: str) -> None:
    """Check that the scale is positive and finite, and that the damage is a share.

    Args:
        scale: How large the sample is; 1 is the size that ``scale_one`` describes.
        damage: The share of spoilt rows.
        scale_one: What a sample of scale 1 holds, for the message.

    Raises:
        PipelineError: One of them is not; the message names it.
    """
    if not 0 < scale < float("inf"):
        raise PipelineError(f"scale is {scale}: give a number above 0, 1 being {scale_one}")
    if not 0 <= damage <= 1:
        raise PipelineError(f"damage is {damage}: give a share of rows from 0 to 1")
