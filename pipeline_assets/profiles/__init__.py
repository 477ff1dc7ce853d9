"""Statistics of every published partition, and how a new one differs from those before."""
