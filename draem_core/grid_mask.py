"""A ground-truth mask on the map's grid: by which rule it comes there, and what the way has cost it."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

MaskDownscaling = Literal["nearest", "any"]
"""How a mask comes to the map's grid: by the pixel under each centre, or by any defect pixel that touches it."""

MASK_DOWNSCALINGS: tuple[MaskDownscaling, ...] = get_args(MaskDownscaling)


@dataclass(frozen=True, eq=False)
class GridMask:
    """A mask (H, W) bool on the map's grid.

    lost_regions: how many 8-connected regions of the mask as it was drawn have no pixel on the grid. They are there
    all the same, and no map can find them: they count as missed.
    """

    mask: np.ndarray
    lost_regions: int = 0
