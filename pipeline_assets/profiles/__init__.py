"""Statistics of every published partition, and how a new partition differs from earlier ones."""
