"""Spark beside hand-written PySpark."""
