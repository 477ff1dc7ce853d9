"""What `update` does beside other processes."""

import dagster as dg
import pytest
from sqlalchemy.exc import IntegrityError

from pipeline_assets.command.update import add_keys


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
