"""Amazon Athena as an engine: tables in, Parquet out, and nothing between but SQL."""
