"""Postgres connection strings that never show their password."""

import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from urllib.parse import quote

from pydantic import SecretStr

from pipeline_assets.errors import PipelineError

SECRET_OPTIONS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key")
SHAPES = "postgresql://user:password@host:5432/database or host=… port=… dbname=… user=… password=…"

# libpq would take the end of a password with a bare @, / or ? for the host or the database.
_URL = re.compile(r"postgres(ql)?://([^@/?]*@)?[^@\s]*")


@dataclass(frozen=True, repr=False)
class SecretDsn:
    """A Postgres connection string, as a URL or as ``key=value`` words.

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
    def options(self) -> Mapping[str, str]:
        """The libpq options the string sets, decoded; secrets included."""
        return parse_dsn(self.reveal())

    @property
    def where(self) -> str:
        """Database and host in words, for messages."""
        found = self.options
        database = found.get("dbname") or found.get("user") or "(default)"
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
    """Read a connection string into its libpq options.

    Args:
        text: A ``postgresql://`` URL or ``key=value`` words.

    Returns:
        Option name to decoded value, only for the options that are set.

    Raises:
        PipelineError: Neither form fits; the message repeats nothing of the text.
    """
    text = text.strip()
    is_url = text.startswith(("postgresql://", "postgres://"))
    if is_url and not _URL.fullmatch(text):
        raise _unreadable("write @ : / ? % inside user or password as %40 %3A %2F %3F %25")
    found = _options(text)
    if found is None:
        hint = "an option is unknown, has no value or is not quoted as in password='two words'"
        raise _unreadable(hint)
    if not (found or is_url):
        raise _unreadable("it is empty")
    if not re.fullmatch(r"[\d,]*", found.get("port", "")):
        raise _unreadable("the port is not a number")
    return found


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
    host = quote(found.get("host") or found.get("hostaddr") or "localhost", safe="")
    port = f":{found['port']}" if found.get("port") else ""
    database = quote(found.get("dbname") or found.get("user") or "", safe="")
    return f"postgresql://{host}{port}/{database}"
