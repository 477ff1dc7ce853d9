"""What is worth waking somebody for: incidents open once, close when things are good again.

Everything here is pure: from what was known and what has been seen since to what is known now.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final
from uuid import uuid4

SHOWN: Final = 5
"""Partitions that a title names."""


@dataclass(frozen=True)
class CheckOutcome:
    """How one check of one run ended.

    Attributes:
        asset: ``domain/name``.
        check: Its name.
        step: The run's step that evaluated it.
        passed: Whether it holds.
        is_error: Whether it blocks; else it only warns.
        description: What holds when it passes.
        failed_rows: How many rows break it, if that was counted.
    """

    asset: str
    check: str
    step: str
    passed: bool
    is_error: bool
    description: str = ""
    failed_rows: int | None = None


@dataclass(frozen=True)
class RunOutcome:
    """A run that has ended.

    Attributes:
        run_id: Its id.
        what: The assets that failed, or else the job.
        partition: Its partition or range; empty if it had none.
        failed: Whether it failed and nothing will try it again.
        faults: What each failed step said.
        checks: Outcomes in the order of evaluation.
        number: How often it was tried before.
        waits: Before each further try, in seconds; empty if there will be none.
    """

    run_id: str
    what: str
    partition: str = ""
    failed: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[CheckOutcome, ...] = ()
    number: int = 0
    waits: tuple[float, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether it failed for its audits only: the same input would be refused again."""
        refused = {it.step for it in self.checks if it.is_error and not it.passed}
        return bool(self.faults) and refused >= self.faults.keys()

    @property
    def is_told(self) -> bool:
        """Whether people hear of it: of the first try that failed and of the last."""
        return self.failed and not self.is_refused and (self.number == 0 or not self.waits)


@dataclass(frozen=True)
class Incident:
    """Something that is wrong until it is mended.

    Attributes:
        key: What tells it from others.
        title: One line; incidents that share it become one alert.
        partition: Where it is wrong; empty if it has no place.
        text: What is known of it.
        page: Of the UI, relative to its root.
    """

    key: str
    title: str
    partition: str
    text: str
    page: str


@dataclass(frozen=True)
class Alert:
    """A message to people.

    Attributes:
        id: The same however often it is tried.
        title: One line.
        text: A few lines.
        link: Page of the UI to look at.
    """

    id: str
    title: str
    text: str
    link: str


@dataclass(frozen=True)
class Delivery:
    """An alert that a channel has not taken yet."""

    alert: Alert
    channel: str


@dataclass(frozen=True)
class Watch:
    """What is known between two looks.

    Attributes:
        after: Id of the last event looked at; None before the first look.
        open: Keys of what is wrong and was told.
        waiting: What has to be told yet.
    """

    after: int | None = None
    open: frozenset[str] = frozenset()
    waiting: tuple[Delivery, ...] = ()

    def without(self, delivery: Delivery) -> "Watch":
        """The same once a delivery was taken."""
        return replace(self, waiting=tuple(each for each in self.waiting if each != delivery))


@dataclass(frozen=True)
class AlertRouting:
    """Who is told, and as whom.

    Attributes:
        channels: Their names.
        sender: Put before every title.
        ui: Root of the UI that links lead to.
    """

    channels: tuple[str, ...]
    sender: str
    ui: str


def observe(
    watch: Watch, runs: Iterable[RunOutcome], stale: Collection[str], routing: AlertRouting
) -> Watch:
    """Open what has gone wrong, close what is well again, and queue an alert for what is new.

    Args:
        watch: What was known.
        runs: Those that have ended since, in order.
        stale: All assets that fail their freshness policy now.
        routing: Who is to be told.
    """
    still_open = set(watch.open)
    opened: list[Incident] = []
    for run in runs:
        still_open -= {_check_key(run, it) for it in run.checks if it.passed}
        opened += _newly(still_open, _incidents(run))
    overdue = {_stale_key(asset): asset for asset in stale}
    still_open = {key for key in still_open if not _is_stale(key) or key in overdue}
    opened += _newly(still_open, map(_staleness, stale))
    told = [Delivery(alert, name) for alert in alerts(opened, routing) for name in routing.channels]
    return replace(watch, open=frozenset(still_open), waiting=(*watch.waiting, *told))


def alerts(opened: Iterable[Incident], routing: AlertRouting) -> Iterator[Alert]:
    """One for each title, whatever the number of partitions."""
    ordered = sorted(opened, key=lambda incident: (incident.title, incident.partition))
    for title, group in groupby(ordered, key=lambda incident: incident.title):
        incidents = list(group)
        places = _listed([incident.partition for incident in incidents if incident.partition])
        yield Alert(
            id=uuid4().hex,
            title=f"[{routing.sender}] {title}{places and f' for {places}'}",
            text="\n".join(dict.fromkeys(incident.text for incident in incidents)),
            link=f"{routing.ui.rstrip('/')}/{incidents[0].page}",
        )


def _newly(still_open: set[str], incidents: Iterable[Incident]) -> list[Incident]:
    """Those that were not open, which they are now; a failed run is over and stays not open."""
    found = [incident for incident in incidents if incident.key not in still_open]
    still_open |= {incident.key for incident in found if not _is_run(incident.key)}
    return found


def _incidents(run: RunOutcome) -> Iterator[Incident]:
    for outcome in run.checks:
        if not outcome.passed:
            yield _broken_check(run, outcome)
    # A step that refused to publish because of its audit has been told by its checks.
    if run.is_told:
        yield _failed_run(run)


def _broken_check(run: RunOutcome, outcome: CheckOutcome) -> Incident:
    is_counted = outcome.failed_rows is not None
    counted = f" ({outcome.failed_rows:,} rows do not)" if is_counted else ""
    return Incident(
        key=_check_key(run, outcome),
        title=f"{'Check failed' if outcome.is_error else 'Warning'}: "
        f"{outcome.check} of {outcome.asset}",
        partition=run.partition,
        text=f"It should hold that: {outcome.description or outcome.check}{counted}",
        page=f"assets/{outcome.asset}?view=checks&checkDetail={outcome.check}",
    )


def _failed_run(run: RunOutcome) -> Incident:
    faults = "\n".join(f"{step}: {fault}" for step, fault in run.faults.items())
    text = faults or "It ended without saying why; see its log."
    return Incident(
        key=f"run/{run.run_id}",
        title=f"{f'Given up after {run.number + 1} tries' if run.number else 'Run failed'}: "
        f"{run.what}",
        partition=run.partition,
        text=f"{text}\n{_further_tries(run.waits)}" if run.waits else text,
        page=f"runs/{run.run_id}",
    )


def _further_tries(waits: Sequence[float]) -> str:
    minutes = ", then ".join(f"{seconds / 60:g}" for seconds in waits)
    return f"It will be tried again, after {minutes} minutes, unless a newer run takes its place."


def _staleness(asset: str) -> Incident:
    return Incident(
        key=_stale_key(asset),
        title=f"Stale: {asset}",
        partition="",
        text="It was not materialised within the time that its freshness policy allows.",
        page=f"assets/{asset}",
    )


def _check_key(run: RunOutcome, outcome: CheckOutcome) -> str:
    return f"check/{outcome.asset}/{outcome.check}/{run.partition}"


def _stale_key(asset: str) -> str:
    return f"stale/{asset}"


def _is_stale(key: str) -> bool:
    return key.startswith("stale/")


def _is_run(key: str) -> bool:
    return key.startswith("run/")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
