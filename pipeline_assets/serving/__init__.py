"""Answers over HTTP: SQL and lookups over the published tables, each answer with its version."""
