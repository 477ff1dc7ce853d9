"""The verdict on a delivery: request a run now, or the reason why not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_assets.orchestration.sensors.cursor import Delivery, Pending, Verdict
from pipeline_assets.orchestration.sensors.listing_pass import ListingPass


@dataclass(frozen=True)
class LakeState:
    """What verdicts depend on besides the deliveries themselves.

    Attributes:
        now: In seconds since 1970.
        settle: For how many seconds the objects of a delivery must not have changed.
        limit: How many runs a tick may request.
        materialised: By partition, the version of the objects that the lake's tables come from.
        in_progress: Partitions that an unfinished run materialises.
        early: Partitions whose time window has not ended.
        refused: Partitions that their definition does not know.
        withdrawn: Partitions of which some objects have gone since they were materialised.
    """

    now: float
    settle: float
    limit: int
    materialised: Mapping[str, str] = field(default_factory=dict)
    in_progress: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    withdrawn: frozenset[str] = frozenset()


def verdict_on(delivery: Delivery, pending: Pending | None, state: LakeState) -> Verdict:
    """The verdict on one delivery; the first reason against a run counts.

    Args:
        delivery: The objects as they are now.
        pending: What the sensor remembers of the partition.
        state: What else the verdict depends on.
    """
    same = pending if pending and pending.version == delivery.version else None
    # Our own clock counts beside the objects' times, because a vendor's clock may be wrong.
    still_since = min(delivery.modified, same.since if same else state.now)
    reasons: list[tuple[bool, Verdict]] = [
        (state.materialised.get(delivery.key) == delivery.version, "materialised"),
        (same is not None and same.requested, "requested"),
        (delivery.key in state.refused, "refused"),
        (delivery.key in state.early, "early"),
        (delivery.key in state.withdrawn, "withdrawn"),
        (state.now - still_since < state.settle, "growing"),
        (delivery.key in state.in_progress, "in_progress"),
    ]
    return next((verdict for holds, verdict in reasons if holds), "due")


def verdicts_on(found: ListingPass, state: LakeState) -> dict[str, Verdict]:
    """The verdicts on the deliveries of all changed segments, by partition."""
    return limited(
        {
            each.key: verdict_on(each, segment.pending(each.key), state)
            for segment in found.segments
            if segment.has_changed
            for each in segment.deliveries
        },
        state.limit,
    )


def limited(verdicts: Mapping[str, Verdict], limit: int) -> dict[str, Verdict]:
    """The same verdicts, where only the first ``limit`` deliveries that are due stay due."""
    due = [key for key, verdict in verdicts.items() if verdict == "due"]
    return {**verdicts, **dict.fromkeys(due[limit:], "later")}
