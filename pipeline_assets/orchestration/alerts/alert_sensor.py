"""The sensor that alerts people to failed runs, failed checks and stale assets.

It saves its state in the Dagster instance before it sends anything, and again after each delivery.
So an alert survives a daemon that is killed, a channel that is down gets its alerts later without
holding up the others, and no channel gets an alert twice.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from pipeline_assets.dagster_internals import WILL_RETRY_TAG
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.incidents import (
    Alert,
    AlertRouting,
    AlertState,
    Delivery,
    observe,
)
from pipeline_assets.orchestration.alerts.run_events import run_outcome

if TYPE_CHECKING:
    from pipeline_assets.orchestration.alerts.channels import Channel

RUNS_PER_TICK: Final = 200
UNDECIDED: Final = timedelta(minutes=1)
"""How long after a failure Dagster may take to tag the run with whether it will retry it."""
_CURSOR_KEY: Final = "pipeline/alerts"
_ENDS: Final = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


def alert_sensor(
    channels: "Sequence[Channel]",
    watched: Collection[dg.AssetKey],
    sender: str,
    ui: str,
    waits: Sequence[float] = (),
) -> dg.SensorDefinition:
    """The sensor that sends one alert for each incident.

    Args:
        channels: Where alerts go; without any the sensor is stopped.
        watched: Assets whose freshness is watched.
        sender: Stands before every title.
        ui: Root of the UI that links lead to.
        waits: Seconds to wait before each retry of a failed run.
    """
    routing = AlertRouting(tuple(channel.name for channel in channels), sender, ui)
    status = dg.DefaultSensorStatus.RUNNING if channels else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=30,
        default_status=status,
        description="Sends one alert for every failed run, failed check and stale asset.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        store = AlertStateStore(context.instance)
        state = read_events(context.instance, store.load(), watched, routing, waits)
        store.save(state)
        after, faults = deliver(state, channels, store)
        if faults:
            waiting = f"{len(after.waiting)} alerts are waiting"
            raise PipelineError(f"{waiting}: {'; '.join(faults)}")
        message = f"{len(state.waiting)} alerts sent, {len(after.open)} incidents open"
        context.log.info(message)
        return dg.SensorResult(skip_reason=None if state.waiting else message)

    return alerts


@dataclass(frozen=True)
class AlertStateStore:
    """Saves the state of alerts in the Dagster instance.

    The sensor's own cursor would not do: Dagster saves it only when a tick has succeeded. Where one
    channel is down or the process is killed, every other channel would get its alerts again.
    """

    instance: dg.DagsterInstance

    def load(self) -> AlertState:
        """The state that was saved last."""
        values = self.instance.daemon_cursor_storage.get_cursor_values({_CURSOR_KEY})
        if _CURSOR_KEY not in values:
            return AlertState()
        data = json.loads(values[_CURSOR_KEY])
        waiting = tuple(Delivery(Alert(**it["alert"]), it["channel"]) for it in data["waiting"])
        return AlertState(data["after"], frozenset(data["open"]), waiting)

    def save(self, state: AlertState) -> None:
        """Save the state at once."""
        data = asdict(replace(state, open=frozenset())) | {"open": sorted(state.open)}
        self.instance.daemon_cursor_storage.set_cursor_values({_CURSOR_KEY: json.dumps(data)})


def read_events(
    instance: dg.DagsterInstance,
    state: AlertState,
    watched: Collection[dg.AssetKey],
    routing: AlertRouting,
    waits: Sequence[float] = (),
) -> AlertState:
    """The state after the runs that have ended since, and after today's freshness.

    The very first tick reports no run, because a new deployment must not alert to its past.
    """
    freshness = instance.event_log_storage.get_freshness_state_records(list(watched))
    failing = (key for key, record in freshness.items() if record.freshness_state == "FAIL")
    stale = sorted(key.to_user_string() for key in failing)
    if state.after is None:
        latest = [instance.fetch_run_status_changes(end, limit=1).records for end in _ENDS]
        last_event = max((record.storage_id for records in latest for record in records), default=0)
        return observe(replace(state, after=last_event), [], stale, routing)
    ended = list(_decided_runs(instance, _ended_runs(instance, state.after)))
    after = max((event for event, _ in ended), default=state.after)
    runs = [run_outcome(instance, run, waits) for _, run in ended]
    return observe(replace(state, after=after), runs, stale, routing)


def deliver(
    state: AlertState, channels: "Sequence[Channel]", store: AlertStateStore
) -> tuple[AlertState, tuple[str, ...]]:
    """Send the waiting alerts, oldest first; return the state after that, and the faults.

    A channel that refuses an alert is not asked again before the next tick.
    """
    by_name = {channel.name: channel for channel in channels}
    faults: dict[str, str] = {}
    for delivery in state.waiting:
        if delivery.channel in faults:
            continue
        channel = by_name.get(delivery.channel)
        try:
            # The settings may have dropped a channel since; what waits for it is dropped, too.
            if channel:
                channel.send(delivery.alert)
        except PipelineError as error:
            faults[delivery.channel] = str(error)
        else:
            state = state.without(delivery)
            store.save(state)
    return state, tuple(faults.values())


def _ended_runs(instance: dg.DagsterInstance, after: int) -> list[tuple[int, dg.DagsterRun]]:
    """Runs that have ended since an event, with the event that ended them, oldest first."""
    ends = (
        (record.storage_id, record.event_log_entry.run_id)
        for end in _ENDS
        for record in instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(end, after_storage_id=after),
            limit=RUNS_PER_TICK,
            ascending=True,
        ).records
    )
    found = ((event, instance.get_run_by_id(run_id)) for event, run_id in sorted(ends))
    return [(event, run) for event, run in found if run][:RUNS_PER_TICK]


def _decided_runs(
    instance: dg.DagsterInstance, ended: Sequence[tuple[int, dg.DagsterRun]]
) -> Iterator[tuple[int, dg.DagsterRun]]:
    """The runs before the first one of which Dagster has not yet said whether it retries it.

    The state holds only the last event that was read. So this stops at such a run, and the next
    tick begins with it.
    """
    for event, run in ended:
        is_failed = run.status == dg.DagsterRunStatus.FAILURE and WILL_RETRY_TAG not in run.tags
        if is_failed and instance.run_retries_enabled:
            record = instance.get_run_record_by_id(run.run_id)
            if record and datetime.now(UTC) - record.update_timestamp < UNDECIDED:
                return
        yield event, run
