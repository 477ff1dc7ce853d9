"""Files that are missing, cut, emptied or changed by a bit are named, with their partition."""

from pathlib import Path
from random import Random

import pytest

from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.checksums import CHECKSUMS, Checksum
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.verification import verify
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish, record, written

WEEK = {day: {f"{day}-{n}": n for n in range(200)} for day in ("mon", "tue", "wed")}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path / "lake")
    publish(lake, WEEK)
    return lake


def file_of(lake: Lake, day: str) -> Path:
    (uri,) = lake.read(PLAYS, [day]).files
    return Path(uri)


def damaged(lake: Lake, *, deep: bool = False) -> tuple[Damage, ...]:
    return verify(lake, PLAYS, deep=deep).damages


def test_a_sound_table_has_nothing_to_say(lake: Lake) -> None:
    found = verify(lake, PLAYS, deep=True)
    assert (found.files, found.unsealed, found.damages) == (3, 0, ())
    assert found.bytes == sum(file_of(lake, day).stat().st_size for day in WEEK)


@pytest.mark.parametrize(
    ("left", "what"), [(None, "is missing"), (100, "has 100 bytes, not"), (0, "has 0 bytes, not")]
)
def test_a_file_that_is_missing_or_cut_is_found_without_reading(
    lake: Lake, left: int | None, what: str
) -> None:
    path = file_of(lake, "tue")
    if left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:left])
    (found,) = damaged(lake)
    assert (found.uri, found.keys) == (str(path), ("tue",))
    assert found.what.startswith(what)


def test_every_flipped_bit_is_found(lake: Lake) -> None:
    path, chance = file_of(lake, "wed"), Random(0)
    sound = path.read_bytes()
    for _ in range(60):
        place, bit = chance.randrange(len(sound)), 1 << chance.randrange(8)
        path.write_bytes(sound[:place] + bytes([sound[place] ^ bit]) + sound[place + 1 :])
        assert damaged(lake) == ()
        (found,) = damaged(lake, deep=True)
        assert (found.uri, found.keys) == (str(path), ("wed",))
    path.write_bytes(sound)
    assert damaged(lake, deep=True) == ()


def test_files_without_checksums_are_decoded_and_told(lake: Lake) -> None:
    sums = file_of(lake, "mon").with_name(CHECKSUMS)
    sums.unlink()
    found = verify(lake, PLAYS, deep=True)
    assert (found.unsealed, found.damages) == (3, ())
    assert str(found).endswith("3 of them without a checksum")
    path = file_of(lake, "mon")
    path.write_bytes(b"PAR1" + bytes(path.stat().st_size - 8) + b"PAR1")
    (damage,) = damaged(lake, deep=True)
    assert damage.what.startswith("cannot be decoded")


def test_checksums_that_are_damaged_are_named(lake: Lake) -> None:
    sums = file_of(lake, "mon").with_name(CHECKSUMS)
    sums.write_bytes(b"{")
    (found,) = damaged(lake, deep=True)
    assert (found.uri, found.keys) == (str(sums), ("mon", "tue", "wed"))


def test_what_is_restored_keeps_its_checksums(lake: Lake) -> None:
    then = lake.history(PLAYS)[0].snapshot_id
    publish(lake, {"mon": {"ada": 1}})
    lake.restore(PLAYS, then)
    assert verify(lake, PLAYS, deep=True).unsealed == 0


def test_a_manifest_that_is_damaged_is_named(lake: Lake) -> None:
    (manifest,) = Path(lake.location(PLAYS), "metadata").glob("*-m0.avro")
    manifest.write_bytes(manifest.read_bytes()[:50])
    with pytest.raises(PipelineError, match=rf"{manifest.name} is damaged or missing"):
        verify(lake, PLAYS)


def test_files_that_the_attempt_wrote_beside_its_own_have_checksums_as_well(lake: Lake) -> None:
    (path,) = written(lake, {"mon": {"ada": 1}})
    raw = Path(path).parent / "raw" / "mon" / "0"
    raw.parent.mkdir(parents=True)
    raw.write_bytes(b"raw text")
    lake.publish(PLAYS, [path], {"mon": record()}, {str(raw): Checksum.of(b"raw text")})
    sums = (Path(path).parent / CHECKSUMS).read_text()
    assert '"raw/mon/0": [8, ' in sums


def test_a_file_whose_checksum_the_engine_knows_is_not_read_again(lake: Lake) -> None:
    (path,) = written(lake, {"mon": {"ada": 1}})
    size = Path(path).stat().st_size
    lake.publish(PLAYS, [path], {"mon": record()}, {path: Checksum(size, "00c0ffee")})
    (found,) = damaged(lake, deep=True)
    assert (found.uri, found.what) == (path, "is damaged: its checksum differs")
