"""All that the Synthetic page shows of one sample: its stages, what the checkpoint made of it, and how well.

Knows no Streamlit and no bytes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from draem_core import metrics
from draem_core.metrics import Counts
from draem_core.postprocess import PostProcess
from draem_core.synthesis.sample import SyntheticSample
from draem_core.types import Prediction
from pages._ui.components.synthetic_view.settings import SyntheticSettings


@dataclass(frozen=True, eq=False)
class Sources:
    """The anomaly sources at hand. folders: short names of those in the datasets. count: of the chosen ones."""

    folders: tuple[str, ...]
    count: int


@dataclass(frozen=True, eq=False)
class SyntheticView:
    """One sample on its way.

    title: the good picture's name. score_rule: in words.
    """

    title: str
    settings: SyntheticSettings
    sources: Sources
    sample: SyntheticSample
    prediction: Prediction
    rule: PostProcess
    score_rule: str

    @property
    def at(self) -> tuple[int, int] | None:
        """The followed pixel, (row, column); None where none is, or none that the picture has."""
        row, column = self.settings.at_row, self.settings.at_column
        height, width = self.truth.shape
        return (row, column) if 0 <= row < height and 0 <= column < width else None

    @cached_property
    def truth(self) -> np.ndarray:
        """(H, W) bool."""
        return self.sample.mask.numpy()

    @cached_property
    def pred_mask(self) -> np.ndarray:
        """(H, W) bool."""
        return self.rule.apply(self.prediction.anomaly_map)

    @cached_property
    def counts(self) -> Counts:
        """The mask against the truth."""
        return metrics.count(self.pred_mask, self.truth)

    @cached_property
    def pixel_auroc(self) -> float:
        """Of this map alone; NaN where no pixel, or every one, is anomalous."""
        return metrics.pixel_auroc([self.prediction.anomaly_map], [self.truth])
