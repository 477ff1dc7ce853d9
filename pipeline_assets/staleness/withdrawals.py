"""Landing objects that a published partition came from and that lie there no more.

A landing zone is a mailbox that people empty. So what is published is kept when all objects of its
partition have gone, and also when some have gone: the rest holds fewer rows than were delivered.
Objects that come in the place of others are a new delivery, which is judged by its rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import NOTHING
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.dataset.values.texts import first_and_last
from pipeline_assets.landing.zone import Listing

_NAMED: Final = 3


@dataclass(frozen=True)
class Withdrawal:
    """What has gone of the objects that a partition came from.

    Attributes:
        gone: Their URIs, in order. What version 0.1 published does not name them: where all have
            gone it is empty then, and where some have gone nobody notices.
        left: How many of the others lie there still.
        is_replaced: Whether objects lie there that the partition did not come from.
    """

    gone: tuple[str, ...]
    left: int
    is_replaced: bool = False

    @property
    def is_partial(self) -> bool:
        """Whether something of the partition lies there still, and nothing new."""
        return self.left > 0 and not self.is_replaced

    def __str__(self) -> str:
        names = first_and_last([uri.rpartition("/")[2] for uri in self.gone])
        verb = "lies" if len(self.gone) == 1 else "lie"
        return (
            f"{len(self.gone):,} of the {len(self.gone) + self.left:,} objects that it came from "
            f"{verb} there no more ({names})"
        )


Withdrawals: TypeAlias = Mapping[str, Mapping[str, Withdrawal]]
"""By landing asset, then by partition key."""


def withdrawal(record: PartitionRecord | None, present: Iterable[str]) -> Withdrawal | None:
    """What has gone of a partition's objects; None if all are there, or nobody knows which it had.

    Args:
        record: What is published of the partition.
        present: The URIs of the objects that lie there now.
    """
    before, now = set(record.objects if record else ()), set(present)
    gone = tuple(sorted(before - now))
    return Withdrawal(gone, len(before & now), bool(now - before)) if gone else None


def withdrawals(
    assets: Iterable[LakeAsset],
    listings: Mapping[str, Listing],
    published: Callable[[LakeAsset], Mapping[str, PartitionRecord]],
) -> Withdrawals:
    """The partitions that are published although some or all of their objects have gone.

    Args:
        assets: The assets.
        listings: What lies in the landing zone, by landing asset.
        published: The records of an asset's partitions.
    """
    found: dict[str, dict[str, Withdrawal]] = {name: {} for name in listings}
    for asset in assets:
        for spec in (spec for spec in asset.inputs if spec.upstream in listings):
            listing = listings[spec.upstream]
            for key, record in published(asset).items():
                if gone := _gone(record, spec.name, listing, key):
                    found[spec.upstream][key] = gone
    return {name: dict(sorted(keys.items())) for name, keys in found.items() if keys}


def _gone(record: PartitionRecord, name: str, listing: Listing, key: str) -> Withdrawal | None:
    """What has gone of a partition of a landing input; what others replace is a new delivery."""
    if key in listing.partitions:
        some = withdrawal(record, (item.uri for item in listing.partitions[key]))
        return some if some and some.is_partial else None
    is_kept = listing.is_whole and record.inputs.get(name) != NOTHING
    return Withdrawal(record.objects, 0) if is_kept else None


def kept(listings: Mapping[str, Listing], withdrawn: Withdrawals) -> Mapping[str, Listing]:
    """The listings without partitions of which some objects have gone: nothing of them is stale."""
    return {
        name: replace(
            listing,
            partitions={
                key: objects
                for key, objects in listing.partitions.items()
                if key not in withdrawn.get(name, {})
            },
        )
        for name, listing in listings.items()
    }


def emptied(listings: Mapping[str, Listing], withdrawn: Withdrawals) -> Mapping[str, Listing]:
    """The listings with partitions of which all objects have gone, as such that hold none."""
    return {
        name: replace(
            listing,
            partitions={**dict.fromkeys(withdrawn.get(name, {}), ()), **listing.partitions},
        )
        for name, listing in listings.items()
    }


def withdrawn_lines(withdrawn: Withdrawals) -> Iterator[str]:
    """What vendors have withdrawn and the lake has kept, for people."""
    for name, found in withdrawn.items():
        partial = _partial(found)
        whole = [key for key in found if key not in partial]
        if whole:
            yield (
                f"{name}: nothing of {first_and_last(whole)} lies there any more; what is "
                "published is kept, and update --withdraw empties it"
            )
        for key in partial[:_NAMED]:
            yield (
                f"{name}: {key}: {found[key]}; what is published is kept, and update --withdraw "
                "publishes the rest"
            )
        if partial[_NAMED:]:
            yield f"{name}: the same of {first_and_last(partial[_NAMED:])}"


def _partial(found: Mapping[str, Withdrawal]) -> list[str]:
    return [key for key, each in found.items() if each.is_partial]
