"""The room a domain author reads: how a dataset is declared.

Assets, contracts, computations, inputs and the plain values they are described with. Nothing here
reads or writes storage, and nothing here imports an engine, pyiceberg or DuckDB.
"""
