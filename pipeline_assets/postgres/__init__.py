"""Postgres, as a source and as a warehouse.

`connection` opens connections and words errors, `sql` quotes values and names, `read` streams query
results as Arrow, `table` creates warehouse tables, and `load` replaces partitions in them.
"""
