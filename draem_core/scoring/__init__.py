"""Score a dataset once, keep what came of it, and measure it."""

from draem_core.scoring.keys import score_key
from draem_core.scoring.measure import METRIC_NAMES, measure
from draem_core.scoring.results import ScoredDataset
from draem_core.scoring.run import score_dataset

__all__ = ["METRIC_NAMES", "ScoredDataset", "measure", "score_dataset", "score_key"]
