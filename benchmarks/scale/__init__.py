"""How costs grow beyond one machine: measured here, simulated there."""
