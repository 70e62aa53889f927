"""The overlay: heatmap over the picture, the mask's outline in white, and in green what is only unsure."""

import numpy as np
from scipy import ndimage

from draem_core.postprocess import PostProcess, resize_nearest
from draem_core.recipe import Recipe
from draem_core.render import overlay, resize_smooth

OVERLAY_SIDE = 2048
"""The longest side of an overlay, in pixels; larger pictures are shrunk for it, which bounds memory and disk."""

OPACITY = 0.4
NG_OUTLINE = (255, 255, 255)
UNSURE_OUTLINE = (60, 230, 140)
_PIXELS_PER_STROKE = 400


def recipe_overlay(recipe: Recipe, picture: np.ndarray, anomaly_map: np.ndarray) -> np.ndarray:
    """Return a picture of at most OVERLAY_SIDE pixels a side, (h, w, 3) uint8.

    Args:
        picture: (h, w, 3) uint8 RGB of any size.
        anomaly_map: (H, W) raw.
    """
    height, width = picture.shape[:2]
    shrink = min(1.0, OVERLAY_SIDE / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    drawn = overlay(picture if shrink == 1 else resize_smooth(picture, size), anomaly_map, OPACITY)
    outlines = [(recipe.sensitivity, NG_OUTLINE)]
    if recipe.unsure_sensitivity is not None:
        outlines.insert(0, (recipe.unsure_sensitivity, UNSURE_OUTLINE))
    for sensitivity, colour in outlines:
        mask = PostProcess(sensitivity, recipe.kernel_size, recipe.min_area).apply(anomaly_map)
        drawn[_outline(resize_nearest(mask, size))] = colour
    return drawn


def _outline(mask: np.ndarray) -> np.ndarray:
    """Return the mask's own pixels along its edge."""
    stroke = 1 + max(mask.shape) // _PIXELS_PER_STROKE
    edge: np.ndarray = mask & ~ndimage.binary_erosion(mask, iterations=stroke, border_value=1)
    return edge
