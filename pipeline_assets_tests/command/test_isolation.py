"""One bad partition never stops its neighbours, and only what was chosen is touched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.command.boundary import one_line_errors
from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.domains.rentals.conftest import world_in
from pipeline_assets_tests.domains.rentals.faults import FAULTS, day, land_days, text
from pipeline_assets_tests.domains.rentals.world import World
from pipeline_assets_tests.updating import update

RAW = ("--select", "rentals/raw_movie_reviews")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: list[str]


Command = Callable[..., Said]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], settings: Settings) -> Command:
    Path(settings.landing_uri).mkdir(exist_ok=True)

    def run(*words: str) -> Said:
        capfd.readouterr()
        code = 0
        try:
            with one_line_errors():
                cli.main(words, obj=Session(settings), standalone_mode=False)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        told = [it for it in err.splitlines() if it.startswith(("error: ", "warning: "))]
        return Said(code, out, told)

    return run


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> World:
    return world_in(tmp_path, instance)


def test_of_thirty_days_with_seven_faults_all_others_are_published(world: World) -> None:
    land_days(world, 30)
    failures = world.update("raw_movie_reviews", "rejected_rows", "movie_reviews")
    published = world.query(
        "select distinct insert_date::text from rentals.movie_reviews order by 1"
    )
    assert [key for (key,) in published] == [day(n) for n in range(30) if n not in FAULTS]
    assert len(published) == 23
    assert sorted(line.partition(":")[0] for line in failures) == sorted(
        f"rentals/raw_movie_reviews[{day(number)}]" for number in FAULTS
    )
    for number, (_, reason) in FAULTS.items():
        (line,) = (line for line in failures if day(number) in line.partition(":")[0])
        assert reason in line
        assert f"movie_review/{day(number)}/movie_review.csv" in line
    runs = world.instance.get_runs_count()
    assert world.update("raw_movie_reviews", "rejected_rows", "movie_reviews")
    assert world.instance.get_runs_count() - runs <= 2 * len(FAULTS), "only what is bad runs again"


def test_a_fault_of_the_whole_range_is_told_without_asking_for_every_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(16):
        world.land(day(number), (1, "fine", 5))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline_assets.engines.embedded.engine.EmbeddedEngine.ingest", full)
    failures = world.update("raw_movie_reviews")
    assert len(failures) == 2
    assert all("No space left" in line for line in failures)
    assert world.instance.get_runs_count() == 1 + 2 + 4


def test_a_vendor_who_cannot_be_listed_holds_up_no_other(
    command: Command, settings: Settings
) -> None:
    landing = Path(settings.landing_uri)
    (landing / "movie_review" / day(0)).mkdir(parents=True)
    (landing / "movie_review" / day(0) / "movie_review.csv").write_bytes(text((1, "fine", 5)))
    (landing / "taobao").mkdir()
    (landing / "taobao" / "taobao_train.tar.gz").symlink_to("/etc/passwd")
    said = command("update", "--select", "rentals/raw_movie_reviews")
    assert (said.code, said.err) == (0, []), "nobody asked about the other vendor"
    both = 'key:"rentals/raw_movie_reviews" or key:"taobao/raw_files"'
    said = command("update", "--select", both)
    assert said.code == 1
    (line,) = said.err
    assert line.startswith("error: taobao/taobao_train.tar.gz: is a link that leads out of")


def test_an_archived_object_holds_up_no_other(
    tmp_path: Path, instance: dg.DagsterInstance, s3: S3Access, s3_store: S3Store, bucket: str
) -> None:
    places = {"landing_uri": f"{bucket}/landing", "s3_endpoint_url": s3.endpoint_url}
    world = world_in(tmp_path, instance)
    world = replace(world, settings=world.settings.model_copy(update=places))
    for number, kind in enumerate(("STANDARD", "GLACIER", "STANDARD", "DEEP_ARCHIVE")):
        s3_store.client.put_object(
            Bucket=bucket.removeprefix("s3://"),
            Key=f"landing/movie_review/{day(number)}/movie_review.csv",
            Body=text((1, "fine", 5)),
            StorageClass=kind,  # type: ignore[arg-type]
        )
    updated = update(world.updater, "raw_movie_reviews")
    assert [line.partition(":")[0] for line in updated.failures] == [
        f"rentals/raw_movie_reviews[{day(number)}]" for number in (1, 3)
    ]
    assert all("is archived: restore it (aws s3api" in line for line in updated.failures)
    held = "select distinct insert_date::text from rentals.raw_movie_reviews order by 1"
    assert world.query(held) == [(day(0),), (day(2),)]


def test_only_the_chosen_partition_is_touched(command: Command, world: World) -> None:
    for number in range(3):
        world.land(day(number), (1, "fine", 5))
    world.land(day(1)).write_bytes(b"")
    said = command("update", *RAW, "--partition", day(2))
    assert (said.code, said.err) == (0, [])
    held = command(
        "query", "select distinct insert_date from rentals.raw_movie_reviews", "--format=csv"
    )
    assert held.out == f"insert_date\n{day(2)}\n"
    said = command("update", *RAW, "--partition", day(1))
    assert said.code == 1
    assert "is empty" in said.err[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--select", "rentals/movie_review"), "did you mean --select rentals/movie_reviews?"),
        (("--select", 'key:"nobody/*"'), "chooses no asset; write it like --select"),
        (("--select", "key:"), "is no selection of assets; write it like --select"),
        (("--partition", "2999-01-01"), "'2999-01-01' is no partition of what was chosen"),
        (("--partition", "someday"), "'someday' is no partition of what was chosen"),
        ((*RAW, "--partition", "train"), "'train' is no partition of what was chosen"),
    ],
)
def test_what_does_not_exist_is_no_success(
    command: Command, words: tuple[str, ...], told: str
) -> None:
    said = command("update", *words)
    assert said.code == 1
    (line,) = said.err
    assert told in line
