"""Engines: where a job runs. An engine knows files and SQL, and nothing of assets."""
