"""From an anomaly map to a mask and its regions: threshold, opening, minimum area, all on the map's own grid.

Pure numpy and scipy; knows nothing of networks, files or where a map came from.
"""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass
from operator import index

import numpy as np
from scipy import ndimage
from skimage import morphology

from draem_core.types import Region

EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class MaskStages:
    """How many pixels of a map are left after each step of ``PostProcess``."""

    above_threshold: int
    after_opening: int
    after_min_area: int


@dataclass(frozen=True)
class PostProcess:
    """The rule that turns an anomaly map into a defect mask.

    Args:
        sensitivity: in [0, 1]; pixels strictly above the float32 value 1 − sensitivity are flagged.
        kernel_size: side of the opening's square in pixels, ≥ 1; 1 opens nothing.
        min_area: 8-connected regions of the opened mask with fewer pixels are removed; 0 removes nothing.

    Raises:
        ValueError: an argument is outside its range.
    """

    sensitivity: float = 0.5
    kernel_size: int = 3
    min_area: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sensitivity <= 1:
            raise ValueError(f"sensitivity is {self.sensitivity}; it must lie between 0 and 1")
        _check_whole_number("kernel_size", self.kernel_size, least=1)
        _check_whole_number("min_area", self.min_area, least=0)

    @property
    def threshold(self) -> np.float32:
        """The raw map value that a pixel must exceed."""
        return np.float32(1 - self.sensitivity)

    def apply(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Return the mask, bool (H, W), of an anomaly map (H, W).

        Pixel for pixel ``scipy.ndimage.binary_opening(anomaly_map > threshold, ones((k, k)))`` without its small
        regions. Raises ValueError when the map is not 2-D or holds NaN.
        """
        return self._steps(anomaly_map)[-1]

    def stages(self, anomaly_map: np.ndarray) -> MaskStages:
        """Return how many pixels each step leaves: tells why a mask is empty while the map is not."""
        return MaskStages(*(int(np.count_nonzero(mask)) for mask in self._steps(anomaly_map)))

    def _steps(self, anomaly_map: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        above = checked_map(anomaly_map) > self.threshold
        opened = opening(above, self.kernel_size)
        return above, opened, remove_small_regions(opened, self.min_area)


def checked_map(anomaly_map: np.ndarray) -> np.ndarray:
    """Return the map as an array (H, W), or raise ValueError when it is not 2-D, is empty or holds NaN."""
    values = np.asarray(anomaly_map)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"an anomaly map must be a picture (H, W); this one has shape {values.shape}")
    if np.isnan(values).any():
        raise ValueError(f"the anomaly map holds NaN in {int(np.isnan(values).sum())} of its {values.size} pixels")
    return values


def opening(values: np.ndarray, kernel_size: int) -> np.ndarray:
    """Open values (H, W) of any ordered dtype with a square; outside the picture lies the dtype's lowest value.

    A pixel gets the highest minimum among the k×k squares that contain it and fit in the picture. On a mask this is
    binary opening; where no square fits at all, everything is lowest (False, 0 or −∞).
    """
    _check_whole_number("kernel_size", kernel_size, least=1)
    if kernel_size == 1:
        return values.copy()
    outside = _lowest(values.dtype)
    if kernel_size > min(values.shape):
        return np.full_like(values, outside)
    squares = _slide(_slide(values, kernel_size, np.minimum).T, kernel_size, np.minimum)
    for _ in range(2):  # along the width, then along the height: each pass ends transposed
        margin = np.full((kernel_size - 1, squares.shape[1]), outside, dtype=values.dtype)
        squares = _slide(np.concatenate([margin, squares, margin]), kernel_size, np.maximum).T
    return np.ascontiguousarray(squares.T)


def grey_opening(anomaly_map: np.ndarray, kernel_size: int) -> np.ndarray:
    """Open an anomaly map (H, W) itself, float32: ``grey_opening(map, k) > t`` is the opening of ``map > t`` for all t.

    Where the square does not fit in the picture, all is −∞. Raises ValueError as ``PostProcess.apply`` does.
    """
    return opening(checked_map(anomaly_map).astype(np.float32, copy=False), kernel_size)


def area_opening(anomaly_map: np.ndarray, min_area: int) -> np.ndarray:
    """Cut each summit of a map (H, W) down to the level where its 8-connected region has ``min_area`` pixels.

    ``area_opening(map, a) > t`` is ``map > t`` without its regions of fewer than a pixels, for all t. Keeps the dtype.
    """
    _check_whole_number("min_area", min_area, least=0)
    values = checked_map(anomaly_map)
    if min_area <= 1:
        return values.copy()
    if min_area > values.size:
        return np.full_like(values, _lowest(values.dtype))
    # A frame at the lowest level changes nothing; without it scikit-image fails on pictures of one or two rows.
    framed = np.pad(values, 1, constant_values=values.min())
    opened_map: np.ndarray = morphology.area_opening(framed, area_threshold=min_area, connectivity=2)[1:-1, 1:-1]
    return opened_map


def postprocessed_score(anomaly_map: np.ndarray, kernel_size: int, min_area: int) -> np.float32:
    """Return the value at which a map (H, W) stops being OK: its maximum after opening and area filter, float32.

    The mask at a float32 threshold t has a pixel exactly where ``score > t``. −∞ where no region can ever survive, for
    the square or the area does not fit in the picture. Raises ValueError as ``PostProcess.apply`` does.
    """
    _check_whole_number("min_area", min_area, least=0)
    opened = grey_opening(anomaly_map, kernel_size)
    if min_area <= 1:
        top: np.float32 = opened.max()
        return top
    if min_area > opened.size:
        return np.float32(-np.inf)
    # The maximum of area_opening, without the rest of it: a level has a large enough region or no higher one has. At
    # the lowest level the region is the whole picture; so many pixels must lie above a level at the least.
    highest = np.partition(opened, opened.size - min_area, axis=None)[opened.size - min_area]
    levels = np.unique(opened[opened <= highest])
    gone = bisect(levels, False, key=lambda level: not remove_small_regions(opened >= level, min_area).any())
    score: np.float32 = levels[gone - 1]
    return score


def remove_small_regions(mask: np.ndarray, min_area: int) -> np.ndarray:
    """Return mask (H, W) bool without its 8-connected regions of fewer than ``min_area`` pixels."""
    if min_area <= 1:
        return mask
    labels, _ = ndimage.label(mask, structure=EIGHT_CONNECTED)
    keep = np.bincount(labels.ravel()) >= min_area
    keep[0] = False
    kept: np.ndarray = keep[labels]
    return kept


def find_regions(mask: np.ndarray) -> tuple[Region, ...]:
    """Return the 8-connected regions of a mask (H, W), in raster order of their first pixel."""
    labels, _ = ndimage.label(mask, structure=EIGHT_CONNECTED)
    areas = np.bincount(labels.ravel())[1:]
    boxes = ndimage.find_objects(labels)
    return tuple(
        Region(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start, int(area))
        for (rows, columns), area in zip(boxes, areas, strict=True)
    )


def resize_nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return mask (H, W) at ``size`` (height, width): pixel i takes source pixel floor((i + ½) · source / target).

    Keeps the dtype. Nearest by pixel centres, so enlarging by a whole factor repeats pixels exactly.
    """
    if min(size) < 1 or min(mask.shape[:2]) < 1:
        raise ValueError(f"cannot resize a mask of shape {mask.shape} to {size}: both need at least one pixel a side")
    rows, columns = (
        (2 * np.arange(target) + 1) * source // (2 * target)
        for source, target in zip(mask.shape[:2], size, strict=True)
    )
    resized: np.ndarray = mask[rows[:, None], columns]
    return resized


def _slide(values: np.ndarray, width: int, extreme: Callable[..., np.ndarray]) -> np.ndarray:
    """Return the extreme of each run of ``width`` rows: (H, W) → (H − width + 1, W), in log2(width) array operations.

    Two runs that overlap or touch join to a longer one, because a minimum does not mind counting a row twice.
    """
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        values = extreme(values[:-step], values[step:])
        covered += step
    return values


def _lowest(dtype: np.dtype) -> bool | int | float:
    if np.issubdtype(dtype, np.bool_):
        return False
    return -np.inf if np.issubdtype(dtype, np.floating) else int(np.iinfo(dtype).min)


def _check_whole_number(name: str, value: int, least: int) -> None:
    try:
        whole = index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number") from None
    if whole < least:
        raise ValueError(f"{name} is {whole}; it must be at least {least}")
