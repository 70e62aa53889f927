"""Exact metrics of how well anomaly maps and scores separate defects from good: counts, AUROC, AP, F1max, AUPRO.

Undefined is NaN, never 0; ``undefined_reason`` and ``Counts.undefined_reason`` say why. Holds all the pixels at
once, where ``ThresholdSweep`` streams them. Knows no files and no networks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from draem_core.postprocess import EIGHT_CONNECTED

Pictures = np.ndarray | Sequence[np.ndarray]  # (N, H, W), or N arrays (H, W) whose sizes may differ


@dataclass(frozen=True)
class Counts:
    """A confusion matrix of pixels or images; ``a + b`` pools two of them. A metric without a denominator is NaN."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def f1(self) -> float:
        """2·tp / (2·tp + fp + fn)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """The share of the flagged that is defect."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """The share of the defect that is flagged."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def iou(self) -> float:
        """Intersection over union: tp / (tp + fp + fn)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def false_alarm_rate(self) -> float:
        """The share of the good that is flagged."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def accuracy(self) -> float:
        """The share that is classified right."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    def undefined_reason(self, metric: str) -> str | None:
        """Return why the named property (``"f1"``, ``"precision"`` …) is NaN, or None where it is a number."""
        if not np.isnan(getattr(self, metric)):
            return None
        return {
            "f1": "there is no defect and nothing is flagged",
            "iou": "there is no defect and nothing is flagged",
            "precision": "nothing is flagged",
            "recall": "there is no defect",
            "false_alarm_rate": "there is nothing good",
            "accuracy": "there is nothing to count",
        }[metric]


@dataclass(frozen=True)
class F1Max:
    """The best F1 over all thresholds, as reached by ``score > threshold``; optimistic on the set it was chosen on.

    threshold is a float32 value, the one just below the lowest flagged score.
    """

    f1: float
    threshold: float
    precision: float
    recall: float


UNDEFINED_F1MAX = F1Max(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores sorted once, from which every threshold-free metric follows. All are NaN where one class is missing.

    defect: (P,) float, sorted upwards, the scores of what is defect.
    good: (N,) float, sorted upwards, the scores of what is good.
    """

    defect: np.ndarray
    good: np.ndarray

    @classmethod
    def of_images(cls, scores: np.ndarray, labels: np.ndarray) -> "Ranking":
        """Rank scores (M,) with labels (M,), nonzero = defect. Raises ValueError on unequal shapes or NaN."""
        values, defect = np.asarray(scores), np.asarray(labels) != 0
        if values.ndim != 1 or values.shape != defect.shape:
            raise ValueError(f"scores {values.shape} and labels {defect.shape} must be two lists of one length")
        _check_not_nan(values, "score")
        return cls(np.sort(values[defect]), np.sort(values[~defect]))

    @classmethod
    def of_pixels(cls, maps: Pictures, masks: Pictures) -> "Ranking":
        """Rank all pixels of maps (H, W) with masks of the same shapes, nonzero = defect. Raises ValueError too."""
        defect, good = [], []
        for values, truth in _pairs(maps, masks):
            defect.append(values[truth])
            good.append(values[~truth])
        return cls(_sorted(defect), _sorted(good))

    @property
    def is_defined(self) -> bool:
        """Both classes are present."""
        return bool(self.defect.size and self.good.size)

    def auroc(self) -> float:
        """Return the chance that a defect outranks a good one, ties counting half (Mann–Whitney)."""
        if not self.is_defined:
            return np.nan
        below = np.searchsorted(self.good, self.defect, side="left").sum(dtype=np.int64)
        not_above = np.searchsorted(self.good, self.defect, side="right").sum(dtype=np.int64)
        return float(below + not_above) / (2.0 * self.defect.size * self.good.size)

    def average_precision(self) -> float:
        """Return Σ precision · Δrecall over falling thresholds, without interpolation, as scikit-learn does."""
        if not self.is_defined:
            return np.nan
        _, tp, fp = self._at_each_defect_score()
        return float(np.sum(-np.diff(tp, append=0) * (tp / (tp + fp))) / self.defect.size)

    def f1max(self) -> F1Max:
        """Return the best F1, at the highest threshold that has it; the best one stops at some defect's score."""
        if not self.is_defined:
            return UNDEFINED_F1MAX
        scores, tp, fp = self._at_each_defect_score()
        f1 = 2 * tp / (tp + fp + self.defect.size)
        best = f1.size - 1 - int(np.argmax(f1[::-1]))
        return F1Max(
            f1=float(f1[best]),
            threshold=float(np.nextafter(np.float32(scores[best]), np.float32(-np.inf))),
            precision=float(tp[best] / (tp[best] + fp[best])),
            recall=float(tp[best] / self.defect.size),
        )

    def _at_each_defect_score(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the distinct defect scores, upwards, and tp, fp when everything from that score on is flagged."""
        scores, first = np.unique(self.defect, return_index=True)
        return scores, self.defect.size - first, self.good.size - np.searchsorted(self.good, scores, side="left")


def count(mask: np.ndarray, gt_mask: np.ndarray) -> Counts:
    """Compare a predicted mask with the annotation, both (…) bool or nonzero = anomalous, of one shape."""
    flagged, defect = np.asarray(mask) != 0, np.asarray(gt_mask) != 0
    if flagged.shape != defect.shape:
        raise ValueError(f"the mask has shape {flagged.shape}, the ground truth {defect.shape}; bring them to one grid")
    tp = int(np.count_nonzero(flagged & defect))
    fp = int(np.count_nonzero(flagged)) - tp
    fn = int(np.count_nonzero(defect)) - tp
    return Counts(tp, fp, fn, flagged.size - tp - fp - fn)


def pixel_auroc(maps: Pictures, masks: Pictures) -> float:
    """Return the AUROC over all pixels of maps and masks, both (N, H, W) or lists of (H, W)."""
    return Ranking.of_pixels(maps, masks).auroc()


def pixel_ap(maps: Pictures, masks: Pictures) -> float:
    """Return the average precision over all pixels; arguments as for ``pixel_auroc``."""
    return Ranking.of_pixels(maps, masks).average_precision()


def pixel_f1max(maps: Pictures, masks: Pictures) -> F1Max:
    """Return the best F1 over all pixels and thresholds; arguments as for ``pixel_auroc``."""
    return Ranking.of_pixels(maps, masks).f1max()


def image_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the AUROC of scores (M,) with labels (M,), nonzero = defect."""
    return Ranking.of_images(scores, labels).auroc()


def image_ap(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the average precision of scores (M,) with labels (M,), nonzero = defect."""
    return Ranking.of_images(scores, labels).average_precision()


def image_f1max(scores: np.ndarray, labels: np.ndarray) -> F1Max:
    """Return the best F1 of ``scores > threshold`` over all thresholds."""
    return Ranking.of_images(scores, labels).f1max()


def aupro(maps: Pictures, masks: Pictures, fpr_limit: float = 0.3, lost_regions: int = 0) -> float:
    """Return the area under the per-region overlap curve up to ``fpr_limit``, divided by it (Bergmann et al. 2021).

    Mean overlap of the 8-connected ground-truth regions against the false-positive rate over all good pixels, at every
    distinct value of the maps, linear in between. NaN without a region or without a good pixel.

    lost_regions: how many more regions there are that have no pixel on the grid; their overlap is 0.
    """
    values, weights, good = [], [], []
    for one, truth in _pairs(maps, masks):
        labels, _ = ndimage.label(truth, structure=EIGHT_CONNECTED)
        region = labels[truth]
        values.append(one[truth])
        weights.append(1 / np.bincount(region)[region] if region.size else np.empty(0))
        good.append(one[~truth])
    regions = round(sum(float(part.sum()) for part in weights))
    if not regions + lost_regions or not sum(part.size for part in good):
        return np.nan
    if not regions:
        return 0.0
    found = _aupro_of(np.concatenate(values), np.concatenate(weights), _sorted(good), fpr_limit)
    return found * regions / (regions + lost_regions)


def _aupro_of(defect: np.ndarray, weights: np.ndarray, good: np.ndarray, fpr_limit: float) -> float:
    """Return AUPRO from defect pixels, each with 1 / its region's area, and the sorted good pixels."""
    order = np.argsort(defect)[::-1]
    last_of_each = np.flatnonzero(np.diff(defect[order], append=-np.inf))
    scores = defect[order][last_of_each]
    overlap = np.cumsum(weights[order])[last_of_each] / weights.sum()
    above = (good.size - np.searchsorted(good, scores, side="right")) / good.size
    reached = (good.size - np.searchsorted(good, scores, side="left")) / good.size
    # Between two defect scores only the false positives grow: each score adds the end of a level stretch and of a step.
    rates = np.concatenate([[0], np.column_stack([above, reached]).ravel(), [1]])
    overlaps = np.concatenate([[0], np.column_stack([np.concatenate([[0], overlap[:-1]]), overlap]).ravel(), [1]])
    return area_under(rates, overlaps, fpr_limit)


def area_under(rates: np.ndarray, heights: np.ndarray, limit: float = 1.0) -> float:
    """Return the mean height of a polyline (rates rising) over 0 … limit, linear between its points."""
    if not 0 < limit <= 1:
        raise ValueError(f"the limit of the false-positive rate is {limit}; it must lie in (0, 1]")
    inside = rates <= limit
    end = np.interp(limit, rates, heights)
    return float(np.trapezoid(np.append(heights[inside], end), np.append(rates[inside], limit)) / limit)


def undefined_reason(truth: Iterable[np.ndarray] | np.ndarray, unit: str = "pixel") -> str | None:
    """Return why AUROC, AP, F1max or AUPRO over this truth (labels, or masks) is NaN, or None where it is defined.

    ``unit`` is the word for what is counted: "pixel", "image".
    """
    defect = good = 0
    for part in truth:
        marked = int(np.count_nonzero(part))
        defect, good = defect + marked, good + np.size(part) - marked
    if defect and good:
        return None
    if not defect and not good:
        return f"there is no {unit} with ground truth"
    missing, present = ("defect", "good") if not defect else ("good", "defect")
    return f"every {unit} is {present}: without a {missing} {unit} there is nothing to tell apart"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def _pairs(maps: Pictures, masks: Pictures) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each map with its truth as bool, checked: 2-D, one shape, no NaN, as many masks as maps."""
    if len(maps) != len(masks):
        raise ValueError(f"there are {len(maps)} maps and {len(masks)} masks; each map needs its own")
    for number, (one, mask) in enumerate(zip(maps, masks, strict=True)):
        values, truth = np.asarray(one), np.asarray(mask) != 0
        if values.ndim != 2 or values.shape != truth.shape:
            raise ValueError(f"map {number} has shape {values.shape}, its mask {truth.shape}; both must be (H, W)")
        _check_not_nan(values, f"map {number}")
        yield values, truth


def _sorted(parts: list[np.ndarray]) -> np.ndarray:
    values = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
    values.sort()  # in place: the pixels of a whole dataset lie here
    return values


def _check_not_nan(values: np.ndarray, name: str) -> None:
    if np.isnan(values).any():
        raise ValueError(f"{name} holds NaN; a map or score that cannot be ranked has no place in a metric")
