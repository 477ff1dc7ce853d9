"""Which partitions are stale, found by comparing versions."""
