"""Translates Iceberg's type names, and quotes names and texts, for Spark SQL."""

from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, str]] = {
    "int": "INT",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "STRING",
    "date": "DATE",
    # Iceberg's timestamp has no zone; Spark's TIMESTAMP would be stored as adjusted to UTC.
    "timestamp": "TIMESTAMP_NTZ",
    "binary": "BINARY",
}


def spark_type(name: str) -> str:
    """The name in Spark SQL of a type of a job's schema.

    >>> spark_type("list<float>"), spark_type("decimal(18,5)"), spark_type("timestamp")
    ('ARRAY<FLOAT>', 'DECIMAL(18,5)', 'TIMESTAMP_NTZ')

    Raises:
        ValueError: No job's schema has such a type.
    """
    if name.startswith("list<") and name.endswith(">"):
        return f"ARRAY<{spark_type(name[5:-1])}>"
    if name.startswith("decimal("):
        return name.upper()
    if name not in _NAMES:
        raise ValueError(f"a job cannot carry the column type {name!r}")
    return _NAMES[name]


def ddl(schema: Mapping[str, str]) -> str:
    """A whole schema, as ``DataFrameReader.schema`` takes it."""
    return ", ".join(f"{identifier(name)} {spark_type(type_)}" for name, type_ in schema.items())


def identifier(name: str) -> str:
    """A quoted column or table name.

    >>> identifier("a`b")
    '`a``b`'
    """
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    r"""A string literal of Spark SQL, which reads backslashes as escapes.

    >>> print(literal("it's \\ here"))
    'it\'s \\ here'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
