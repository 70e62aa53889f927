"""All that the Inside page shows of one picture: the trace, what follows the map, and what was painted.

Knows no Streamlit and no bytes.
"""

from dataclasses import dataclass

import numpy as np

from draem_core.inside.diagram import Diagram
from draem_core.inside.stages import Stage, Trace
from draem_core.methods.draem import Draem
from draem_core.postprocess import PostProcess
from pages._ui.components.inside_view.painting import Painting


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """A checkpoint's network without its numbers, and what is read off it."""

    meta_model: Draem
    diagram: Diagram
    has_sspcab: bool


@dataclass(frozen=True, eq=False)
class InsideView:
    """One picture on its way.

    title: the picture's name. digest: of the picture before it was painted on.
    pixels: (h, w, 3) uint8 RGB before it was painted on. clean: (H, W, 3) float32, the same on the network's grid.
    painted: (h, w, 3) uint8 RGB, what the network saw.
    trace: of ``painted``. stages: the trace's and those behind the map, in the order of the data.
    rule: what made the mask of the map. score_rule: in words.
    """

    title: str
    digest: str
    pixels: np.ndarray
    clean: np.ndarray
    painted: np.ndarray
    painting: Painting
    trace: Trace
    stages: tuple[Stage, ...]
    rule: PostProcess
    score_rule: str
    plan: NetworkPlan

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool."""
        return self.stage("pred_mask").tensor[0].numpy()

    @property
    def truth(self) -> np.ndarray:
        """Where it was painted on, (H, W) bool."""
        return self.painting.mask(self.trace.prediction.anomaly_map.shape)

    def stage(self, name: str) -> Stage:
        """Return the stage of that name, the anomaly map where there is none."""
        found = {stage.name: stage for stage in self.stages}
        return found.get(name, found["anomaly_map"])
