"""From published tables to a model's input: batches of ids, weights and offsets, without a join.

Rows refer to users by number, and the users' features are one block of memory that a model keeps
where it computes. So a batch holds what is its rows' own, and what a user has is sent once and not
with every row. Nothing here needs torch; :meth:`Batch.to_torch` and
:class:`ResidentTensors` do.
"""

from pipeline_assets.training.batch import Batch, Ragged
from pipeline_assets.training.columns import Columns, prepare
from pipeline_assets.training.reader import Reader, Shard
from pipeline_assets.training.tensors import ResidentTensors

__all__ = ["Batch", "Columns", "Ragged", "Reader", "ResidentTensors", "Shard", "prepare"]
