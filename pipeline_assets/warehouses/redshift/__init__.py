"""Redshift as a warehouse, and as a reader of the lake.

`sql` words statements, `session` is what runs them: `wire` as any client of Postgres does,
`data_api` through AWS. `files` puts rows on S3 for COPY, `warehouse` loads them into a table of
their own, and `load` lets them take the place of the old ones. `views` lets Redshift read the lake
where it lies.
"""
