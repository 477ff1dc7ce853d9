"""Runners: they start jobs from Dagster's process, wait for them, and read their manifests.

`local` runs jobs on Spark in this process. `runner` runs them on a remote service, of which `emr`
and `emr_serverless` are the two. A runner cancels its remote job if anything goes wrong.
"""
