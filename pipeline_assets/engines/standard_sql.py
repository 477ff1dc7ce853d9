"""Names and texts as standard SQL writes them, which DuckDB and Athena both read."""


def identifier(name: str | None) -> str:
    """A name quoted for SQL."""
    return '"' + str(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
