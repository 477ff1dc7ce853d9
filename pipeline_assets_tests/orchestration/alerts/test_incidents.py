from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given

from pipeline_assets.orchestration.alerts.incidents import (
    AlertRouting,
    AlertState,
    CheckOutcome,
    RunOutcome,
    observe,
)

AUDIENCE = AlertRouting(("slack",), sender="dev", ui="http://ui")
UNIQUE = CheckOutcome("music/users", "unique_key", "music__users", True, True, "ids are unique", 0)
BROKEN = replace(UNIQUE, passed=False, failed_rows=1200)
DRIFT = CheckOutcome("music/users", "drift", "music__users", False, False, "nothing drifts")
RUN = RunOutcome("r1", "music/users", "2026-01-01", checks=(UNIQUE,))


def titles(watch: AlertState) -> list[str]:
    return [delivery.alert.title for delivery in watch.waiting]


def after(
    *runs: RunOutcome, stale: tuple[str, ...] = (), watch: AlertState | None = None
) -> AlertState:
    return observe(watch or AlertState(), runs, stale, AUDIENCE)


def test_nothing_is_told_of_what_is_well() -> None:
    assert after(RUN) == AlertState()


def test_a_failed_run_is_told_with_its_faults_and_a_link() -> None:
    run = replace(RUN, failed=True, faults={"music__users": "disk full"})
    (delivery,) = after(run).waiting
    assert delivery.alert.title == "[dev] Run failed: music/users for 2026-01-01"
    assert delivery.alert.text == "music__users: disk full"
    assert delivery.alert.link == "http://ui/runs/r1"


def test_of_a_run_that_is_tried_again_the_first_and_the_last_failure_are_told() -> None:
    first = replace(RUN, failed=True, faults={"music__users": "S3 is away"}, waits=(600, 3600))
    second = replace(first, run_id="r2", number=1, waits=(3600,))
    last = replace(first, run_id="r3", number=2, waits=())
    told = [delivery.alert for delivery in after(first, second, last).waiting]
    assert [alert.title for alert in told] == [
        "[dev] Given up after 3 tries: music/users for 2026-01-01",
        "[dev] Run failed: music/users for 2026-01-01",
    ]
    assert told[1].text.splitlines() == [
        "music__users: S3 is away",
        "It will be tried again, after 10, then 60 minutes, unless a newer run takes its place.",
    ]
    assert "again" not in told[0].text


def test_an_audit_that_fails_its_run_is_told_once_as_what_it_is() -> None:
    run = replace(RUN, failed=True, faults={"music__users": "audit failed"}, checks=(BROKEN,))
    (delivery,) = after(run).waiting
    assert delivery.alert.title == "[dev] Check failed: unique_key of music/users for 2026-01-01"
    assert delivery.alert.text == "It should hold that: ids are unique (1,200 rows do not)"
    assert delivery.alert.link == "http://ui/assets/music/users?view=checks&checkDetail=unique_key"


def test_a_run_that_also_fails_elsewhere_is_told_besides() -> None:
    faults = {"music__users": "audit failed", "music__ranks": "disk full"}
    run = replace(RUN, failed=True, faults=faults, checks=(BROKEN,))
    assert [title.partition(":")[0] for title in titles(after(run))] == [
        "[dev] Check failed",
        "[dev] Run failed",
    ]


def test_a_check_that_goes_on_failing_is_told_again_only_once_it_has_passed() -> None:
    failing = replace(RUN, checks=(BROKEN,))
    watch = after(failing, failing)
    assert len(watch.waiting) == 1
    assert len(after(failing, watch=watch).waiting) == 1
    assert len(after(RUN, failing, watch=watch).waiting) == 2


def test_many_partitions_are_one_alert() -> None:
    runs = [replace(RUN, partition=f"2026-01-0{day}", checks=(DRIFT,)) for day in range(1, 8)]
    (title,) = titles(after(*runs))
    assert title == (
        "[dev] Warning: drift of music/users for 2026-01-01, 2026-01-02, 2026-01-03, 2026-01-04, "
        "2026-01-05 and 2 more"
    )


def test_another_partition_that_passes_mends_nothing() -> None:
    failing = replace(RUN, checks=(DRIFT,))
    passing = replace(RUN, partition="2026-01-02", checks=(replace(DRIFT, passed=True),))
    watch = after(failing, passing, failing)
    assert len(watch.waiting) == 1


def test_a_stale_asset_is_told_once_until_it_was_fresh() -> None:
    watch = after(stale=("music/users",))
    assert titles(watch) == ["[dev] Stale: music/users"]
    assert len(after(stale=("music/users",), watch=watch).waiting) == 1
    fresh = after(watch=watch)
    assert len(after(stale=("music/users",), watch=fresh).waiting) == 2


def test_every_channel_is_told() -> None:
    watch = observe(AlertState(), [], ["a/b"], replace(AUDIENCE, channels=("slack", "mail")))
    assert [delivery.channel for delivery in watch.waiting] == ["slack", "mail"]
    assert watch.without(watch.waiting[0]).waiting == watch.waiting[1:]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=30), st.data())
def test_however_looks_are_timed_there_is_an_alert_for_every_change_to_the_worse(
    outcomes: list[tuple[str, bool]], data: st.DataObject
) -> None:
    runs = [
        replace(RUN, partition=key, checks=(replace(UNIQUE, passed=passed),))
        for key, passed in outcomes
    ]
    watch, was_well = AlertState(), {key: True for key, _ in outcomes}
    while runs:
        now = data.draw(st.integers(1, len(runs)))
        watch = observe(replace(watch, waiting=()), runs[:now], (), AUDIENCE)
        worse = set()
        for run in runs[:now]:
            passed = run.checks[0].passed
            worse |= {run.partition} if was_well[run.partition] and not passed else set()
            was_well[run.partition] = passed
        assert sum(map(_places, titles(watch))) == len(worse)
        runs = runs[now:]


def _places(title: str) -> int:
    """How many partitions a title names, with those that it only counts."""
    named, _, more = title.rpartition(" for ")[2].partition(" and ")
    return len(named.split(", ")) + int(more.removesuffix(" more") or 0)
