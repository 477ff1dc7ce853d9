"""What starts runs: landed objects, S3 events, retries; and the janitor of remote jobs."""
