"""Incidents: what people are alerted to, once each; no I/O here.

A failed check and a stale asset open an incident. It stays open, and nobody is alerted again, until
the check passes or the asset is fresh. A failed run is reported once and opens nothing, because no
later event could close it. :func:`observe` computes the next state from the previous one and from
what has happened since.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final
from uuid import uuid4

_RUN: Final = "run/"
_STALE: Final = "stale/"
"""Beginnings of incident keys."""
SHOWN: Final = 5
"""Number of partitions that a title names."""


@dataclass(frozen=True)
class CheckOutcome:
    """How one check of one run ended.

    Attributes:
        asset: ``domain/name``.
        check: Name of the check.
        step: The step of the run that evaluated it.
        passed: Whether it passed.
        is_error: Whether it blocks the publish; otherwise it only warns.
        description: What is true when it passes.
        failed_rows: Number of rows that break it, where the check counts them.
        rule: The rule of the contract, if the check is that of a contract. Every rule is an
            incident of its own.
    """

    asset: str
    check: str
    step: str
    passed: bool
    is_error: bool
    description: str = ""
    failed_rows: int | None = None
    rule: str = ""


@dataclass(frozen=True)
class RunOutcome:
    """A run that has ended.

    Attributes:
        run_id: Its id.
        subject: The assets that failed, or else the job.
        partition: Its partition or range; empty if it had none.
        failed: Whether it failed and Dagster will not retry it at once.
        faults: Error message by failed step.
        checks: Outcomes in the order of evaluation.
        number: How many retries of the retry sensor came before.
        waits: Seconds to wait before each further retry; empty if there will be none.
        is_divided: Whether it was a range, of whose parts other runs will tell more.
    """

    run_id: str
    subject: str
    partition: str = ""
    failed: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[CheckOutcome, ...] = ()
    number: int = 0
    waits: tuple[float, ...] = ()
    is_divided: bool = False

    @property
    def is_final(self) -> bool:
        """Whether it has failed and no other run will tell more about what is wrong."""
        return self.failed and not self.is_divided

    @property
    def is_refused(self) -> bool:
        """Whether only audits failed it: the same input would fail them again."""
        refused = {it.step for it in self.checks if it.is_error and not it.passed}
        return bool(self.faults) and refused >= self.faults.keys()

    @property
    def is_reported(self) -> bool:
        """Whether people are alerted to it: to the first failure and to the last retry."""
        return self.is_final and not self.is_refused and (self.number == 0 or not self.waits)


@dataclass(frozen=True)
class Incident:
    """Something that is wrong.

    Attributes:
        key: Identifies it; equal keys are the same incident.
        title: One line; incidents with the same title become one alert.
        partition: The partition that it concerns; empty if it concerns none.
        text: The details.
        page: Page of the UI, relative to its root.
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
        id: Stays the same however often the alert is sent.
        title: One line.
        text: A few lines.
        link: The page of the UI that shows the incident.
    """

    id: str
    title: str
    text: str
    link: str


@dataclass(frozen=True)
class Delivery:
    """An alert that a channel has not accepted yet."""

    alert: Alert
    channel: str


@dataclass(frozen=True)
class AlertState:
    """What the alert sensor remembers between two ticks.

    Attributes:
        after: Id of the last event that it has read; None before the first tick.
        open: Keys of the open incidents.
        waiting: Alerts that have not been sent yet.
    """

    after: int | None = None
    open: frozenset[str] = frozenset()
    waiting: tuple[Delivery, ...] = ()

    def without(self, delivery: Delivery) -> "AlertState":
        """The state once a channel has accepted a delivery."""
        return replace(self, waiting=tuple(each for each in self.waiting if each != delivery))


@dataclass(frozen=True)
class AlertRouting:
    """Where alerts go.

    Attributes:
        channels: Names of the channels.
        sender: Stands before every title.
        ui: Root of the UI that links lead to.
    """

    channels: tuple[str, ...]
    sender: str
    ui: str


def observe(
    state: AlertState, runs: Iterable[RunOutcome], stale: Collection[str], routing: AlertRouting
) -> AlertState:
    """Open new incidents, close those that are over, and queue an alert for each new one.

    Args:
        state: The state so far.
        runs: The runs that have ended since, in order.
        stale: All assets that fail their freshness policy now.
        routing: Where alerts go.
    """
    still_open = set(state.open)
    opened: list[Incident] = []
    for run in runs:
        still_open -= {_check_key(run, it) for it in run.checks if it.passed}
        opened += _newly(still_open, _incidents(run))
    stale_incidents = [_stale_asset(asset) for asset in stale]
    stale_keys = {incident.key for incident in stale_incidents}
    still_open = {it for it in still_open if not it.startswith(_STALE) or it in stale_keys}
    opened += _newly(still_open, stale_incidents)
    new = [Delivery(alert, name) for alert in alerts(opened, routing) for name in routing.channels]
    return replace(state, open=frozenset(still_open), waiting=(*state.waiting, *new))


def alerts(opened: Iterable[Incident], routing: AlertRouting) -> Iterator[Alert]:
    """One alert per title: a fault that hits a hundred partitions sends one message."""
    ordered = sorted(opened, key=lambda incident: (incident.title, incident.partition))
    for title, group in groupby(ordered, key=lambda incident: incident.title):
        incidents = list(group)
        partitions = list(dict.fromkeys(it.partition for it in incidents if it.partition))
        more = f" and {len(partitions) - SHOWN} more" if len(partitions) > SHOWN else ""
        places = ", ".join(partitions[:SHOWN]) + more
        yield Alert(
            id=uuid4().hex,
            title=f"[{routing.sender}] {title}{places and f' for {places}'}",
            text="\n".join(dict.fromkeys(incident.text for incident in incidents)),
            link=f"{routing.ui.rstrip('/')}/{incidents[0].page}",
        )


def _newly(still_open: set[str], incidents: Iterable[Incident]) -> list[Incident]:
    """Return the incidents that are not open yet, and open them, except failed runs."""
    found = [incident for incident in incidents if incident.key not in still_open]
    still_open |= {incident.key for incident in found if not incident.key.startswith(_RUN)}
    return found


def _incidents(run: RunOutcome) -> Iterator[Incident]:
    for outcome in run.checks:
        # The parts of a range evaluate the checks of a failed step again.
        is_repeated = run.is_divided and outcome.step in run.faults
        if not outcome.passed and not is_repeated:
            yield _broken_check(run, outcome)
    # The checks have already reported a step that failed because of its audit.
    if run.is_reported:
        yield _failed_run(run)


def _broken_check(run: RunOutcome, outcome: CheckOutcome) -> Incident:
    is_counted = outcome.failed_rows is not None
    counted = f" ({outcome.failed_rows:,} rows do not)" if is_counted else ""
    return Incident(
        key=_check_key(run, outcome),
        title=f"{'Check failed' if outcome.is_error else 'Warning'}: "
        f"{outcome.check} of {outcome.asset}",
        partition=run.partition,
        text=f"It should hold that: {outcome.description.rstrip('.') or outcome.check}{counted}",
        page=f"assets/{outcome.asset}?view=checks&checkDetail={outcome.check}",
    )


def _failed_run(run: RunOutcome) -> Incident:
    faults = "\n".join(f"{step}: {fault}" for step, fault in run.faults.items())
    text = faults or "It ended without saying why; see its log."
    if run.waits:
        minutes = ", then ".join(f"{seconds / 60:g}" for seconds in run.waits)
        text += (
            f"\nIt will be tried again, after {minutes} minutes, "
            "unless a newer run takes its place."
        )
    return Incident(
        key=f"{_RUN}{run.run_id}",
        title=f"{f'Given up after {run.number + 1} tries' if run.number else 'Run failed'}: "
        f"{run.subject}",
        partition=run.partition,
        text=text,
        page=f"runs/{run.run_id}",
    )


def _stale_asset(asset: str) -> Incident:
    return Incident(
        key=f"{_STALE}{asset}",
        title=f"Stale: {asset}",
        partition="",
        text="It was not materialised within the time that its freshness policy allows.",
        page=f"assets/{asset}",
    )


def _check_key(run: RunOutcome, outcome: CheckOutcome) -> str:
    check = f"{outcome.check}.{outcome.rule}" if outcome.rule else outcome.check
    return f"check/{outcome.asset}/{check}/{run.partition}"
