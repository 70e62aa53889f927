"""A scored dataset's metrics: AUROC, AP, F1max and AUPRO, for all test images and for each kind of defect.

Reads maps and masks one at a time. Knows no networks and writes nothing.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from draem_core import metrics
from draem_core.data.datasets import Sample, read_full_mask
from draem_core.data.masks import lost_regions, to_grid
from draem_core.errors import ImageError
from draem_core.grid_mask import MASK_DOWNSCALINGS, GridMask, MaskDownscaling
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
    samples: Sequence[Sample],
    maps: Maps,
    scores: np.ndarray,
    on_image: Callable[[], object] = lambda: None,
    mask_downscaling: MaskDownscaling = "nearest",
) -> dict[str, Any]:
    """Return every metric of METRIC_NAMES, ``images``, ``per_defect`` with the same names, and ``undefined``.

    Image metrics use the labelled images, pixel metrics those that are good or have a mask that can be read. A
    defect's own metrics set its images against all good ones. A metric that is not defined is None, its reason in
    ``undefined``. The thresholds of the F1max stand beside them; they were chosen on these same images.

    Image metrics are exact. Pixel metrics are streamed through a `ThresholdSweep`: pixels between two neighbouring
    thresholds of its 40,000 count as ties, which moves them by 1e-5 or so on twenty maps and by less on more. Memory
    does not grow with the number of images but for their scores.

    ``mask_downscaling`` in the result says by which rule masks came to the map's grid. ``other_mask_downscaling`` has
    the pixel metrics by the other rule, in all and ``per_defect``; it is None where both give the same masks. A true
    region that has no pixel on the grid counts as missed; ``lost_regions`` says how many there are.

    Args:
        samples: N test images, at least one.
        maps: N raw anomaly maps (H, W) float32 of one size, without NaN.
        scores: (N,) image scores.
        on_image: called before each map is read; what it raises ends the work.
        mask_downscaling: the rule, see `to_grid`.
    """
    height, width = maps[0].shape
    groups: dict[tuple[int | None, str], list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault((sample.label, sample.kind if sample.label else ""), []).append(index)
    good = groups.pop((0, ""), [])
    rules = {rule: _Truths(samples, (height, width), rule) for rule in MASK_DOWNSCALINGS}

    def count_pixels(indices: list[int], truths: _Truths) -> ThresholdSweep:
        """Count the images that have ground truth, each map and mask read when its turn comes."""
        chosen = [index for index in indices if samples[index].label == 0 or samples[index].mask_path is not None]

        def map_of(index: int) -> np.ndarray:
            on_image()
            return maps[index]

        return ThresholdSweep.from_maps(
            (map_of(index) for index in chosen),
            (truths.read(index) for index in chosen),
            _AS_IT_IS,
            labels=(bool(samples[index].label) for index in chosen),
        )

    good_pixels = count_pixels(good, rules[mask_downscaling])

    def count_kinds(truths: _Truths) -> tuple[ThresholdSweep, dict[tuple[int | None, str], ThresholdSweep]]:
        kinds = {key: count_pixels(groups[key], truths) for key in sorted(groups, key=lambda group: group[1])}
        return ThresholdSweep.merge([good_pixels, *kinds.values()]), kinds

    total, kinds = count_kinds(rules[mask_downscaling])
    own = rules.pop(mask_downscaling)
    ((other_rule, others),) = rules.items()
    other_total, other_kinds = count_kinds(others) if own.differ else (total, kinds)
    per_defect, other_per_defect = {}, {}
    for key, indices in sorted(groups.items(), key=lambda group: group[0][1]):
        if key[0] != 1:
            continue
        chosen = good + indices
        both = ThresholdSweep.merge([good_pixels, kinds[key]])
        values = _metrics_of([samples[index] for index in chosen], scores[chosen], both)
        reasons = own.reasons([samples[index] for index in chosen], both, indices)
        per_defect[key[1]] = {**values, "images": len(indices), "undefined": reasons}
        other_per_defect[key[1]] = _pixel_metrics(ThresholdSweep.merge([good_pixels, other_kinds[key]]))
    other = {"rule": other_rule, **_pixel_metrics(other_total), "per_defect": other_per_defect}
    return {
        **_metrics_of(samples, scores, total),
        "images": len(samples),
        "undefined": own.reasons(samples, total, range(len(samples))),
        "mask_downscaling": mask_downscaling,
        "lost_regions": own.lost,
        "other_mask_downscaling": other if own.differ else None,
        "per_defect": per_defect,
    }


class _Truths:
    """The samples' ground truth on the map's grid by one rule, and what has become of it there."""

    def __init__(self, samples: Sequence[Sample], shape: tuple[int, int], rule: MaskDownscaling) -> None:
        self._samples, self._shape, self._rule = samples, shape, rule
        self._unreadable: set[int] = set()
        self._empty: set[int] = set()  # as drawn
        self.lost = 0
        self.differ = False

    def read(self, index: int) -> GridMask | None:
        """Return an image's ground truth; None where it cannot be read."""
        try:
            mask = read_full_mask(self._samples[index], self._shape)
        except ImageError:
            self._unreadable.add(index)  # ``mask_problems`` names it
            return None
        if mask is None:
            return None
        if not mask.any():
            self._empty.add(index)
        own, *others = (to_grid(mask, self._shape, rule) for rule in (self._rule, *MASK_DOWNSCALINGS))
        self.differ |= not all(np.array_equal(own, other) for other in others)
        lost = lost_regions(mask, self._shape, self._rule)
        self.lost += lost
        return GridMask(own, lost)

    def reasons(self, samples: Sequence[Sample], pixels: ThresholdSweep, indices: Iterable[int]) -> dict[str, str]:
        """Return why metrics of ``samples`` are undefined, by "image" and "pixel"; ``indices`` hold their defects."""
        labels = np.array([sample.label for sample in samples if sample.label is not None])
        present = np.array([True] * bool(pixels.defect_pixels.any()) + [False] * bool(pixels.good_pixels.any()))
        found = {
            "image": metrics.undefined_reason(labels, "image"),
            "pixel": metrics.undefined_reason(present, "pixel"),
        }
        defects = [index for index in indices if self._samples[index].label == 1]
        if found["pixel"] and defects and not pixels.defect_pixels.any():
            found["pixel"] = self._why_no_defect(defects)
        return {level: reason for level, reason in found.items() if reason}

    def _why_no_defect(self, defects: list[int]) -> str:
        masked = [index for index in defects if self._samples[index].mask_path is not None]
        if not masked:
            return "no NG picture has a mask"
        readable = [index for index in masked if index not in self._unreadable]
        if not readable:
            return "no mask of an NG picture can be read"
        if all(index in self._empty for index in readable):
            return "no mask of an NG picture marks a pixel"
        return f"no mask of an NG picture has a pixel on the map's {self._shape[0]} × {self._shape[1]} grid"


def _pixel_metrics(pixels: ThresholdSweep) -> dict[str, float | None]:
    of_pixels = pixels.metrics[0]
    values = {
        "pixel_auroc": of_pixels.pixel_auroc,
        "pixel_ap": of_pixels.pixel_ap,
        "pixel_f1max": of_pixels.pixel_f1max.f1,
        "pixel_f1max_threshold": of_pixels.pixel_f1max.threshold,
        "aupro": of_pixels.aupro,
    }
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _metrics_of(samples: Sequence[Sample], scores: np.ndarray, pixels: ThresholdSweep) -> dict[str, float | None]:
    labelled = [index for index, sample in enumerate(samples) if sample.label is not None]
    images = metrics.Ranking.of_images(scores[labelled], np.array([samples[index].label for index in labelled], int))
    image_best = images.f1max()
    values = {
        "image_auroc": images.auroc(),
        "image_ap": images.average_precision(),
        "image_f1max": image_best.f1,
        "image_f1max_threshold": image_best.threshold,
    }
    defined = {name: None if math.isnan(value) else value for name, value in values.items()}
    return defined | _pixel_metrics(pixels)
