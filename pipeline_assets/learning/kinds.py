"""The kinds of job that an engine is given: relational ones and learning kernels."""

from collections.abc import Mapping
from typing import Final

from pipeline_assets.engines.embedded.prepared import Prepare
from pipeline_assets.engines.embedded.relational import RELATIONAL
from pipeline_assets.learning.jobs import neighbours, word2vec
from pipeline_assets.learning.tone import sentiment_fit, sentiment_predict
from spark_resources.job import Kind

KINDS: Final[Mapping[Kind, Prepare]] = {
    **RELATIONAL,
    "word2vec": word2vec,
    "neighbours": neighbours,
    "sentiment_fit": sentiment_fit,
    "sentiment_predict": sentiment_predict,
}
