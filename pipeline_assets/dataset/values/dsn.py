"""Connection strings of Postgres and Redshift that never show their password."""

import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import SecretStr

from pipeline_assets.errors import PipelineError

SECRET_OPTIONS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key")
SHAPES = "postgresql://user:password@host:5432/database or host=… port=… dbname=… user=… password=…"
REDSHIFT_SHAPES = (
    "redshift://user:password@host:5439/database or redshift-data:///database?workgroup=…, with "
    "iam_role=…, staging=s3://… and timeout_minutes=… where they are needed"
)
REDSHIFT_PORT = "5439"
REDSHIFT_OPTIONS = frozenset({"iam_role", "staging", "timeout_minutes"})
"""What a connection string of Redshift says of loading, which no driver knows."""
DATA_API_OPTIONS = frozenset({"workgroup", "cluster", "user", "secret_arn", "region"})

System: TypeAlias = Literal["postgres", "redshift", "redshift-data"]

_ESCAPES = "write @ : / ? % inside user or password as %40 %3A %2F %3F %25"
# libpq would take the end of a password with a bare @, / or ? for the host or the database.
_URL = re.compile(r"postgres(ql)?://([^@/?]*@)?[^@\s]*")


@dataclass(frozen=True, repr=False)
class SecretDsn:
    """A connection string: of Postgres as a URL or as ``key=value`` words, of Redshift as a URL.

    Printing, formatting or logging it shows user, host and database, never the password. Both
    forms are read by libpq (PostgreSQL documentation, "Connection Strings"), except that a bare
    ``@`` inside a part of a URL must be written ``%40``: libpq would take the end of such a
    password for the host and print it in its errors.

    Args:
        text: The connection string.

    Raises:
        PipelineError: The string can't be read; the message repeats nothing of it.
    """

    text: InitVar[str]
    secret: SecretStr = field(init=False)

    def __post_init__(self, text: str) -> None:
        parse_dsn(text)
        object.__setattr__(self, "secret", SecretStr(text))

    def reveal(self) -> str:
        """The connection string itself, for a driver; never for a message."""
        return self.secret.get_secret_value()

    @property
    def system(self) -> System:
        """What it connects to: Postgres, Redshift, or Redshift through its Data API."""
        return system_of(self.reveal())

    @property
    def options(self) -> Mapping[str, str]:
        """The options the string sets, decoded; secrets included."""
        return parse_dsn(self.reveal())

    @property
    def where(self) -> str:
        """Database and host in words, for messages."""
        found = self.options
        database = found.get("dbname") or found.get("user") or "(default)"
        if self.system == "redshift-data":
            kind, name = _compute(found)
            return f"database {database!r} of {kind} {name!r}"
        host = found.get("host") or found.get("hostaddr") or "the local socket"
        port = f":{found['port']}" if found.get("port", "").strip(",") else ""
        return f"database {database!r} at {host}{port}"

    def with_database(self, name: str) -> "SecretDsn":
        """The same server and user, another database."""
        return SecretDsn(keyword_dsn({**self.options, "dbname": name}))

    def scrub(self, text: str) -> str:
        """The text with every secret of this connection string starred out."""
        for secret in filter(None, map(self.options.get, SECRET_OPTIONS)):
            text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        return f"SecretDsn({self})"

    def __str__(self) -> str:
        user = self.options.get("user", "(default)")
        return f"user {user!r}, {self.where}, password hidden"


def parse_dsn(text: str) -> dict[str, str]:
    """Read a connection string into its options, which but for Redshift's own are libpq's.

    Args:
        text: A URL that starts with ``postgresql://``, ``redshift://`` or ``redshift-data://``, or
            ``key=value`` words.

    Returns:
        Option name to decoded value, only for the options that are set.

    Raises:
        PipelineError: Neither form fits; the message repeats nothing of the text.
    """
    text = text.strip()
    if system_of(text) != "postgres":
        return _redshift_options(text)
    is_url = text.startswith(("postgresql://", "postgres://"))
    if is_url and not _URL.fullmatch(text):
        raise _unreadable(_ESCAPES)
    found = _options(text)
    if found is None:
        hint = "an option is unknown, has no value or is not quoted as in password='two words'"
        raise _unreadable(hint)
    if not (found or is_url):
        raise _unreadable("it is empty")
    if not re.fullmatch(r"[\d,]*", found.get("port", "")):
        raise _unreadable("the port is not a number")
    return found


def system_of(text: str) -> System:
    """What a connection string connects to."""
    scheme = text.strip().partition("://")[0]
    return scheme if scheme in {"redshift", "redshift-data"} else "postgres"  # type: ignore[return-value]


def _redshift_options(text: str) -> dict[str, str]:
    """The options of a Redshift URL."""
    scheme, _, rest = text.partition("://")
    place, _, query = rest.partition("?")
    # A plus is a plus, as libpq reads it.
    given = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    if scheme == "redshift-data":
        found = {"dbname": place.lstrip("/"), **given}
        _require_data_api(found)
    else:
        own = {name: value for name, value in given.items() if name in REDSHIFT_OPTIONS}
        libpq = {name: value for name, value in given.items() if name not in REDSHIFT_OPTIONS}
        found = {"port": REDSHIFT_PORT, **_libpq_options(place, libpq), **own}
    if not found.get("dbname"):
        raise _unusable("it names no database")
    if not re.fullmatch(r"[1-9]\d{0,3}", found.get("timeout_minutes", "60")):
        raise _unusable("timeout_minutes is no whole number of minutes")
    if not found.get("staging", "s3://").startswith("s3://"):
        raise _unusable("staging is no s3:// prefix")
    return found


def _libpq_options(place: str, further: Mapping[str, str]) -> dict[str, str]:
    """What libpq reads of a Redshift URL, to which a Redshift is a Postgres."""
    url = f"postgresql://{place}" + ("?" if further else "") + urlencode(further, quote_via=quote)
    if not _URL.fullmatch(url):
        raise _unusable(_ESCAPES)
    found = _options(url)
    if found is None:
        raise _unusable("an option is unknown or has no value")
    return found


def _require_data_api(found: Mapping[str, str]) -> None:
    unknown = found.keys() - REDSHIFT_OPTIONS - DATA_API_OPTIONS - {"dbname"}
    if unknown or "/" in found["dbname"]:
        raise _unusable("it names something that the Data API does not know")
    if ("workgroup" in found) == ("cluster" in found):
        raise _unusable("name one of workgroup and cluster")


def _compute(found: Mapping[str, str]) -> tuple[str, str]:
    """Whether a workgroup or a cluster computes, and its name."""
    kind = "workgroup" if "workgroup" in found else "cluster"
    return kind, found[kind]


def _unusable(hint: str) -> PipelineError:
    return PipelineError(
        f"unreadable Redshift connection string: {hint}; it looks like {REDSHIFT_SHAPES}"
    )


def _options(text: str) -> dict[str, str] | None:
    """What libpq reads; None where it cannot.

    No error is raised here: one that is raised in an ``except`` keeps libpq's in its context, whose
    message may quote a password, and Dagster prints every error of a chain.
    """
    import psycopg2
    from psycopg2 import extensions

    try:
        options: dict[str, str] = extensions.parse_dsn(text)
    except (psycopg2.Error, ValueError):
        return None
    return options


def keyword_dsn(options: Mapping[str, str]) -> str:
    """Write libpq options as ``key='value'`` words."""
    from psycopg2 import extensions

    return str(extensions.make_dsn(**options))


def _unreadable(hint: str) -> PipelineError:
    return PipelineError(f"unreadable Postgres connection string: {hint}; it looks like {SHAPES}")


def address(dsn: SecretDsn) -> str:
    """Server and database without user and password; a socket's folder is percent-encoded."""
    found = dsn.options
    if dsn.system == "redshift-data":
        kind, name = _compute(found)
        return f"redshift-data://{kind}.{name}/{quote(found['dbname'], safe='')}"
    host = quote(found.get("host") or found.get("hostaddr") or "localhost", safe="")
    port = f":{found['port']}" if found.get("port") else ""
    database = quote(found.get("dbname") or found.get("user") or "", safe="")
    scheme = "redshift" if dsn.system == "redshift" else "postgresql"
    return f"{scheme}://{host}{port}/{database}"
