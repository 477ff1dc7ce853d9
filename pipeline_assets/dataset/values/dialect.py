"""The dialects of SQL that expressions are compiled to."""

from typing import Literal, TypeAlias

Dialect: TypeAlias = Literal["duckdb", "pyspark", "trino"]
"""Ibis' names for the SQL of the embedded engine, of Spark and of Athena."""
