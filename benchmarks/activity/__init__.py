"""The stream: schedules of mishaps, throughput, and what a publish costs beside many hours."""
