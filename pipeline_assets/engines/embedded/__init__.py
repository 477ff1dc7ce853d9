"""DuckDB in this process. It knows jobs, not domains."""
