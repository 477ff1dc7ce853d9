"""What the music tables promise."""

from typing import Any, Final

from pipeline_assets.dataset.contract import Contract, Double, Field, FloatList, Int, Long, String
from pipeline_assets.dataset.raw_contracts import RawRecords, RejectedRecords

MUSIC: Final = "music"
"""Namespace of the domain's tables."""

_SNAPSHOT = Field(description="Date of the delivery, as in its folder's name.")
_USER = Field(personal=True, description="The listener.")
_ARTIST = Field(description="The artist's name, as the vendor writes it.")
_COUNTRY = Field(description="Country of the listener.")
_TOTAL = Field(ge=0, description="Plays of the artist by listeners of the country.")
_RANK = Field(ge=1, description="From 1, without gaps or ties.")
_EMBEDDING = Field(description="Fifty dimensions unless configured otherwise.")


def _text(*, personal: bool = False) -> Any:  # noqa: ANN401 - as Field
    """A column as delivered; every column needs a declaration of its own."""
    return Field(personal=personal, nullable=True, description="As delivered.")


class RawUsers(RawRecords):
    """One row per record of `users.csv`, as delivered."""

    user_id: String = _text(personal=True)
    country: String = _text(personal=True)
    total_scrobbles: String = _text()
    snapshot: String = _SNAPSHOT


class RawUserTopArtists(RawRecords):
    """One row per record of `user_top_artists.csv`, as delivered."""

    user_id: String = _text(personal=True)
    rank: String = _text()
    artist_name: String = _text()
    playcount: String = _text()
    mbid: String = _text()
    snapshot: String = _SNAPSHOT


class RejectedRows(RejectedRecords):
    """One row per record that cannot be used, with its place and the reason."""

    source_uri: String = Field(description="The file.")
    raw: String = Field(
        personal=True, description="The record's text; its fields joined by commas if it has any."
    )
    snapshot: String = _SNAPSHOT


class Users(Contract):
    """One row per listener."""

    user_id: String = _USER
    country: String = Field(
        personal=True,
        nullable=True,
        description="Null where the vendor has none, however that is written.",
    )
    total_scrobbles: Long = Field(ge=0, nullable=True, description="Plays of all time.")
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "user_id")


class UserTopArtists(Contract):
    """One row per listener and artist."""

    user_id: String = _USER
    rank: Int = Field(
        ge=1, nullable=True, description="Place in the listener's own list; the first of several."
    )
    artist_name: String = _ARTIST
    playcount: Long = Field(ge=1, description="How often the listener played the artist, in all.")
    mbid: String = Field(nullable=True, description="The artist's MusicBrainz identifier.")
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "user_id", "artist_name")


class ArtistRankInCountry(Contract):
    """One row per country and artist; the country's most played artist is first."""

    country: String = _COUNTRY
    artist_name: String = _ARTIST
    total_playcount: Double = _TOTAL
    rank: Int = _RANK
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "country", "rank")


class CountryRankPerArtist(Contract):
    """One row per artist and country; the country most devoted to the artist is first."""

    country: String = _COUNTRY
    artist_name: String = _ARTIST
    total_playcount: Double = _TOTAL
    normalized_popularity: Double = Field(
        in_range={"min_value": 0, "max_value": 1},
        description="The artist's share of all plays in the country.",
    )
    rank: Int = _RANK
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "artist_name", "rank")


class ArtistEmbeddings(Contract):
    """One row per artist with enough listeners who list others as well."""

    artist_name: String = _ARTIST
    embedding: FloatList = _EMBEDDING
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "artist_name")


class UserEmbeddings(Contract):
    """One row per listener whose artists with a vector have a mean that is not zero."""

    user_id: String = _USER
    embedding: FloatList = Field(
        personal=True, description="Fifty dimensions unless configured otherwise."
    )
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "user_id")


class SimilarArtists(Contract):
    """One row per artist and one of its ten nearest neighbours."""

    artist_name: String = _ARTIST
    neighbour: String = Field(description="Another artist.")
    similarity: Double = Field(
        in_range={"min_value": -1.000001, "max_value": 1.000001},
        description="Cosine of the angle between the two vectors.",
    )
    rank: Int = _RANK
    snapshot: String = _SNAPSHOT

    class Config:
        """Keys."""

        unique = ("snapshot", "artist_name", "rank")
