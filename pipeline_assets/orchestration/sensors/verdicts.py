"""What becomes of a delivery that a sensor has seen: a run now, or a reason to wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_assets.orchestration.sensors.cursor import Delivery, Pending, Verdict
from pipeline_assets.orchestration.sensors.look import Look


@dataclass(frozen=True)
class Circumstances:
    """What verdicts depend on besides the deliveries.

    Attributes:
        now: In seconds since 1970.
        settle: For how many seconds objects have to lie still.
        limit: How many deliveries may be requested at once.
        made: The version that each partition of the lake was made from.
        busy: Partitions that runs in progress are making.
        early: Partitions whose window of time has not ended.
        refused: Partitions that there are not.
    """

    now: float
    settle: float
    limit: int
    made: Mapping[str, str] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


def judge(delivery: Delivery, pending: Pending | None, given: Circumstances) -> Verdict:
    """What is to be done about a delivery."""
    is_same = pending is not None and pending.version == delivery.version
    verdicts: list[tuple[bool, Verdict]] = [
        (given.made.get(delivery.key) == delivery.version, "made"),
        (is_same and pending is not None and pending.requested, "requested"),
        (delivery.key in given.refused, "refused"),
        (delivery.key in given.early, "early"),
        (not _lies_still(delivery, pending if is_same else None, given), "growing"),
        (delivery.key in given.busy, "busy"),
    ]
    return next((verdict for holds, verdict in verdicts if holds), "due")


def judged(found: Look, given: Circumstances) -> dict[str, Verdict]:
    """The verdicts on all deliveries that have to be judged."""
    return limited(
        {
            each.key: judge(each, stretch.pending(each.key), given)
            for stretch in found.stretches
            if stretch.has_changed
            for each in stretch.deliveries
        },
        given.limit,
    )


def limited(verdicts: Mapping[str, Verdict], limit: int) -> dict[str, Verdict]:
    """The same, but of too many that are due, the last ones have to wait."""
    due = [key for key, verdict in verdicts.items() if verdict == "due"]
    return {**verdicts, **dict.fromkeys(due[limit:], "later")}


def _lies_still(delivery: Delivery, pending: Pending | None, given: Circumstances) -> bool:
    """Whether it is old, or has not changed while we watched: a vendor's clock may be wrong."""
    since = min(delivery.modified, pending.since if pending else given.now)
    return given.now - since >= given.settle
