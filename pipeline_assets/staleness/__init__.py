"""Which partitions have to be materialised, told by comparing versions."""
