"""Connections to Postgres, reading from it, and loading partitions into it."""
