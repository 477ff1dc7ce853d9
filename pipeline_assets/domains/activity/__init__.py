"""What customers do while they watch: events of a stream, hour by hour, and what they say."""
