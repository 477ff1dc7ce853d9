"""The commands that keep a lake sound, as people type them."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from pipeline_assets import open_lake
from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.upkeep.recovery import recover
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.domains.ratings.test_assets import world_in
from pipeline_assets_tests.domains.ratings.world import ASSETS, DELIVERED, World
from pipeline_assets_tests.prepared import Prepared

BOOKS = [{"customer_id": f"C{n % 5}", "product_id": "B1", "star_rating": 3} for n in range(25)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A lake with the reviews of books. Its landing zone stays: a copied file is a new delivery."""
    folder = tmp_path_factory.mktemp("care")
    with dg.DagsterInstance.ephemeral() as instance:
        world = world_in(folder, instance)
        world.land("Books", *BOOKS)
        assert world.update().failures == ()
    return Prepared(folder / "lake")


@pytest.fixture
def world(prepared: Prepared, instance: dg.DagsterInstance) -> World:
    prepared.put_back()
    return world_in(prepared.folder.parent, instance)


def said(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(cli, words, obj=Session(settings))


def files(settings: Settings) -> list[Path]:
    return sorted(path for path in Path(settings.lake_uri).rglob("*") if path.is_file())


@pytest.mark.parametrize("hours", ["-5", "nan", "inf", "-inf", "0", "1", "1e300", "soon"])
def test_hours_that_are_none_or_too_few_are_refused_in_one_line(
    settings: Settings, hours: str
) -> None:
    result = said(settings, "clean", "--older-than", hours)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: Invalid value for '--older-than'")


def test_without_the_catalog_nothing_is_removed_and_nothing_answered(world: World) -> None:
    Path(world.settings.lake_uri, "catalog.db").unlink()
    before = files(world.settings)
    cleaned = said(world.settings, "clean")
    assert cleaned.exit_code == 1
    assert "does not know ratings.reviews" in cleaned.stderr
    assert "run: pipeline-assets recover" in cleaned.stderr
    queried = said(world.settings, "query", "select count(*) from ratings.reviews")
    assert "run: pipeline-assets recover" in str(queried.exception)
    listing = "select table_name from information_schema.tables"
    for words in (
        *(("tables",), ("query", "show tables"), ("query", listing), ("backup", "to")),
        *(
            ("release", "list"),
            ("release", "diff", "a", "b"),
            ("env", "list"),
            ("env", "plan", "x"),
        ),
    ):
        assert "run: pipeline-assets recover" in str(said(world.settings, *words).exception), words
    with (
        open_lake(world.settings.lake_uri) as lake,
        pytest.raises(PipelineError, match="run: pipeline-assets recover"),
    ):
        lake.tables()
    assert [path for path in files(world.settings) if path.name != "catalog.db"] == before


def test_a_dry_run_says_what_would_be_done(world: World) -> None:
    before = files(world.settings)
    result = said(world.settings, "clean", "--dry-run")
    assert result.exit_code == 0
    assert "would be: ratings.reviews" in result.stdout
    assert files(world.settings) == before


def test_after_recovery_everything_is_as_before_and_nothing_has_to_be_done(world: World) -> None:
    rows = world.query("select * from ratings.reviews order by all")
    history = said(world.settings, "history", "ratings.reviews").stdout
    Path(world.settings.lake_uri, "catalog.db").unlink()
    dry = said(world.settings, "recover", "--dry-run")
    assert (dry.exit_code, dry.stdout.count("would be: ")) == (0, len(ASSETS) + 1)
    assert said(world.settings, "query", "select 1 from ratings.reviews").exit_code == 1
    result = said(world.settings, "recover")
    assert result.exit_code == 0
    every = len(ASSETS) + 1  # and the profiles
    told = f"{every} tables, {every} of them changed in the catalog, 0 with losses\n"
    assert result.stdout.endswith(told)
    assert world.query("select * from ratings.reviews order by all") == rows
    assert said(world.settings, "history", "ratings.reviews").stdout == history
    assert world.update().made == ()


def test_in_a_lake_that_was_moved_raw_text_is_found_again(
    settings: Settings, tmp_path: Path
) -> None:
    bench = diary(settings)
    land(bench, "mon", one="ada: hello")
    assert bench.run("mon").success
    moved = tmp_path / "moved"
    shutil.move(settings.lake_uri, moved)
    bench = diary(settings.model_copy(update={"lake_uri": str(moved)}))
    assert all(not table.losses for table in recover(bench.lake.access))
    land(bench, "mon")
    assert bench.run("mon", only=["diary.entries"]).success
    assert bench.query("SELECT who FROM diary.entries") == [("ada",)]


def test_a_lake_on_s3_names_its_catalog() -> None:
    settings = Settings(lake_uri="s3://bucket/lake")
    with pytest.raises(PipelineError, match="CATALOG_URI is not set: a lake on S3 needs `glue`"):
        _ = Deployment(settings).lake


def flip(path: Path, place: int = 40) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def content(world: World) -> list[object]:
    tables = ("raw_reviews", "reviews", "filtered_ratings", "train_ready_ratings")
    return [world.query(f"select * from ratings.{name} order by all") for name in tables]


def parquet_of(world: World, name: str) -> Path:
    (path,) = Path(world.settings.lake_uri, "ratings", name, "data").rglob("*.parquet")
    return path


def test_damage_is_named_and_mended(world: World) -> None:
    before = content(world)
    assert said(world.settings, "verify", "--deep").exit_code == 0
    flipped, gone = parquet_of(world, "raw_reviews"), parquet_of(world, "filtered_ratings")
    csv = Path(world.settings.lake_uri, "train_ready", "amazon_reviews_us_Books.csv")
    flip(flipped)
    gone.unlink()
    flip(csv)
    quick = said(world.settings, "verify")
    assert quick.exit_code == 1
    assert quick.stderr == f"error: ratings.filtered_ratings: {gone} is missing\n"
    deep = said(world.settings, "verify", "--deep").stderr.splitlines()
    assert [line.split()[2] for line in deep] == [str(flipped), str(gone), str(csv)]
    assert "FAIL tables" in said(world.settings, "doctor").stdout

    repaired = said(world.settings, "update", "--repair", "--select", DELIVERED)
    assert repaired.exit_code == 0, repaired.stderr
    assert said(world.settings, "verify", "--deep").exit_code == 0
    assert content(world) == before


def test_damaged_statistics_keep_nobody_from_publishing(world: World) -> None:
    for path in Path(world.settings.lake_uri, "lake/profiles/data").rglob("*.parquet"):
        path.write_bytes(b"")
    assert said(world.settings, "verify", "lake.profiles").exit_code == 1
    assert said(world.settings, "update", "--repair", "--select", DELIVERED).exit_code == 0
    assert said(world.settings, "verify", "lake.profiles").exit_code == 0


def test_a_backup_brings_back_what_is_not_in_the_lake(settings: Settings, tmp_path: Path) -> None:
    with open_instance(settings.dagster_home, tmp_path) as instance:
        world = World(settings, instance)
        world.land("Books", *BOOKS)
        assert world.update().failures == ()
        runs = instance.get_runs_count()
    copied = said(settings, "backup", str(tmp_path / "backups"))
    assert copied.exit_code == 0, copied.output
    (folder,) = (tmp_path / "backups").iterdir()
    assert "exists: move it away" in str(said(settings, "recover", "--from", str(folder)).exception)
    shutil.rmtree(settings.dagster_home)
    Path(settings.lake_uri, "catalog.db").unlink()
    result = said(settings, "recover", "--from", str(folder))
    assert result.exit_code == 0, result.output
    with open_instance(settings.dagster_home, tmp_path) as instance:
        assert instance.get_runs_count() == runs
        assert World(settings, instance).update().made == ()
