"""Everything that concerns Spark.

`job` describes one computation as plain data. `cluster` is what executes it in a Spark session, and
the only part that travels to a cluster. `runners` starts jobs, on this machine, as EMR steps or on
EMR Serverless, and waits for them.
"""
