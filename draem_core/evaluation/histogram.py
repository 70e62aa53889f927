"""Histograms of opened anomaly maps while map after map is added to them: the work behind ``ThresholdSweep``.

Sees one map at a time; knows nothing of readouts, files or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import expit

from draem_core.postprocess import EIGHT_CONNECTED, area_opening, opening

# The sensitivities that a slider stops at, rising: evenly, and evenly in the log odds from −16 to 16.
SLIDER = np.arange(1001) / 1000
LOGIT_SLIDER = 1 - expit(np.arange(16 * 64, -16 * 64 - 1, -1) / 64)


def count_positions() -> np.ndarray:
    """Return the thresholds (T,) float32, rising, at which pixels are counted; each is float32(1 − s) of a sensitivity.

    The evenly spaced ones are 20 times as close as the slider's; those even in the log odds, 8 times as close as the
    logit slider's, tell values apart from 1e-12 up to 1 − 6e-8, for DRAEM's probabilities crowd at both ends.
    """
    even = np.arange(20_001) / 20_000
    odds = 1 - expit(np.arange(-28 * 512, 17 * 512 + 1) / 512)
    return np.unique((1 - np.concatenate([even, odds])).astype(np.float32))


class HistogramAccumulator:
    """The arrays of a ``ThresholdSweep``, growing; see there for their meaning."""

    def __init__(self, kernel_sizes: Sequence[int], min_area: int) -> None:
        self.kernel_sizes, self.min_area = kernel_sizes, min_area
        self.thresholds = count_positions()
        shape = (len(kernel_sizes), self.thresholds.size + 1)
        self.defect_pixels, self.good_pixels = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.overlap = np.zeros(shape)
        # One part for each image, after an empty one that gives a sweep of no images its shape.
        self.image_labels: list[bool] = []
        self.image_scores = [np.empty((len(kernel_sizes), 0), np.float32)]
        self.region_scores = [np.empty((len(kernel_sizes), 0), np.float32)]
        self.region_images = [np.empty(0, np.int64)]

    def add(self, anomaly_map: np.ndarray, truth: np.ndarray | None, label: bool, lost_regions: int = 0) -> None:
        """Count one map (H, W) float32 without NaN, its mask (H, W) bool or None, and whether the image is defect.

        lost_regions: true regions without a pixel in the mask, which no threshold finds.
        """
        levels, ranks = _rank(anomaly_map)
        bins = np.searchsorted(self.thresholds, levels)
        regions = None if truth is None else TrueRegions.of(truth)
        image_scores = np.empty((len(self.kernel_sizes), 1), np.float32)
        region_scores = np.empty((len(self.kernel_sizes), regions.starts.size if regions else 0), np.float32)
        for row, kernel_size in enumerate(self.kernel_sizes):
            opened = opening(ranks, kernel_size)
            if self.min_area > kernel_size**2:  # a region that was opened holds a whole square
                opened = area_opening(opened, self.min_area)
            opened = opened.ravel()
            image_scores[row] = levels[opened.max()]
            if regions is not None:
                self._count_pixels(row, opened, bins, regions)
                if regions.starts.size:
                    region_scores[row] = levels[np.maximum.reduceat(opened[regions.pixels], regions.starts)]
        never = np.full((len(self.kernel_sizes), lost_regions), -np.inf, np.float32)
        self.region_images.append(np.full(region_scores.shape[1] + lost_regions, len(self.image_labels)))
        self.region_scores += [region_scores, never]
        self.image_scores.append(image_scores)
        self.image_labels.append(label)

    def _count_pixels(self, row: int, opened: np.ndarray, bins: np.ndarray, regions: "TrueRegions") -> None:
        """Add a map's opened ranks (H·W,) to the histograms, touching only the bins that it fills."""
        pixels = np.bincount(opened)
        present = np.flatnonzero(pixels)
        np.add.at(self.good_pixels[row], bins[present], pixels[present])
        inside = bins[opened[regions.pixels]]
        np.subtract.at(self.good_pixels[row], inside, 1)
        np.add.at(self.defect_pixels[row], inside, 1)
        np.add.at(self.overlap[row], inside, regions.weights)


@dataclass(frozen=True, eq=False)
class TrueRegions:
    """A ground-truth mask's pixels (P,) as flat indices, region by region; where each region starts; 1 / its area."""

    pixels: np.ndarray
    starts: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray) -> "TrueRegions":
        labels, _ = ndimage.label(truth, structure=EIGHT_CONNECTED)
        pixels = np.flatnonzero(labels)
        pixels = pixels[np.argsort(labels.ravel()[pixels], kind="stable")]
        areas = np.bincount(labels.ravel()[pixels])[1:]
        return cls(pixels, np.cumsum(areas) - areas, np.repeat(1 / areas, areas))


def _rank(anomaly_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a map's levels (L,) float32, rising from −∞, and the level of each pixel (H, W) as the smallest unsigned.

    Small integers open several times faster than floats, and lose nothing. Level 0 = −∞ is what opening leaves
    where no square fits.
    """
    levels, ranks = np.unique(anomaly_map, return_inverse=True)
    return np.append(np.float32(-np.inf), levels), (ranks + 1).astype(np.min_scalar_type(levels.size))
