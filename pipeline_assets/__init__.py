"""A recommender-data lake as a Dagster asset graph."""
