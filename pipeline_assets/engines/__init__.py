"""Engines: they execute jobs. An engine knows files and SQL, and nothing of assets."""
