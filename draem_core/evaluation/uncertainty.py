"""How far to trust a metric: bootstrap intervals, a half to tune on and one to check on, and sentences of caution.

Works on counts, scores and labels alone; knows no maps, files or pages.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from draem_core.formatting import counted
from draem_core.metrics import Counts, Ranking

REPLICATES = 2000
LEVEL = 0.95
FEW_DEFECTS = 20
_CHUNK = 2**22  # drawn images at a time: bounds memory to some 100 MB


@dataclass(frozen=True)
class Interval:
    """A percentile bootstrap interval; low and high are NaN where the metric is undefined.

    level: the share of replicates inside, such as 0.95.
    replicates: how many were drawn.
    undefined: how many of them the metric is not defined for; these are left out.
    note: a sentence where the interval says less than it seems to, else "".
    """

    low: float
    high: float
    level: float
    replicates: int
    undefined: int = 0
    note: str = ""


def bootstrap_counts(
    counts: Counts, metric: str, replicates: int = REPLICATES, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Return the interval of a metric of ``Counts`` over images, at the threshold that gave these counts.

    Drawing M images with replacement changes nothing but how often each of the four outcomes is met, which is
    multinomial; so the share of defect images varies as well, on which F1 and precision depend. The threshold stays:
    that it was chosen on the same images is not in the interval. Same counts, same interval.

    Args:
        counts: of images. Pixels of one picture are no independent draws, so theirs would be far too narrow.
        metric: "f1", "precision", "recall", "iou", "false_alarm_rate" or "accuracy".

    Raises:
        ValueError: an argument is outside its range, or there is no such metric.
    """
    _check(replicates, level)
    if metric not in _METRICS:
        raise ValueError(f"there is no metric {metric!r}; take one of {', '.join(_METRICS)}")
    outcomes = np.array([counts.tp, counts.fp, counts.fn, counts.tn])
    images = int(outcomes.sum())
    reason = counts.undefined_reason(metric)
    if reason:
        return Interval(np.nan, np.nan, level, replicates, replicates, f"Undefined: {reason}.")
    part, whole = (np.array(weights) for weights in _METRICS[metric])
    drawn = np.random.default_rng(seed).multinomial(images, outcomes / images, size=replicates)
    denominators = drawn @ whole
    defined = denominators > 0
    values = (drawn @ part)[defined] / denominators[defined]
    note = _constant_note(metric, values[0], int(outcomes[whole > 0].sum()), level) if np.ptp(values) == 0 else ""
    if not defined.all():
        left_out = f"{int((~defined).sum()):,} of {replicates:,} replicates left the metric undefined and do not count."
        note = f"{left_out} {note}".rstrip()
    return _percentiles(values, level, replicates, note)


def bootstrap_auroc(
    scores: np.ndarray, labels: np.ndarray, replicates: int = REPLICATES, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Return the interval of the AUROC of scores (M,) with labels (M,), nonzero = defect.

    Stratified: defect and good images are drawn each for themselves, as pROC does by default, with as many replicates
    (Robin et al., BMC Bioinformatics 12:77, 2011). AUROC does not depend on how many there are of each, and no
    replicate is without one of them. The order of the images does not matter; same images, same interval.

    Raises:
        ValueError: shapes differ, a score is NaN, or an argument is outside its range.
    """
    _check(replicates, level)
    ranking = Ranking.of_images(scores, labels)
    if not ranking.is_defined:
        return Interval(np.nan, np.nan, level, replicates, replicates, "Undefined: one class is missing.")
    values = _resampled_auroc(ranking, replicates, np.random.default_rng(seed))
    note = ""
    if np.ptp(values) == 0:
        note = "Every replicate ranks alike: these images cannot tell how much the metric would vary."
    return _percentiles(values, level, replicates, note)


def split_half(
    labels: np.ndarray, kinds: Sequence[str], names: Sequence[str] | None = None, seed: int = 0
) -> np.ndarray:
    """Choose half of the images to tune on, (M,) bool, True = tune; the other half is to check on.

    Within each kind the halves differ by at most one image, and so they do as a whole. Which image goes where follows
    from a hash of seed and name, so neither the order of the images nor the machine matters; a new image may move
    others of its kind. Without names the places in the list stand for them.

    Args:
        labels: (M,) nonzero = defect; a kind that holds both is split for each.
        kinds: M names of kinds, "good" among them.
        names: M unique names, such as ``Sample.name``.

    Raises:
        ValueError: lengths differ.
    """
    defect = np.asarray(labels) != 0
    identities = [str(place) for place in range(defect.size)] if names is None else list(names)
    if not defect.size == len(kinds) == len(identities):
        raise ValueError(f"{defect.size} labels, {len(kinds)} kinds, {len(identities)} names: one each for every image")
    digests = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in identities]
    order = sorted(range(defect.size), key=lambda image: (defect[image], kinds[image], digests[image]))
    tune = np.zeros(defect.size, bool)
    tune[order[::2]] = True  # every other one, on across the kinds, so that their odd images go to either half in turn
    return tune


def cautions(labels: np.ndarray) -> tuple[str, ...]:
    """Return sentences on why metrics over images with these labels (M,), nonzero = defect, deserve little trust.

    Labelled images only; none at all is a reason too.
    """
    defect = int(np.count_nonzero(labels))
    good = np.size(labels) - defect
    if not defect and not good:
        return ("No image has a label, so no metric can be given: scores and maps are all there is.",)
    found = []
    if not good:
        found.append("There is no good image: false alarms, AUROC and the best threshold are unknown.")
    if not defect:
        found.append("There is no defect image: misses, F1, AUROC and the best threshold are unknown.")
    elif defect < FEW_DEFECTS:
        images = counted(defect, "defect image")
        found.append(
            f"Only {images}: one more or less found moves recall by {100 / defect:.0f} %. "
            f"Collect at least {FEW_DEFECTS} before a threshold is fixed."
        )
    return tuple(found)


# Weights of tp, fp, fn, tn in each metric's numerator and denominator.
_METRICS = {
    "f1": ((2, 0, 0, 0), (2, 1, 1, 0)),
    "precision": ((1, 0, 0, 0), (1, 1, 0, 0)),
    "recall": ((1, 0, 0, 0), (1, 0, 1, 0)),
    "iou": ((1, 0, 0, 0), (1, 1, 1, 0)),
    "false_alarm_rate": ((0, 1, 0, 0), (0, 1, 0, 1)),
    "accuracy": ((1, 0, 0, 1), (1, 1, 1, 1)),
}


def _constant_note(metric: str, value: float, images: int, level: float) -> str:
    """Say what a metric that never leaves 0 or 1 over so many images still allows: the exact binomial bound.

    With no error among n, a true share of p errors is met with chance (1 − p)^n. F1 follows from such a share too,
    that of the hits among hits and errors.
    """
    share = (1 - level) ** (1 / images)
    if value == 0:
        share = 1 - share
    if metric == "f1":
        share = 2 * share / (1 + share)
    side = "at least" if value == 1 else "at most"
    seen = f"the {counted(images, 'image')}"
    limit = f"{side} {share:.3f} ({100 * level:g} %)"
    return f"Resampling never moves it, but {seen} that it counts only show that it is {limit}."


def _resampled_auroc(ranking: Ranking, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Return the AUROC (R,) of each replicate, exact: a drawn defect gets a point for each drawn good one below it."""
    defect, good = ranking.defect, ranking.good
    below, not_above = (np.searchsorted(good, defect, side=side) for side in ("left", "right"))
    values = []
    rows_at_once = max(1, _CHUNK // (defect.size + good.size))
    for start in range(0, replicates, rows_at_once):
        rows = np.arange(min(rows_at_once, replicates - start))[:, None]
        drawn_good = rng.integers(0, good.size, (rows.size, good.size))
        times = np.bincount((drawn_good + 1 + rows * (good.size + 1)).ravel(), minlength=rows.size * (good.size + 1))
        drawn_below = np.cumsum(times.reshape(rows.size, -1), axis=1)
        drawn_defect = rng.integers(0, defect.size, (rows.size, defect.size))
        points = drawn_below[:, below] + drawn_below[:, not_above]
        values.append(np.take_along_axis(points, drawn_defect, axis=1).sum(axis=1))
    return np.concatenate(values) / (2.0 * defect.size * good.size)


def _percentiles(values: np.ndarray, level: float, replicates: int, note: str) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, replicates, replicates - values.size, note)


def _check(replicates: int, level: float) -> None:
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}; it must be at least 1")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1")
