"""Postgres, as a source and under a warehouse.

`connection` opens connections and words errors, `sql` quotes values and names, `read` streams query
results as Arrow.
"""
