import ibis
import ibis.expr.types as ir
import pytest

from pipeline_assets.dataset.structure import structure_of

SONGS = ibis.table({"artist": "string", "plays": "int64", "skips": "int64"}, name="songs")


def liked(songs: ir.Table, least: int = 3) -> ir.Table:
    return songs.filter(songs.plays >= least).select("artist", "plays")


def test_the_same_operations_are_the_same_structure() -> None:
    def otherwise(table: ir.Table) -> ir.Table:
        enough = table["plays"] >= 3
        return table.filter(enough)[["artist", "plays"]]

    assert structure_of(liked(SONGS)) == structure_of(otherwise(SONGS))


def test_a_column_that_nobody_reads_may_come_and_go() -> None:
    fewer = ibis.table({"artist": "string", "plays": "int64"}, name="songs")
    assert structure_of(liked(SONGS)) == structure_of(liked(fewer))


@pytest.mark.parametrize(
    "other",
    [
        liked(SONGS, least=4),
        SONGS.filter(SONGS.plays > 3).select("artist", "plays"),
        SONGS.filter(SONGS.skips >= 3).select("artist", "plays"),
        SONGS.filter(SONGS.plays >= 3).select("plays", "artist"),
        liked(ibis.table(SONGS.schema(), name="hits")),
        liked(ibis.table({"artist": "string", "plays": "int32"}, name="songs")),
    ],
    ids=["value", "operation", "column", "order", "table", "type"],
)
def test_whatever_changes_the_rows_changes_the_structure(other: ir.Table) -> None:
    assert structure_of(other) != structure_of(liked(SONGS))


def test_names_that_ibis_makes_up_do_not_count() -> None:
    def loud(songs: ir.Table) -> ir.Table:
        words = songs.artist.split(" ").filter(lambda word: word.length() > 3)
        return songs.join(songs.view(), "artist").select("artist", loud=words.length())

    assert structure_of(loud(SONGS)) == structure_of(loud(SONGS))


def test_an_engines_own_function_is_known_by_its_name() -> None:
    """Ibis counts the classes it makes for them, in the order in which modules are imported."""

    def backwards() -> ir.Table:
        @ibis.udf.scalar.builtin(name="reverse")  # type: ignore[untyped-decorator]
        def turned(text: str) -> str:
            raise NotImplementedError

        return SONGS.select(artist=turned(SONGS.artist))

    assert structure_of(backwards()) == structure_of(backwards())
