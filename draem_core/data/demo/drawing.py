"""One demo picture: a scene, maybe a fault, seen by the scene's camera; and the exact mask of what the fault changed.

The same scene is drawn with and without the fault; the mask is where the two differ visibly before the sensor's noise.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import remove_small_holes

from draem_core.data.demo.camera import Camera
from draem_core.data.demo.canvas import Array, Canvas, Mask, stream

VISIBLE = 6.0
"""Grey levels (of 255) by which a pixel must differ from its sound twin to count as defect."""

SPECK = 6
"""Smaller pieces of a mask, in pixels, are dropped."""

LARGEST_GAP = 40
"""Holes in a mask up to this many pixels are filled."""


class Scene(Protocol):
    """A good part as it lies under the camera."""

    @property
    def camera(self) -> Camera:
        """The camera that sees it."""

    def render(self, canvas: Canvas, fault: Any = None) -> Array:
        """Linear light (fine, fine, 3) that reaches the camera."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """picture: (H, W, 3) uint8 RGB. mask: (H, W) bool, all False for a good part."""

    picture: NDArray[np.uint8]
    mask: Mask


def draw(scene: Scene, fault: Any, canvas: Canvas, seed: int, *path: str | int) -> Drawing:
    """Draw a scene with its fault (None: a good part); ``seed`` and ``path`` name the sensor's noise."""
    levels = scene.camera.expose(scene.render(canvas, fault), canvas)
    picture = scene.camera.digitise(levels, stream(seed, *path, "sensor"))
    if fault is None:
        return Drawing(picture, np.zeros(picture.shape[:2], bool))
    sound = scene.camera.expose(scene.render(canvas), canvas)
    return Drawing(picture, annotate(np.abs(levels - sound).max(axis=2)))


def annotate(change: Array) -> Mask:
    """Turn how far each pixel changed, in grey levels, into solid regions as an annotator would draw them."""
    visible = ndimage.binary_closing(change > VISIBLE, np.ones((3, 3)), iterations=2, border_value=0)
    visible |= change > VISIBLE
    visible = remove_small_holes(visible, max_size=LARGEST_GAP)
    labels, _ = ndimage.label(visible, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    drawn: Mask = (sizes >= min(SPECK, sizes.max(initial=0)))[labels] & visible
    return drawn
