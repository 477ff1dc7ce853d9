"""What `update` does beside other processes."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError

from pipeline_assets.dataset.values import landing_source
from pipeline_assets.orchestration.told import add_keys, register
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.activity.world import World


def test_a_partition_that_another_process_adds_first_is_no_fault(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[str]] = []
    add = instance.add_dynamic_partitions

    def raced(name: str, keys: list[str]) -> None:
        tried.append(keys)
        if len(tried) == 1:
            add(name, ["Books"])
            raise IntegrityError("INSERT", None, Exception("UNIQUE constraint failed"))
        add(name, keys)

    monkeypatch.setattr(instance, "add_dynamic_partitions", raced)
    add_keys(instance, "category", {"Books", "Music"})
    assert tried == [["Books", "Music"], ["Music"]]
    assert set(instance.get_dynamic_partitions("category")) == {"Books", "Music"}
    add_keys(instance, "category", {"Books"})
    assert len(tried) == 2


def test_a_database_that_keeps_refusing_is_told(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise IntegrityError("INSERT", None, Exception("UNIQUE constraint failed"))

    monkeypatch.setattr(instance, "add_dynamic_partitions", refuse)
    with pytest.raises(IntegrityError):
        add_keys(instance, "category", {"Books"})


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """What is asked of databases meanwhile: of Dagster's, and of the lake's catalog."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def landed(world: World, hours: int) -> None:
    """Land objects of so many hours, which Dagster is told of, and look what is stale."""
    for number in range(hours):
        world.land(f"2026-03-{number + 1:02}", customers=1)
    listings = world.updater.listings()
    register(world.updater.instance, world.updater.sources, listings)
    world.updater.stale(listings)


@pytest.mark.parametrize("named", [500, 5])
def test_as_many_questions_are_asked_for_many_hours_as_for_few(
    named: int,
    make_settings: MakeSettings,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landing_source, "_NAMED_KEYS", named)
    world = World(make_settings(), instance)
    counts = []
    for hours in (2, 30):
        landed(world, hours)
        with counted_statements() as asked:
            listings = world.updater.listings()
            register(world.updater.instance, world.updater.sources, listings)
            stale = world.updater.stale(listings)
        assert sum(item.asset.table.name == "raw_events" for item in stale) == hours
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_dagster_is_told_of_what_it_does_not_know(
    make_settings: MakeSettings, instance: dg.DagsterInstance
) -> None:
    world = World(make_settings(), instance)
    landed(world, 2)
    (source,) = world.updater.sources
    known = world.updater.listings()[source.key.to_user_string()].partitions
    changed = {**known, "2026-03-01T12": known["2026-03-02T12"], "2026-04-01T12": []}
    told = [it.partition for it in source.unreported(changed, instance)]
    assert source.unreported(known, instance) == []
    assert told == ["2026-03-01T12", "2026-04-01T12"]
