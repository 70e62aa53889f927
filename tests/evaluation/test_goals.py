"""Goals on ten images that a reader can sort by eye, and every goal against a walk over all stops."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draem_core.evaluation.goals import (
    NoOperatingPoint,
    OperatingPoint,
    Zones,
    at_most_false_alarms,
    best_f1,
    best_pixel_f1,
    full_recall,
    least_cost,
    zones,
)
from draem_core.evaluation.histogram import LOGIT_SLIDER, SLIDER
from draem_core.metrics import Counts
from draem_core.recipe import zone_of
from draem_core.sweep import ThresholdSweep

# Good images score 0.1 … 0.6, one bad one at 0.75; defects at 0.7 … 0.95, one weak one at 0.25.
GOOD = [0.1, 0.2, 0.3, 0.6, 0.75]
DEFECT = [0.25, 0.7, 0.8, 0.9, 0.95]
SCORES = np.array(GOOD + DEFECT, np.float32)
LABELS = np.repeat([False, True], 5)
STOPS = np.arange(21) / 20

GOALS = {
    "best_f1": best_f1,
    "full_recall": full_recall,
    "at_most_false_alarms": lambda *data: at_most_false_alarms(*data, 0.2),
    "least_cost": lambda *data: least_cost(*data, 5, 1),
    "zones": lambda *data: zones(*data, 0.1, 0.1),
}

LEVELS = [-np.inf, 0.0, 1e-7, 0.2, 0.25, 0.5, 0.75, 0.9995, 1.0]
SCENES = st.lists(st.tuples(st.sampled_from(LEVELS), st.booleans()), min_size=2, max_size=25).filter(
    lambda images: len({label for _, label in images}) == 2
)
STOP_LISTS = st.one_of(
    st.just(SLIDER[::50]),
    st.just(LOGIT_SLIDER[::150]),
    st.lists(st.floats(0, 1), min_size=1, max_size=12, unique=True).map(lambda stops: np.array(sorted(stops))),
)


def slow_counts(scores, labels, stop):
    flagged = [np.float32(score) > np.float32(1 - stop) for score in scores]
    pairs = list(zip(flagged, labels, strict=True))
    return Counts(*(sum(pair == wanted for pair in pairs) for wanted in ((1, 1), (1, 0), (0, 1), (0, 0))))


def slow_operating_point(scores, labels, stops, value, fits=lambda counts: True):
    """Walk over all stops: the highest value, then the fewest misses, then the fewest false alarms; or None."""
    tried = [slow_counts(scores, labels, stop) for stop in stops]
    return max((c for c in tried if fits(c)), key=lambda c: (value(c), -c.fn, -c.fp), default=None)


def test_best_f1_by_hand():
    choice = best_f1(SCORES, LABELS, STOPS)
    # Below 0.7 four of five defects and one good image are flagged, from the 0.6 of the next good one on.
    assert choice.counts == Counts(tp=4, fp=1, fn=1, tn=4)
    assert (choice.low, choice.high) == (0.35, 0.4)  # thresholds 0.65 and 0.6: 0.6 > 0.6 is false
    assert choice.sensitivity == 0.35
    assert choice.threshold == np.float32(0.65)
    assert choice.reason == (
        "F1 0.800 (1 miss, 1 false alarm of 10 images); "
        "any sensitivity from 0.350 to 0.400 gives the same, this is the middle."
    )


def test_full_recall_by_hand():
    choice = full_recall(SCORES, LABELS, STOPS)
    assert choice.counts == Counts(tp=5, fp=3, fn=0, tn=2)  # 0.3, 0.6 and 0.75 lie above the weak defect's 0.25
    assert choice.sensitivity == 0.8
    assert choice.reason == (
        "All 5 defect images flagged with precision 0.625 (3 false alarms among 5 good images); "
        "of 21 sensitivities tried only this one gives it."
    )


def test_false_alarms_by_hand():
    none = at_most_false_alarms(SCORES, LABELS, STOPS, 0)
    assert none.counts == Counts(tp=3, fp=0, fn=2, tn=5)
    assert none.sensitivity == 0.25  # the only stop below 0.8 whose threshold 0.75 keeps the good one out
    assert none.reason.startswith(
        "Recall 0.600 (3 of 5 defect images flagged) at 0 % false alarms (0 of 5 good images), 0 % being allowed; "
    )
    assert at_most_false_alarms(SCORES, LABELS, STOPS, 0.2).counts == Counts(tp=4, fp=1, fn=1, tn=4)
    assert at_most_false_alarms(SCORES, LABELS, STOPS, 0.39).counts.fp == 1
    # a share that allows more than recall needs is not used up
    assert at_most_false_alarms(SCORES, LABELS, STOPS, 1).counts == full_recall(SCORES, LABELS, STOPS).counts


def test_a_share_written_in_decimals_allows_as_many_as_it_says():
    # 0.29 · 100 is 28.999999999999996 in floats
    scores, labels = np.append(np.arange(100) / 100, 0.995).astype(np.float32), np.arange(101) == 100
    flags_29 = np.array([0.295])
    assert at_most_false_alarms(scores, labels, flags_29, 0.29).counts.fp == 29
    assert isinstance(at_most_false_alarms(scores, labels, flags_29, 0.28), NoOperatingPoint)


def test_least_cost_by_hand():
    dear_misses = least_cost(SCORES, LABELS, STOPS, 10, 1)
    assert dear_misses.counts == Counts(tp=5, fp=3, fn=0, tn=2)  # 3 against 10 + 1 and 20 + 0
    assert dear_misses.reason.startswith("Cost 3 on 10 images: 0 misses at 10 and 3 false alarms at 1; ")
    dear_alarms = least_cost(SCORES, LABELS, STOPS, 1, 10)
    assert dear_alarms.counts == Counts(tp=3, fp=0, fn=2, tn=5)
    assert least_cost(SCORES, LABELS, STOPS, 0, 1).counts == dear_alarms.counts
    assert least_cost(SCORES, LABELS, STOPS, 1, 0).counts == dear_misses.counts


def test_equal_costs_go_to_the_fewest_misses_in_spite_of_rounding():
    # 1 miss at 0.3 or 3 false alarms at 0.1, which as a float is 0.30000000000000004
    scores, labels = np.array([0.2, 0.5, 0.5, 0.5, 0.1], np.float32), np.array([True, False, False, False, False])
    assert least_cost(scores, labels, STOPS, 0.3, 0.1).counts == Counts(tp=1, fp=3, fn=0, tn=1)


def test_zones_by_hand():
    found = zones(SCORES, LABELS, STOPS, 0, 0)
    assert found.sensitivity == 0.25
    assert found.threshold == 0.75
    assert found.unsure_sensitivity == 0.8
    assert found.unsure_threshold == np.float32(0.2)
    assert astuple(found.ng) == (3, 0, 0.3)
    assert astuple(found.unsure) == (2, 3, 0.5)
    assert astuple(found.ok) == (0, 2, 0.2)
    assert found.reason == (
        "Of 10 images: NG 3 (30 %), unsure 5 (50 %), OK 2 (20 %). "
        "NG: 0 of 5 good images (0 % allowed); OK: 0 of 5 defect images (0 % allowed)."
    )


def test_zones_that_would_cross_become_one_threshold():
    found = zones(SCORES, LABELS, STOPS, 0.2, 0.2)
    assert found.sensitivity == found.unsure_sensitivity == best_f1(SCORES, LABELS, STOPS).sensitivity
    assert astuple(found.unsure) == (0, 0, 0)
    assert "nothing is left unsure" in found.reason


def test_perfect_separation_is_cut_in_the_middle():
    scores, labels = np.array([0.1, 0.2, 0.8, 0.9], np.float32), np.array([False, False, True, True])
    for name, goal in GOALS.items():
        found = goal(scores, labels, SLIDER)
        assert found.sensitivity == pytest.approx(0.5, abs=0.001), name
    assert best_f1(scores, labels, SLIDER).reason == (
        "F1 1.000 (0 misses, 0 false alarms of 4 images); "
        "any sensitivity from 0.201 to 0.800 gives the same, this is the middle."
    )


def test_recall_that_takes_flagging_everything_is_said():
    choice = full_recall(np.array([0.9, 0.8, 0.1], np.float32), np.array([False, False, True]), SLIDER)
    assert choice.counts == Counts(tp=1, fp=2, fn=0, tn=0)
    assert "takes flagging all 3 images" in choice.reason


@pytest.mark.parametrize("name", GOALS)
def test_undefined_goals_say_what_is_missing(name):
    one = np.array([0.5], np.float32)
    for labels, lack in (
        (np.array([True]), "every image is defect: without a good image"),
        (np.array([False]), "every image is good: without a defect image"),
    ):
        if name == "at_most_false_alarms" and not labels.any():
            continue  # the goal that good images alone can meet
        found = GOALS[name](one, labels, SLIDER)
        assert isinstance(found, NoOperatingPoint)
        assert lack in found.reason
    assert "no image with ground truth" in GOALS[name](np.empty(0, np.float32), np.empty(0, bool), SLIDER).reason


def test_good_images_alone_give_the_threshold_that_flags_few_of_them():
    """Peaks 0.1 … 1.0: at most one in ten flagged is any threshold from 0.9 on, strictly above it."""
    scores = (np.arange(1, 11) / 10).astype(np.float32)
    good = np.zeros(10, bool)
    stops = np.arange(101) / 100
    for share, sensitivity, flagged in ((0, 0.0, 0), (0.1, 0.1, 1), (0.19, 0.1, 1), (0.2, 0.2, 2), (1, 1.0, 10)):
        found = at_most_false_alarms(scores, good, stops, share)
        assert isinstance(found, OperatingPoint)
        assert found.sensitivity == pytest.approx(sensitivity)
        assert found.counts == Counts(tp=0, fp=flagged, fn=0, tn=10 - flagged)
        assert flagged == (scores > np.float32(found.threshold)).sum()
    assert at_most_false_alarms(scores, good, stops, 0.1).reason == (
        "The highest of 101 sensitivities that flags at most 10 % of the good images: 1 of 10 good images (10 %). It "
        "was tuned on these same images, and there is no defect image: how many defects it misses is unknown."
    )
    assert "Even sensitivity 0.600 flags 6 of 10" in at_most_false_alarms(scores, good, stops[60:], 0.1).reason
    assert "misses stay unknown" in full_recall(scores, good, stops).reason


def test_goals_out_of_reach():
    erased = np.array([0.5, -np.inf, 0.9], np.float32)  # the kernel erased the defect
    labels = np.array([False, True, True])
    found = full_recall(erased, labels, SLIDER)
    assert isinstance(found, NoOperatingPoint)
    assert found.reason.startswith("Recall 1 is out of reach: even sensitivity 1.000 misses 1 of 2 defect images.")
    assert "misses 1 of 2 defect images, more than the 10 % allowed" in zones(erased, labels, SLIDER, 0.1, 0.1).reason
    late = SLIDER[600:]
    for found in (at_most_false_alarms(erased, labels, late, 0), zones(erased, labels, late, 0.5, 0)):
        assert isinstance(found, NoOperatingPoint)
        assert "Even sensitivity 0.600 flags 1 of 1 good image, more than the 0 % allowed." in found.reason
    assert "costs nothing" in least_cost(erased, labels, SLIDER, 0, 0).reason


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="one length"):
        best_f1(SCORES, LABELS[:3], STOPS)
    with pytest.raises(ValueError, match="NaN"):
        best_f1(np.full(10, np.nan), LABELS, STOPS)
    for stops in (STOPS[::-1], np.empty(0), np.zeros((2, 2)), np.array([0.5, 0.5])):
        with pytest.raises(ValueError, match="higher than the one before"):
            best_f1(SCORES, LABELS, stops)
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            at_most_false_alarms(SCORES, LABELS, STOPS, share)
        with pytest.raises(ValueError, match="between 0 and 1"):
            zones(SCORES, LABELS, STOPS, 0.1, share)
    for cost in (-1, np.inf, np.nan):
        with pytest.raises(ValueError, match="at least 0"):
            least_cost(SCORES, LABELS, STOPS, 1, cost)
    with pytest.raises(ValueError, match="one length"):
        best_pixel_f1(np.zeros(3), np.zeros(3), 5, 5, STOPS)


@settings(max_examples=150, deadline=None)
@given(SCENES, STOP_LISTS, st.sampled_from([0, 0.1, 1 / 3, 0.5, 1]), st.sampled_from([(1, 1), (5, 1), (0.1, 0.3)]))
def test_every_goal_equals_the_walk_over_all_stops(scene, stops, share, costs):
    scores, labels = np.array([score for score, _ in scene], np.float32), np.array([label for _, label in scene])
    data = (scores, labels, stops)
    pairs = [
        (best_f1(*data), slow_operating_point(*data, lambda c: c.f1)),
        (full_recall(*data), slow_operating_point(*data, lambda c: c.precision, lambda c: c.fn == 0)),
        (
            at_most_false_alarms(*data, share),
            slow_operating_point(*data, lambda c: c.recall, lambda c: c.false_alarm_rate <= share),
        ),
        (
            least_cost(*data, *costs),
            slow_operating_point(*data, lambda c: -round(costs[0] * c.fn + costs[1] * c.fp, 9)),
        ),
    ]
    for found, expected in pairs:
        if expected is None:
            assert isinstance(found, NoOperatingPoint)
            continue
        assert found.counts == expected == slow_counts(scores, labels, found.sensitivity)
        same = [stop for stop in stops if slow_counts(scores, labels, stop) == expected]
        assert (found.low, found.high) == (same[0], same[-1])
        assert found.sensitivity == same[(len(same) - 1) // 2]
        assert found.threshold == np.float32(1 - found.sensitivity)


@settings(max_examples=150, deadline=None)
@given(SCENES, STOP_LISTS, st.sampled_from([0, 0.1, 0.5]), st.sampled_from([0, 0.1, 0.5]))
def test_zones_keep_their_promises_with_the_fewest_unsure(scene, stops, miss_share, false_alarm_share):
    scores, labels = np.array([score for score, _ in scene], np.float32), np.array([label for _, label in scene])
    found = zones(scores, labels, stops, miss_share, false_alarm_share)
    tried = [slow_counts(scores, labels, stop) for stop in stops]
    ng_fits = [c for c in tried if c.false_alarm_rate <= false_alarm_share]
    ok_fits = [c for c in tried if 1 - c.recall <= miss_share + 1e-12]
    if not ng_fits or not ok_fits:
        assert isinstance(found, NoOperatingPoint)
        return
    assert found.sensitivity <= found.unsure_sensitivity
    ng, flagged = (slow_counts(scores, labels, stop) for stop in (found.sensitivity, found.unsure_sensitivity))
    assert (found.ng.defect, found.ng.good) == (ng.tp, ng.fp)
    assert (found.unsure.defect, found.unsure.good) == (flagged.tp - ng.tp, flagged.fp - ng.fp)
    assert (found.ok.defect, found.ok.good) == (flagged.fn, flagged.tn)
    assert found.ng.share + found.unsure.share + found.ok.share == pytest.approx(1)
    verdicts = [zone_of(float(score), found.threshold, found.unsure_threshold) for score in scores]
    assert verdicts.count("NG") == ng.tp + ng.fp
    assert verdicts.count("OK") == flagged.fn + flagged.tn
    assert ng in ng_fits
    assert flagged in ok_fits
    fewest = min(max(0, ok.tp + ok.fp - most.tp - most.fp) for ok in ok_fits for most in ng_fits)
    assert found.unsure.defect + found.unsure.good == fewest


def test_pixel_f1_from_a_sweep_equals_the_best_readout():
    rng = np.random.default_rng(0)
    maps = rng.random((6, 24, 24)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    masks[2:, 5:15, 5:15] = True
    maps[masks] = maps[masks] ** 0.3
    sweep = ThresholdSweep.from_maps(maps, masks, kernel_sizes=(1, 3))
    tables = sweep.tables(SLIDER)
    for row, kernel_size in enumerate(tables.kernel_sizes):
        choice = best_pixel_f1(
            tables.pixel_tp[row], tables.pixel_fp[row], tables.defect_pixels, tables.good_pixels, SLIDER
        )
        assert choice.counts == sweep.at(choice.sensitivity, kernel_size).pixel
        assert choice.counts.f1 == max(sweep.at(stop, kernel_size).pixel.f1 for stop in SLIDER)
        assert f"of {maps.size:,} pixels" in choice.reason


def test_pixel_f1_without_masks_is_undefined():
    nothing = np.zeros(SLIDER.size, int)
    assert "every pixel with ground truth is good" in best_pixel_f1(nothing, nothing, 0, 99, SLIDER).reason
    assert "no pixel with ground truth" in best_pixel_f1(nothing, nothing, 0, 0, SLIDER).reason


def test_sensitivities_near_the_ends_are_written_with_digits_that_count():
    choice = best_f1(np.array([1e-9, 0.9999], np.float32), np.array([False, True]), LOGIT_SLIDER)
    assert choice.low == pytest.approx(0.0001007, rel=1e-3)
    assert "any sensitivity from 0.0001007 to 0.9999998875 gives the same" in choice.reason


def test_goals_work_on_ten_thousand_images():
    rng = np.random.default_rng(0)
    labels = rng.random(10_000) < 0.3
    scores = (rng.random(10_000) * 0.7 + 0.3 * labels).astype(np.float32)
    for goal in GOALS.values():
        assert isinstance(goal(scores, labels, SLIDER), OperatingPoint | Zones)
