"""Reading published tables from Python, without Dagster and without changing anything."""
