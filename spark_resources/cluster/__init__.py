"""What runs on a Spark cluster: the entry point of jobs and everything that it imports.

The wheel that runners upload packs this folder. Its modules may import the standard library,
PySpark and each other, because a cluster has nothing else for certain, not even NumPy.
"""
