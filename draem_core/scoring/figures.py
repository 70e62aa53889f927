"""A scored dataset's figures: AUROC, AP, F1max and AUPRO, for all test images and for each kind of defect.

Reads maps and masks one at a time. Knows no networks and writes nothing.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from draem_core import metrics
from draem_core.data.datasets import Sample, read_mask
from draem_core.errors import ImageError
from draem_core.sweep import ThresholdSweep

METRIC_NAMES = (
    *("image_auroc", "image_ap", "image_f1max"),
    *("pixel_auroc", "pixel_ap", "pixel_f1max", "aupro"),
)

_AS_IT_IS = (1,)  # kernel sizes: a square of one pixel opens nothing


class Maps(Protocol):
    """Anything that gives one map (H, W) float32 by its number: an array (N, H, W), a list, a file."""

    def __getitem__(self, row: int, /) -> np.ndarray: ...


def measure(
    samples: Sequence[Sample], maps: Maps, scores: np.ndarray, on_image: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Return every figure of METRIC_NAMES, ``images``, ``per_defect`` with the same names, and ``undefined``.

    Image figures use the labelled images, pixel figures those that are good or have a mask that can be read. A
    defect's own figures set its images against all good ones. A figure that is not defined is None, its reason in
    ``undefined``. The thresholds of the F1max stand beside them; they were chosen on these same images.

    Image figures are exact. Pixel figures are streamed through a `ThresholdSweep`: pixels between two neighbouring
    thresholds of its 40,000 count as ties, which moves them by 1e-5 or so on twenty maps and by less on more. Memory
    does not grow with the number of images but for their scores.

    Args:
        samples: N test images, at least one.
        maps: N raw anomaly maps (H, W) float32 of one size, without NaN.
        scores: (N,) image scores.
        on_image: called before each map is read; what it raises ends the work.
    """
    height, width = maps[0].shape
    groups: dict[tuple[int | None, str], list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault((sample.label, sample.kind if sample.label else ""), []).append(index)

    def count_pixels(indices: list[int]) -> ThresholdSweep:
        """Count the images that have ground truth, each map and mask read when its turn comes."""
        chosen = [index for index in indices if samples[index].label == 0 or samples[index].mask_path is not None]

        def map_of(index: int) -> np.ndarray:
            on_image()
            return maps[index]

        return ThresholdSweep.from_maps(
            (map_of(index) for index in chosen),
            (_truth(samples[index], (height, width)) for index in chosen),
            _AS_IT_IS,
            labels=(bool(samples[index].label) for index in chosen),
        )

    good = groups.pop((0, ""), [])
    good_pixels = total = count_pixels(good)
    per_defect = {}
    for (label, kind), indices in sorted(groups.items(), key=lambda group: group[0][1]):
        pixels = count_pixels(indices)
        total = ThresholdSweep.merge([total, pixels])
        if label == 1:
            both = ThresholdSweep.merge([good_pixels, pixels])
            chosen = good + indices
            figures = _figures([samples[index] for index in chosen], scores[chosen], both)
            per_defect[kind] = {**figures, "images": len(indices)}
    return {
        **_figures(samples, scores, total),
        "images": len(samples),
        "undefined": _reasons(samples, total),
        "per_defect": per_defect,
    }


def _truth(sample: Sample, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the ground truth on the map's grid; None where it cannot be read."""
    try:
        return read_mask(sample, shape)
    except ImageError:
        return None  # ``mask_problems`` names it


def _figures(samples: Sequence[Sample], scores: np.ndarray, pixels: ThresholdSweep) -> dict[str, float | None]:
    labelled = [index for index, sample in enumerate(samples) if sample.label is not None]
    images = metrics.Ranking.of_images(scores[labelled], np.array([samples[index].label for index in labelled], int))
    image_best, of_pixels = images.f1max(), pixels.figures[0]
    figures = {
        "image_auroc": images.auroc(),
        "image_ap": images.average_precision(),
        "image_f1max": image_best.f1,
        "image_f1max_threshold": image_best.threshold,
        "pixel_auroc": of_pixels.pixel_auroc,
        "pixel_ap": of_pixels.pixel_ap,
        "pixel_f1max": of_pixels.pixel_f1max.f1,
        "pixel_f1max_threshold": of_pixels.pixel_f1max.threshold,
        "aupro": of_pixels.aupro,
    }
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def _reasons(samples: Sequence[Sample], pixels: ThresholdSweep) -> dict[str, str]:
    """Return why image and pixel figures are undefined, by "image" and "pixel"."""
    labels = np.array([sample.label for sample in samples if sample.label is not None])
    present = np.array([True] * bool(pixels.defect_pixels.any()) + [False] * bool(pixels.good_pixels.any()))
    found = {
        "image": metrics.undefined_reason(labels, "image"),
        "pixel": metrics.undefined_reason(present, "pixel"),
    }
    return {level: reason for level, reason in found.items() if reason}
