"""The room a domain author reads: how a dataset is declared.

Assets, contracts, computations, inputs and the plain values they are described with. Nothing here
reads or writes storage, and nothing here imports an engine, pyiceberg or DuckDB.
"""

import time
from typing import Final

BEGAN_NS: Final = time.time_ns()
"""When this process came here, which is before it imported any module of a domain."""
