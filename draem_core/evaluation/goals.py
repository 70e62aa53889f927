"""Goals instead of numbers: the sensitivity that means "best F1", "no defect missed", "few false alarms", "least cost".

Works on scores, labels and counts alone; knows no maps, kernels, files or pages.
"""

import math
from dataclasses import dataclass

import numpy as np

from draem_core.formatting import counted
from draem_core.metrics import Counts, Ranking, undefined_reason


@dataclass(frozen=True)
class OperatingPoint:
    """The stop that meets a goal best.

    Of several, the one with the fewest misses, then the fewest false alarms; of a run of stops with the same counts,
    the middle, where the margin to both sides is largest. Of good images alone, the last: nothing else bounds it.

    sensitivity: one of the stops.
    threshold: the float32 value 1 − sensitivity that a postprocessed score must exceed.
    counts: what it does to the images (or pixels) that it was chosen on.
    low, high: the first and last stop with the same counts.
    reason: a sentence for people: the metric reached, on how many, and why this stop.
    """

    sensitivity: float
    threshold: float
    counts: Counts
    low: float
    high: float
    reason: str


@dataclass(frozen=True)
class NoOperatingPoint:
    """A goal that is undefined for these images or out of reach of these stops; ``reason`` is a sentence for people."""

    reason: str


@dataclass(frozen=True)
class ZoneShare:
    """How many defect and good images lie in a zone, and which share of all images that is."""

    defect: int
    good: int
    share: float


@dataclass(frozen=True)
class Zones:
    """Two thresholds: NG above the first, unsure down to the second, OK below.

    sensitivity, threshold: an image is NG where its score > threshold = float32(1 − sensitivity).
    unsure_sensitivity, unsure_threshold: it is unsure where it is not NG and its score > unsure_threshold; the
        sensitivity is at least the first, and equal to it where no zone between is needed.
    ng, unsure, ok: what lies in each.
    reason: a sentence for people.
    """

    sensitivity: float
    threshold: float
    unsure_sensitivity: float
    unsure_threshold: float
    ng: ZoneShare
    unsure: ZoneShare
    ok: ZoneShare
    reason: str


def best_f1(scores: np.ndarray, labels: np.ndarray, stops: np.ndarray) -> OperatingPoint | NoOperatingPoint:
    """Choose the stop with the best F1 over images.

    Args:
        scores: (M,) float32, each image's `postprocess.postprocessed_score`; −∞ is allowed.
        labels: (M,) bool, True = defect.
        stops: (S,) float64, rising: the sensitivities to choose from.

    Raises:
        ValueError: shapes differ, a score is NaN, or the stops are not a rising list.
    """
    trials = _Trials.of_images(scores, labels, stops)
    if isinstance(trials, NoOperatingPoint):
        return trials
    return _best_f1(trials)


def full_recall(scores: np.ndarray, labels: np.ndarray, stops: np.ndarray) -> OperatingPoint | NoOperatingPoint:
    """Choose the best precision among the stops that flag every defect image; arguments as for ``best_f1``.

    Where only flagging every image reaches that, it is still an operating point, and the reason says so.
    """
    trials = _Trials.of_images(scores, labels, stops)
    if isinstance(trials, NoOperatingPoint):
        return trials
    fit = trials.tp == trials.defects
    if not fit.any():
        return NoOperatingPoint(
            f"Recall 1 is out of reach: even sensitivity {_show(trials.stops[-1])} misses "
            f"{_of(trials.defects - trials.tp[-1], trials.defects, 'defect image')}. "
            "A smaller kernel or minimum area leaves more of them standing."
        )
    run = trials.best(fit)
    lead = (
        f"All {counted(trials.defects, 'defect image')} flagged with precision {run.counts.precision:.3f} "
        f"({counted(run.counts.fp, 'false alarm')} among {counted(trials.goods, 'good image')})"
    )
    if run.counts.tn == 0:
        lead = (
            f"Recall 1 takes flagging all {counted(trials.total, 'image')}, so the verdict no longer tells them apart"
        )
    return trials.operating_point(run, lead)


def at_most_false_alarms(
    scores: np.ndarray, labels: np.ndarray, stops: np.ndarray, share: float
) -> OperatingPoint | NoOperatingPoint:
    """Choose the best recall among the stops that flag at most ``share`` (in [0, 1]) of the good images.

    Where all images are good, choose the highest sensitivity among them; nothing is known of misses then, and the
    reason says so.

    Other arguments as for ``best_f1``; ValueError also for a share outside its range.
    """
    _check_share("share", share)
    trials = _Trials.of_good_images(scores, labels, stops) or _Trials.of_images(scores, labels, stops)
    if isinstance(trials, NoOperatingPoint):
        return trials
    fit = trials.fp / trials.goods <= share
    if not fit.any():
        return trials.too_many_false_alarms(share)
    if not trials.defects:
        return trials.by_good_images_alone(int(np.flatnonzero(fit)[-1]), share)
    run = trials.best(fit)
    return trials.operating_point(
        run,
        f"Recall {run.counts.recall:.3f} ({_of(run.counts.tp, trials.defects, 'defect image')} flagged) at "
        f"{_percent(run.counts.false_alarm_rate)} false alarms ({_of(run.counts.fp, trials.goods, 'good image')}), "
        f"{_percent(share)} being allowed",
    )


def least_cost(
    scores: np.ndarray, labels: np.ndarray, stops: np.ndarray, miss_cost: float, false_alarm_cost: float
) -> OperatingPoint | NoOperatingPoint:
    """Choose the lowest ``miss_cost`` · misses + ``false_alarm_cost`` · false alarms over these images.

    Other arguments as for ``best_f1``; ValueError also for a cost that is negative or not finite.
    """
    for name, cost in (("miss_cost", miss_cost), ("false_alarm_cost", false_alarm_cost)):
        if not (math.isfinite(cost) and cost >= 0):
            raise ValueError(f"{name} is {cost}; it must be a number of at least 0")
    trials = _Trials.of_images(scores, labels, stops)
    if isinstance(trials, NoOperatingPoint):
        return trials
    if miss_cost == false_alarm_cost == 0:
        return NoOperatingPoint("Every sensitivity costs nothing: say what a miss or a false alarm costs.")
    costs = miss_cost * (trials.defects - trials.tp) + false_alarm_cost * trials.fp
    fit = costs <= costs.min() * (1 + 1e-12)  # 3 · 0.1 and 1 · 0.3 are equal costs, though not equal floats
    run = trials.best(fit)
    return trials.operating_point(
        run,
        f"Cost {costs.min():.6g} on {counted(trials.total, 'image')}: {counted(run.counts.fn, 'miss')} at "
        f"{miss_cost:.6g} and {counted(run.counts.fp, 'false alarm')} at {false_alarm_cost:.6g}",
    )


def best_pixel_f1(
    pixel_tp: np.ndarray, pixel_fp: np.ndarray, defect_pixels: int, good_pixels: int, stops: np.ndarray
) -> OperatingPoint | NoOperatingPoint:
    """Choose the stop with the best F1 over pixels from one kernel's row of ``SweepTables``.

    Args:
        pixel_tp, pixel_fp: (S,) int64, defect and good pixels flagged at each stop.
        defect_pixels, good_pixels: all there are, of images with ground truth.
        stops: (S,) float64, rising.

    Raises:
        ValueError: lengths differ, or the stops are not a rising list.
    """
    if not defect_pixels:
        lack = "every pixel with ground truth is good" if good_pixels else "there is no pixel with ground truth"
        return NoOperatingPoint(f"Pixel F1 is undefined: {lack}. Add masks of defects.")
    sensitivities, tp, fp = _checked_stops(stops), np.asarray(pixel_tp), np.asarray(pixel_fp)
    if not tp.shape == fp.shape == sensitivities.shape:
        raise ValueError(f"pixel_tp {tp.shape}, pixel_fp {fp.shape}, stops {sensitivities.shape} must have one length")
    return _best_f1(_Trials(sensitivities, tp, fp, int(defect_pixels), int(good_pixels), "pixel"))


def zones(
    scores: np.ndarray, labels: np.ndarray, stops: np.ndarray, miss_share: float, false_alarm_share: float
) -> Zones | NoOperatingPoint:
    """Choose two thresholds that leave as few images unsure as the two shares allow.

    NG takes the lowest threshold that flags at most ``false_alarm_share`` of the good images, OK ends at the highest
    threshold that misses at most ``miss_share`` of the defect ones; each moves to the middle of the stops with the
    same counts. Where these two would cross, one threshold serves both: the one with the fewest errors between them.

    Other arguments as for ``best_f1``; ValueError also for a share outside [0, 1].
    """
    _check_share("miss_share", miss_share)
    _check_share("false_alarm_share", false_alarm_share)
    trials = _Trials.of_images(scores, labels, stops)
    if isinstance(trials, NoOperatingPoint):
        return trials
    misses = trials.defects - trials.tp
    few_false_alarms = np.flatnonzero(trials.fp / trials.goods <= false_alarm_share)
    few_misses = np.flatnonzero(misses / trials.defects <= miss_share)
    if not few_false_alarms.size:
        return trials.too_many_false_alarms(false_alarm_share)
    if not few_misses.size:
        return NoOperatingPoint(
            f"Even sensitivity {_show(trials.stops[-1])} misses {_of(misses[-1], trials.defects, 'defect image')}, "
            f"more than the {_percent(miss_share)} allowed. Allow more misses, or lower the kernel or minimum area."
        )
    last_ng, first_ok = few_false_alarms[-1], few_misses[0]
    if first_ok <= last_ng:
        between = slice(first_ok, last_ng + 1)
        errors = (misses + trials.fp)[between]
        fit = np.zeros(trials.stops.size, bool)
        fit[between] = errors == errors.min()
        ng_stop = unsure_stop = trials.best(fit)
    else:
        ng_stop, unsure_stop = trials.run_around(last_ng), trials.run_around(first_ok)
    return _zones_of(trials, ng_stop, unsure_stop, miss_share, false_alarm_share)


@dataclass(frozen=True)
class _Run:
    """Neighbouring stops with the same counts."""

    first: int
    last: int
    counts: Counts

    @property
    def middle(self) -> int:
        return (self.first + self.last) // 2


@dataclass(frozen=True, eq=False)
class _Trials:
    """What each stop does: how many of all defects and good ones it flags, tp and fp (S,) integer, never falling."""

    stops: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    defects: int
    goods: int
    unit: str

    @classmethod
    def of_images(cls, scores: np.ndarray, labels: np.ndarray, stops: np.ndarray) -> "_Trials | NoOperatingPoint":
        ranking = Ranking.of_images(np.asarray(scores, np.float32), labels)
        sensitivities = _checked_stops(stops)
        if not ranking.is_defined:
            lack = undefined_reason(np.asarray(labels), "image")
            if ranking.good.size:
                return NoOperatingPoint(
                    f"This goal needs defect images: {lack}. What good images alone give is the goal of few false "
                    "alarms; misses stay unknown."
                )
            return NoOperatingPoint(f"No goal can be set: {lack}. Add labelled images of what is missing.")
        thresholds = (1 - sensitivities).astype(np.float32)
        tp, fp = (
            group.size - np.searchsorted(group, thresholds, side="right") for group in (ranking.defect, ranking.good)
        )
        return cls(sensitivities, tp, fp, ranking.defect.size, ranking.good.size, "image")

    @classmethod
    def of_good_images(cls, scores: np.ndarray, labels: np.ndarray, stops: np.ndarray) -> "_Trials | None":
        """Return what each stop does where all images are good; None where not all are, or there is none."""
        ranking = Ranking.of_images(np.asarray(scores, np.float32), labels)
        if ranking.defect.size or not ranking.good.size:
            return None
        sensitivities = _checked_stops(stops)
        thresholds = (1 - sensitivities).astype(np.float32)
        fp = ranking.good.size - np.searchsorted(ranking.good, thresholds, side="right")
        return cls(sensitivities, np.zeros_like(fp), fp, 0, ranking.good.size, "image")

    @property
    def total(self) -> int:
        return self.defects + self.goods

    def by_good_images_alone(self, stop: int, share: float) -> OperatingPoint:
        """Return the highest stop that flags no more than the share, and a reason that says what is not known."""
        run = self.run_around(stop)
        sensitivity, low = float(self.stops[stop]), float(self.stops[run.first])
        reason = (
            f"The highest of {counted(self.stops.size, 'sensitivity')} that flags at most {_percent(share)} of the "
            f"good images: {_of(run.counts.fp, self.goods, 'good image')} ({_percent(run.counts.false_alarm_rate)}). "
            "It was tuned on these same images, and there is no defect image: how many defects it misses is unknown."
        )
        return OperatingPoint(sensitivity, _threshold(sensitivity), run.counts, low, sensitivity, reason)

    def run_around(self, stop: int) -> _Run:
        tp, fp = int(self.tp[stop]), int(self.fp[stop])
        same = np.flatnonzero((self.tp == tp) & (self.fp == fp))
        return _Run(int(same[0]), int(same[-1]), Counts(tp, fp, self.defects - tp, self.goods - fp))

    def best(self, fit: np.ndarray) -> _Run:
        """Return, of the stops (S,) bool that fit, those with the fewest misses, then the fewest false alarms."""
        return self.run_around(int(np.flatnonzero(fit & (self.tp == self.tp[fit].max()))[0]))

    def operating_point(self, run: _Run, lead: str) -> OperatingPoint:
        low, middle, high = (float(self.stops[index]) for index in (run.first, run.middle, run.last))
        why = f"any sensitivity from {_show(low)} to {_show(high)} gives the same, this is the middle"
        if run.first == run.last:
            why = f"of {counted(self.stops.size, 'sensitivity')} tried only this one gives it"
        return OperatingPoint(middle, _threshold(middle), run.counts, low, high, f"{lead}; {why}.")

    def too_many_false_alarms(self, share: float) -> NoOperatingPoint:
        return NoOperatingPoint(
            f"Even sensitivity {_show(self.stops[0])} flags {_of(self.fp[0], self.goods, 'good image')}, more than the "
            f"{_percent(share)} allowed. Allow more false alarms, or begin at a lower sensitivity."
        )


def _best_f1(trials: _Trials) -> OperatingPoint:
    f1 = 2 * trials.tp / (trials.tp + trials.fp + trials.defects)
    run = trials.best(f1 == f1.max())  # equal fractions divide to equal floats
    errors = f"{counted(run.counts.fn, 'miss')}, {counted(run.counts.fp, 'false alarm')}"
    if trials.unit == "pixel":
        errors = f"{run.counts.fn:,} missed, {run.counts.fp:,} flagged in vain"
    return trials.operating_point(run, f"F1 {run.counts.f1:.3f} ({errors} of {counted(trials.total, trials.unit)})")


def _zones_of(trials: _Trials, ng_stop: _Run, unsure_stop: _Run, miss_share: float, false_alarm_share: float) -> Zones:
    above, reached = ng_stop.counts, unsure_stop.counts
    ng, unsure, ok = (
        ZoneShare(defect, good, (defect + good) / trials.total)
        for defect, good in (
            (above.tp, above.fp),
            (reached.tp - above.tp, reached.fp - above.fp),
            (reached.fn, reached.tn),
        )
    )
    sensitivity, unsure_sensitivity = (float(trials.stops[run.middle]) for run in (ng_stop, unsure_stop))
    parts = [
        f"{name} {zone.defect + zone.good:,} ({_percent(zone.share)})"
        for name, zone in (("NG", ng), ("unsure", unsure), ("OK", ok))
    ]
    lead = f"Of {counted(trials.total, 'image')}: {', '.join(parts)}"
    if ng_stop == unsure_stop:
        lead += "; one threshold keeps both promises, so nothing is left unsure"
    return Zones(
        sensitivity,
        _threshold(sensitivity),
        unsure_sensitivity,
        _threshold(unsure_sensitivity),
        ng,
        unsure,
        ok,
        f"{lead}. NG: {_of(ng.good, trials.goods, 'good image')} ({_percent(false_alarm_share)} allowed); "
        f"OK: {_of(ok.defect, trials.defects, 'defect image')} ({_percent(miss_share)} allowed).",
    )


def _checked_stops(stops: np.ndarray) -> np.ndarray:
    values = np.asarray(stops, np.float64)
    if values.ndim != 1 or not values.size or not (np.diff(values) > 0).all():
        raise ValueError(f"stops {values.shape} must be a list of sensitivities, each higher than the one before")
    return values


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is {share}; it must lie between 0 and 1")


def _threshold(sensitivity: float) -> float:
    return float(np.float32(1 - sensitivity))


def _show(sensitivity: float) -> str:
    """Write a sensitivity: three decimals where these are exact, else four digits of whichever end is nearer."""
    gap = min(sensitivity, 1 - sensitivity)
    if gap <= 0 or round(sensitivity, 3) == sensitivity:
        return f"{sensitivity:.3f}"
    return f"{sensitivity:.{3 - math.floor(math.log10(gap))}f}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _of(number: int, total: int, noun: str) -> str:
    return f"{number:,} of {counted(total, noun)}"
