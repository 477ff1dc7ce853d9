"""The sensor that tells people: it looks at finished runs and freshness, and writes to channels.

What it knows lies in the instance, saved before anything is sent and after each delivery. So a
channel that is down holds up no other and gets its alerts later, and none gets one twice.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import WILL_RETRY_TAG
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.channels import Channel
from pipeline_assets.orchestration.alerts.incidents import (
    Alert,
    AlertRouting,
    Delivery,
    Watch,
    observe,
)
from pipeline_assets.orchestration.alerts.run_events import run_outcome

RUNS_PER_TICK: Final = 200
UNDECIDED: Final = timedelta(minutes=1)
"""How long Dagster has to say whether it will run again what has failed."""
_JOURNAL: Final = "pipeline/alerts"
_ENDS: Final = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


def alert_sensor(
    channels: Sequence[Channel],
    watched: Collection[dg.AssetKey],
    sender: str,
    ui: str,
    waits: Sequence[float] = (),
) -> dg.SensorDefinition:
    """A sensor that tells of failed runs, failed checks and stale assets, once each.

    Args:
        channels: Who is told; without any it does not run by itself.
        watched: Assets whose freshness counts.
        sender: Put before every title.
        ui: Root of the UI that links lead to.
        waits: Before each further try of a run that failed, in seconds.
    """
    routing = AlertRouting(tuple(channel.name for channel in channels), sender, ui)
    status = dg.DefaultSensorStatus.RUNNING if channels else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=30,
        default_status=status,
        description="Tells people once of every failed run, failed check and stale asset.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        journal = Journal(context.instance)
        watch = look(context.instance, journal.load(), watched, routing, waits)
        journal.save(watch)
        left, faults = deliver(watch, channels, journal)
        if faults:
            waiting = f"{len(left.waiting)} alerts are waiting"
            raise PipelineError(f"{waiting}: {'; '.join(faults)}")
        told = f"{len(watch.waiting)} alerts sent, {len(left.open)} incidents open"
        context.log.info(told)
        return dg.SensorResult(skip_reason=None if watch.waiting else told)

    return alerts


@dataclass(frozen=True)
class Journal:
    """Keeps a watch in the instance.

    Not in the sensor's cursor: Dagster saves that one when a tick has succeeded, so a channel that
    is down or a process that is killed would have all other channels told again.
    """

    instance: dg.DagsterInstance

    def load(self) -> Watch:
        """What was saved last."""
        text = self.instance.daemon_cursor_storage.get_cursor_values({_JOURNAL}).get(_JOURNAL)
        if text is None:
            return Watch()
        data = json.loads(text)
        waiting = tuple(Delivery(Alert(**it["alert"]), it["channel"]) for it in data["waiting"])
        return Watch(data["after"], frozenset(data["open"]), waiting)

    def save(self, watch: Watch) -> None:
        """Keep it, also if this process is killed at once."""
        data = asdict(replace(watch, open=frozenset())) | {"open": sorted(watch.open)}
        self.instance.daemon_cursor_storage.set_cursor_values({_JOURNAL: json.dumps(data)})


def look(
    instance: dg.DagsterInstance,
    watch: Watch,
    watched: Collection[dg.AssetKey],
    routing: AlertRouting,
    waits: Sequence[float] = (),
) -> Watch:
    """Take in what has happened since; the first look starts with what happens from now on."""
    stale = _stale_assets(instance, watched)
    if watch.after is None:
        return observe(replace(watch, after=_last_event(instance)), [], stale, routing)
    ended = list(_settled(instance, _ended(instance, watch.after)))
    after = max((event for event, _ in ended), default=watch.after)
    runs = [run_outcome(instance, run, waits) for _, run in ended]
    return observe(replace(watch, after=after), runs, stale, routing)


def deliver(
    watch: Watch, channels: Sequence[Channel], journal: Journal
) -> tuple[Watch, tuple[str, ...]]:
    """Send what waits, oldest first; returns what is left and why.

    A channel that refuses an alert is not asked again before the next look.
    """
    by_name = {channel.name: channel for channel in channels}
    faults: dict[str, str] = {}
    for delivery in watch.waiting:
        if delivery.channel in faults:
            continue
        fault = _sent(by_name.get(delivery.channel), delivery.alert)
        if fault:
            faults[delivery.channel] = fault
        else:
            watch = watch.without(delivery)
            journal.save(watch)
    return watch, tuple(faults.values())


def _sent(channel: Channel | None, alert: Alert) -> str | None:
    """Why it was not; a channel that is no longer there takes everything."""
    try:
        if channel:
            channel.send(alert)
    except PipelineError as error:
        return str(error)
    return None


def _stale_assets(instance: dg.DagsterInstance, watched: Collection[dg.AssetKey]) -> list[str]:
    states = instance.event_log_storage.get_freshness_state_records(list(watched))
    failing = (key for key, record in states.items() if record.freshness_state == "FAIL")
    return sorted(key.to_user_string() for key in failing)


def _last_event(instance: dg.DagsterInstance) -> int:
    latest = [instance.fetch_run_status_changes(end, limit=1).records for end in _ENDS]
    return max((record.storage_id for records in latest for record in records), default=0)


def _ended(instance: dg.DagsterInstance, after: int) -> list[tuple[int, dg.DagsterRun]]:
    """Runs with the event that ended them, oldest first."""
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


def _settled(
    instance: dg.DagsterInstance, ended: Sequence[tuple[int, dg.DagsterRun]]
) -> Iterator[tuple[int, dg.DagsterRun]]:
    """Up to the first failed run of which it is not decided yet whether it is tried again."""
    for event, run in ended:
        if instance.run_retries_enabled and _is_undecided(instance, run):
            return
        yield event, run


def _is_undecided(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    if run.status != dg.DagsterRunStatus.FAILURE or WILL_RETRY_TAG in run.tags:
        return False
    record = instance.get_run_record_by_id(run.run_id)
    return record is not None and datetime.now(UTC) - record.update_timestamp < UNDECIDED
