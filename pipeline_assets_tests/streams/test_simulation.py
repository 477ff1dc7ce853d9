"""Whatever happens to a stream, its reader and its runs: every event once, none missing."""

import hypothesis.strategies as st
import ibis
import pytest
from hypothesis import given, settings
from ibis.backends.duckdb import Backend

from pipeline_assets_tests.streams.simulation import HAPPENINGS, played

WEIGHTED = [what for what, weight in HAPPENINGS for _ in range(weight)]


@pytest.fixture(scope="module")
def database() -> Backend:
    return ibis.duckdb.connect(threads=1)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(WEIGHTED), max_size=30), st.integers(0, 2**16))
def test_every_event_once(database: Backend, happenings: list[str], seed: int) -> None:
    played(happenings, seed, database)


@pytest.mark.parametrize("mishap", ["killed while landing", "killed before commit"])
def test_a_run_that_repeats_a_batch_lands_the_same_objects(database: Backend, mishap: str) -> None:
    quiet = played(["put", "tick"], 7, database)
    repeated = played(["put", mishap, "tick"], 7, database)
    assert repeated.put == quiet.put
    assert len(repeated.landed()) == len(quiet.landed())


def test_a_batch_that_is_published_is_not_read_again(database: Backend) -> None:
    world = played(["put", "killed after commit", "tick"], 3, database)
    assert world.counts["no-op"] == 1


def test_a_run_that_goes_on_after_another_has_read_the_same_costs_nothing(
    database: Backend,
) -> None:
    happenings = ["put", "killed before commit", "lose the run", "put", "tick"]
    world = played([*happenings, "the lost run goes on", "put"], 5, database)
    assert world.counts["landed lines"] > world.counts["events"]
