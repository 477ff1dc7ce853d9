"""Catalogs in SQL databases: one that outlives a power cut, and a quick reader of SQLite."""
