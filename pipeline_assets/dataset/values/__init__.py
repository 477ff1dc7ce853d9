"""The plain values that datasets are described with: tables, objects, destinations, databases."""
