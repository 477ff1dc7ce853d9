"""Relational warehouses: Postgres and Redshift behind one protocol.

`warehouse` is the protocol, `table` a table as its contract declares it, `rows` the rows that may
go into it, and `statements` the SQL that both have. `postgres` and `redshift` load.
"""
