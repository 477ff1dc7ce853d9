"""What vendors do on a bad day: deliver nothing of use, or take back what they delivered."""

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from pipeline_assets_tests.chaos.zone import Delivery, Mark, marks

if TYPE_CHECKING:
    from pipeline_assets_tests.chaos.trial import Trial

BAD, WITHDRAWN = "bad delivery", "withdrawn source"
LAST_GOOD = ("reviews", "filtered_ratings", "train_ready_ratings")


def bad_day(trial: "Trial", chance: Random) -> None:
    """Spoil a delivery or remove it: the lake stays as it is, and says so."""
    category = chance.choice(sorted(trial.present))
    delivery = Delivery(category, trial.present[category])
    before = _last_good(trial)
    if chance.random() < 0.5:
        trial.findings.faults[BAD] += 1
        trial.zone.spoil(delivery, header_only=chance.random() < 0.5)
        outcome = trial.undisturbed()
        told = [line for line in outcome.said if "its delivery is refused" in line]
        trial.require(outcome.ending == "failed" and bool(told), f"a bad delivery: {outcome}")
    else:
        trial.findings.faults[WITHDRAWN] += 1
        trial.zone.remove(delivery)
        outcome = trial.undisturbed()
        trial.require(outcome.ending == "done", f"a withdrawn source: {outcome}")
    trial.require(_last_good(trial) == before, "the last good partitions were touched")
    trial.land(delivery)
    trial.require(trial.undisturbed().ending == "done", "an update after a bad day failed")
    trial.require_current("after a bad day")


def _last_good(trial: "Trial") -> dict[tuple[str, str], Mark]:
    return dict(_marks_of(trial))


def _marks_of(trial: "Trial") -> Iterator[tuple[tuple[str, str], Mark]]:
    for place, mark in marks(trial.settings, trial.expected.assets).items():
        if place[0] in LAST_GOOD:
            yield place, mark
