"""Where a mask's regions lie on the picture's own pixels.

The mask leaves the map's grid by nearest neighbour; boxes and areas here are those of the mask so enlarged, exactly,
without making it.
"""

import numpy as np
from scipy import ndimage

from draem_core.postprocess import EIGHT_CONNECTED
from draem_core.types import Region


def picture_regions(mask: np.ndarray, size: tuple[int, int]) -> tuple[Region | None, ...]:
    """Return box and area of each region of `find_regions`, in its order, in ``resize_nearest(mask, size)``.

    Args:
        mask: (H, W) bool on the map's grid.
        size: (height, width) of the picture.

    None stands for a region that falls between the pixels of a picture smaller than the map.
    """
    rows, columns = (_repeats(source, target) for source, target in zip(mask.shape, size, strict=True))
    labels, number = ndimage.label(mask, structure=EIGHT_CONNECTED)
    seen = labels[np.ix_(rows > 0, columns > 0)]
    # Where each row or column that is seen begins in the picture; the last entry is the picture's end.
    tops, lefts = (np.concatenate([[0], np.cumsum(repeats[repeats > 0])]) for repeats in (rows, columns))
    weights = np.outer(rows[rows > 0], columns[columns > 0])
    areas = np.bincount(seen.ravel(), weights.ravel(), minlength=number + 1).astype(int)
    return tuple(
        None if box is None else _region(tops, lefts, box, int(areas[label]))
        for label, box in enumerate(ndimage.find_objects(seen, max_label=number), start=1)
    )


def _repeats(source: int, target: int) -> np.ndarray:
    """Return how many of ``target`` pixels each of ``source`` pixels is copied to, as in ``resize_nearest``."""
    return np.bincount((2 * np.arange(target) + 1) * source // (2 * target), minlength=source)


def _region(tops: np.ndarray, lefts: np.ndarray, box: tuple[slice, slice], area: int) -> Region:
    rows, columns = box
    top, left = int(tops[rows.start]), int(lefts[columns.start])
    return Region(top, left, int(tops[rows.stop]) - top, int(lefts[columns.stop]) - left, area)
