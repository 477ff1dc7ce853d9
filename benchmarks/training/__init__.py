"""Training sets: how fast batches are read."""
