"""Which images a change of setting moves to another verdict, and which images a threshold gets most wrong.

Works on verdicts, peaks and labels alone; knows no maps, files or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Flips:
    """Images whose verdict differs from the saved one, as rising indices (F,) int64.

    newly_flagged, newly_passed: every one of them, by its present verdict.
    mended, broken: the labelled ones, by whether the present verdict is right.
    """

    newly_flagged: np.ndarray
    newly_passed: np.ndarray
    mended: np.ndarray
    broken: np.ndarray


def flips(saved: np.ndarray, present: np.ndarray, labels: Sequence[int | None] | np.ndarray) -> Flips:
    """Compare two verdicts on the same images.

    Args:
        saved, present: (M,) bool, True = flagged, such as ``ThresholdSweep.flagged_images`` gives for each setting.
        labels: M labels, 1 = defect, 0 = good, None = unlabelled.

    Raises:
        ValueError: lengths differ.
    """
    before, after, truth = np.asarray(saved, bool), np.asarray(present, bool), np.array(labels, object)
    if not before.shape == after.shape == truth.shape:
        raise ValueError(f"verdicts {before.shape}, {after.shape} and labels {truth.shape} must have one length")
    moved = before != after
    right, wrong = (truth == after) & moved, (truth == before) & moved
    return Flips(*(np.flatnonzero(found) for found in (moved & after, moved & before, right, wrong)))


def most_wrong(peaks: np.ndarray, labels: Sequence[int | None] | np.ndarray, threshold: float) -> np.ndarray:
    """Return the order (M,) int64 of images from the most wrong to the most right, unlabelled ones last.

    Wrong by how far the peak lies on the wrong side of the threshold; equal ones keep their order.

    Args:
        peaks: (M,) float32, the highest value of each opened map; −∞ is allowed.
        labels: M labels, 1 = defect, 0 = good, None = unlabelled.

    Raises:
        ValueError: lengths differ.
    """
    truth = np.array(labels, object)
    above = np.asarray(peaks, np.float64) - threshold
    if above.shape != truth.shape:
        raise ValueError(f"peaks {above.shape} and labels {truth.shape} must have one length")
    wrong = np.where(truth == 1, -above, above)
    labelled = (truth == 1) | (truth == 0)
    return np.lexsort((-wrong, ~labelled))
