"""The published tables: catalog, commits, history, maintenance and queries."""
