"""Rows of a key, all of the version that readers see, whatever is published meanwhile."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipeline_assets.keys.client import KeyTable
from pipeline_assets.keys.items import (
    Retired,
    Shown,
    State,
    rows_key,
    state_key,
    state_of,
    version_of,
)
from pipeline_assets.keys.values import rows_table, schema_in


@dataclass(frozen=True)
class KeyedAnswer:
    """What is published of a key.

    Attributes:
        rows: Its rows, by partition; none if the key is not there.
        state: Of the table, when it was read.
    """

    rows: pa.Table
    state: State

    @property
    def published_at(self) -> datetime:
        """When the version was shown."""
        return datetime.fromisoformat(self.state.at)


def read_state(keys: KeyTable, table: str) -> State | None:
    """The state of a table; None if no version of it was ever shown.

    Raises:
        PipelineError: DynamoDB refuses or stays throttled.
    """
    state = state_of(keys.get(state_key(table)))
    return state if state.at else None


def read_key(keys: KeyTable, table: str, key: str, state: State) -> KeyedAnswer:
    """The rows of a key.

    Args:
        keys: The table of DynamoDB.
        table: ``domain.name``.
        key: The key.
        state: What :func:`read_state` has found; the rows are of exactly these versions.

    Raises:
        PipelineError: DynamoDB refuses or stays throttled.
    """
    shown = {Retired(partition, it.number) for partition, it in state.shown.items()}
    texts = [
        item["rows"]["S"]
        for item in keys.query(rows_key(table, key))
        if version_of(item["sk"]["S"]) in shown
    ]
    return KeyedAnswer(rows_table(texts, schema_in(state.columns)), state)


def counted(keys: KeyTable, table: str) -> Iterator[tuple[str, Shown]]:
    """The rows that are really there of each partition that is shown; reads everything.

    Raises:
        PipelineError: DynamoDB refuses or stays throttled.
    """
    state = read_state(keys, table) or State()
    rows: dict[Retired, int] = defaultdict(int)
    for item in keys.scan(f"{table}#"):
        rows[version_of(item["sk"]["S"])] += int(item["count"]["N"])
    for partition, shown in state.shown.items():
        yield partition, Shown(shown.number, rows[Retired(partition, shown.number)])
