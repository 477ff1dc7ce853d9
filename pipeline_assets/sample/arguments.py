"""The arguments that every generator shares."""

from pipeline_assets.errors import PipelineError


def check_arguments(scale: float, damage: float, scale_one: str) -> None:
    """Refuse a scale or share of damage that makes no sense.

    Args:
        scale: Must be above 0 and finite.
        damage: Must be a share.
        scale_one: What scale 1 is, for the message.

    Raises:
        PipelineError: Says which argument is wrong, and what it may be.
    """
    if not 0 < scale < float("inf"):
        raise PipelineError(f"scale is {scale}: give a number above 0, 1 being {scale_one}")
    if not 0 <= damage <= 1:
        raise PipelineError(f"damage is {damage}: give a share of rows from 0 to 1")
