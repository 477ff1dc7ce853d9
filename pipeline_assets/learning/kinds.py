"""The kinds of job that an engine is given: relational ones and learning kernels."""

from collections.abc import Mapping
from typing import Final

from pipeline_assets.engines.embedded.prepared import Prepare
from pipeline_assets.engines.embedded.relational import RELATIONAL
from pipeline_assets.learning.jobs import linear_text, neighbours, word2vec
from spark_resources.job import Kind

KINDS: Final[Mapping[Kind, Prepare]] = {
    **RELATIONAL,
    "word2vec": word2vec,
    "neighbours": neighbours,
    "linear_text": linear_text,
}
