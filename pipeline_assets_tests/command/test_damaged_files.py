"""Whatever is damaged, each command says in one line what it is and what to run.

One lake is shared; a test damages a file of it and puts it back. `TRIALS` random damages and as
many random command lines look for a stack trace.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from pipeline_assets.command.boundary import one_line_errors
from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.ratings.world import ASSETS, World
from pipeline_assets_tests.prepared import Prepared

TRIALS = 60
ROWS = [{"customer_id": f"C{n % 5}", "product_id": "B1", "star_rating": 3} for n in range(25)]
READ = "select count(*), max(review_body) from ratings.reviews"

Damage = Callable[[bytes, Random], bytes]
DAMAGES: dict[str, Damage] = {
    "emptied": lambda _data, _chance: b"",
    "cut": lambda data, chance: data[: chance.randrange(1, len(data))],
    "overwritten": lambda data, chance: chance.randbytes(len(data)),
    "text": lambda _data, _chance: b"no longer what it was\n" * 99,
    "flipped": lambda data, chance: _flipped(data, chance.randrange(len(data))),
}
PLACES = {
    "catalog": "catalog.db",
    "metadata": "ratings/reviews/metadata/00*.metadata.json",
    "manifest list": "ratings/reviews/metadata/snap-*.avro",
    "manifest": "ratings/reviews/metadata/*-m0.avro",
    "parquet": "ratings/reviews/data/*/*.parquet",
    "checksums": "ratings/reviews/data/*/_checksums.json",
}
COMMANDS = [
    ("query", READ),
    ("history", "ratings.reviews"),
    ("describe", "ratings.reviews"),
    ("verify", "ratings.reviews"),
    ("verify", "ratings.reviews", "--deep"),
    ("clean", "--dry-run"),
    ("profile", "ratings.reviews"),
    ("recover", "--dry-run"),
    ("doctor",),
    ("missing",),
]


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


class SharedLake:
    """A small lake, and its commands as people type them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = Path(settings.lake_uri)
        self.put_back = Prepared(self.folder).put_back

    def newest(self, place: str) -> Path:
        return max(self.folder.glob(PLACES[place]), key=lambda path: path.stat().st_mtime_ns)

    def said(self, *words: str) -> tuple[int, str]:
        """Exit code and what is written, inside the boundary of all commands."""
        runner, code = CliRunner(), 0
        with runner.isolation() as (out, err, _):
            try:
                with one_line_errors():
                    cli.main(words, obj=Session(self.settings), standalone_mode=False)
            except SystemExit as end:
                code = int(end.code or 0)
            return code, (out.getvalue() + err.getvalue()).decode(errors="replace")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedLake:
    import dagster as dg  # noqa: PLC0415 - only here an instance lives as long as the module

    folder = tmp_path_factory.mktemp("damaged")
    places = {"lake_uri": str(folder / "lake"), "landing_uri": str(folder / "landing")}
    small = {"dagster_home": folder / "home", "memory_limit_mib": 512, "threads": 1}
    settings = Settings.model_validate({**places, **small})
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(settings, instance, ASSETS[:3])
        world.land("Books", *ROWS)
        assert world.update().failures == ()
        world.land("Music", *ROWS)
        assert world.update().failures == ()
    return SharedLake(settings)


@pytest.fixture
def lake(shared: SharedLake) -> Iterator[SharedLake]:
    yield shared
    shared.put_back()


@pytest.mark.parametrize("damage", ["cut", "overwritten", "text"])
def test_a_damaged_catalog_is_named_with_its_remedy(lake: SharedLake, damage: str) -> None:
    path = lake.newest("catalog")
    # A cut at a whole page is a database that lacks pages.
    data = path.read_bytes()
    path.write_bytes(data[:8192] if damage == "cut" else DAMAGES[damage](data, Random(1)))
    for words in (COMMANDS[0], COMMANDS[1], COMMANDS[3], COMMANDS[5], COMMANDS[8], COMMANDS[9]):
        code, told = lake.said(*words)
        line, *_ = (it for it in told.splitlines() if f"the catalog {path} is damaged" in it)
        assert code == 1
        assert line.endswith(": run: pipeline-assets recover")
    code, told = lake.said("recover", "--dry-run")
    assert code == 0
    assert f"would be kept as {path}.damaged-" in told
    assert path.exists()
    assert lake.said("recover")[0] == 0
    assert lake.said("query", READ)[0] == 0


@pytest.mark.parametrize("place", ["metadata", "manifest list", "manifest"])
@pytest.mark.parametrize("damage", ["emptied", "overwritten", "text"])
def test_damaged_metadata_is_named_with_its_table_and_remedy(
    lake: SharedLake, place: str, damage: str
) -> None:
    path = lake.newest(place)
    path.write_bytes(DAMAGES[damage](path.read_bytes(), Random(2)))
    code, told = lake.said("query", READ)
    (line,) = told.splitlines()
    assert code == 1
    assert "ratings.reviews" in line
    assert str(path) in line
    assert line.endswith(": run: pipeline-assets recover")
    for words in (COMMANDS[1], COMMANDS[3], COMMANDS[5], COMMANDS[8], COMMANDS[9]):
        code, told = lake.said(*words)
        assert code == 1, words
        assert any(str(path) in it and "pipeline-assets recover" in it for it in told.splitlines())


def test_an_update_tells_of_a_damaged_manifest_even_if_nothing_is_stale(lake: SharedLake) -> None:
    path = lake.newest("manifest")
    path.write_bytes(b"")
    code, told = lake.said("update", "--select", "key:ratings/reviews")
    assert code == 1
    (line,) = (it for it in told.splitlines() if it.startswith("error: "))
    assert "ratings.reviews" in line
    assert str(path) in line
    assert line.endswith("run: pipeline-assets recover")


def test_a_damaged_parquet_file_is_named_with_its_table_and_remedy(lake: SharedLake) -> None:
    path = lake.newest("parquet")
    path.write_bytes(b"no Parquet" * 999)
    code, told = lake.said("query", READ)
    assert code == 1
    assert str(path) in told
    assert told.endswith("; run: pipeline-assets verify ratings.reviews --deep\n")


def test_damage_of_which_duckdb_names_no_file_is_told_with_its_remedy(lake: SharedLake) -> None:
    path = lake.newest("parquet")
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 16 + data[20:])
    code, told = lake.said("query", "select * from ratings.reviews")
    assert code == 1
    assert told.endswith("; run: pipeline-assets verify ratings.reviews --deep\n")


def test_a_commit_whose_metadata_is_gone_is_told_as_lost(lake: SharedLake) -> None:
    lake.newest("metadata").unlink()
    code, told = lake.said("recover", "--dry-run")
    assert code == 1
    assert "error: ratings.reviews: commit 2 is lost: " in told


def test_a_row_that_fails_late_is_one_line(lake: SharedLake) -> None:
    late = "select cast(case when a = 99999 then 'x' else '1' end as int) from range(100000) t(a)"
    code, told = lake.said("query", late, "--format", "csv")
    assert code == 1
    assert told.splitlines()[-1].startswith("error: Conversion Error: Could not convert string 'x'")


def test_restoring_a_partition_that_never_was_is_an_error(lake: SharedLake) -> None:
    _, history = lake.said("history", "ratings.reviews")
    snapshot = history.removeprefix("*").split()[0]
    words = ("restore", "ratings.reviews", "--snapshot", snapshot, "--partition", "Bokos")
    assert lake.said(*words) == (
        1,
        "error: ratings.reviews has no partition Bokos; see: history ratings.reviews\n",
    )
    assert lake.said("history", "ratings.reviews")[1] == history


def test_no_random_damage_ends_in_a_stack_trace(lake: SharedLake) -> None:
    chance = Random(13)
    for _ in range(TRIALS):
        place, damage = chance.choice(list(PLACES)), chance.choice(list(DAMAGES))
        words, path = chance.choice(COMMANDS[:8]), lake.newest(place)
        before = path.read_bytes()
        path.write_bytes(DAMAGES[damage](before, chance))
        code, told = lake.said(*words)
        path.write_bytes(before)
        assert code in (0, 1), f"{place} {damage} {words}: {told}"
        assert "Traceback" not in told


WRITERS = {"serve", "sample", "backup", "init", "new", "update"}
TEXTS = ["", " ", "-1", "nan", "ratings.reviews", "ratings", "'; --", "\x00", "\udcff", "é" * 99]
WRONG: dict[str, tuple[tuple[str, ...], ...]] = {
    # Nothing that would be right: an update of everything, or a server that waits for requests.
    "update": (("--select",),),
    "serve": (("--port",), ("--port", "0", "--host"), ("--new-token", "--port")),
    "sample": (("--scale",), ("--out", "landing", "--scale"), ("--out", "landing", "--end")),
    "backup": ((), ("--to",)),
    "init": ((), ("--from",)),
    "new": ((), ("films", "--from")),
    "release": (("create",), ("diff", "a"), ("delete",), ("export", "a", "--to"), ()),
}
"""How command lines begin that end in a random text."""


def test_no_random_command_line_ends_in_a_stack_trace(lake: SharedLake) -> None:
    chance = Random(7)
    names = sorted(set(cli.commands) - WRITERS)
    options = sorted(
        {it for name in names for each in cli.commands[name].params for it in each.opts}
        - {"--plot", "--debug"}
    )
    for _ in range(TRIALS):
        count = chance.randrange(4)
        words = [chance.choice(names), *(chance.choice([*TEXTS, *options]) for _ in range(count))]
        code, told = lake.said(*words)
        assert code in (0, 1, 2), f"{words}: {told}"
        assert "Traceback" not in told


@pytest.mark.parametrize("command", WRONG)
def test_no_wrong_command_line_of_what_writes_ends_in_a_stack_trace(
    lake: SharedLake, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # No process can be given a text with a NUL; an empty selection is none and would be right.
    texts = [it for it in TEXTS if it != "\x00"]
    for begin in WRONG[command]:
        for text in texts[-3:] if command == "update" else texts:
            words = [command, *begin, text]
            code, told = lake.said(*words)
            assert code in (0, 1, 2), f"{words}: {told}"
            assert "Traceback" not in told
