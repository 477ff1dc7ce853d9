"""What runs on a Spark cluster: the job's entry point and everything it imports.

Only the standard library, PySpark and this package; the wheel that jobs are sent with packs it.
"""
