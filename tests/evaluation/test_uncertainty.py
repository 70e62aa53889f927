"""Intervals against exact distributions and simulated coverage, halves that a reader can count, and the cautions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from draem_core.evaluation.uncertainty import _resampled_auroc, bootstrap_auroc, bootstrap_counts, cautions, split_half
from draem_core.metrics import Counts, Ranking

METRICS = ["f1", "precision", "recall", "iou", "false_alarm_rate", "accuracy"]
COUNTS = st.builds(Counts, *[st.integers(0, 30)] * 4)


def normal_scores(rng, defects, goods, shift):
    labels = np.repeat([True, False], [defects, goods])
    return rng.normal(size=labels.size) + shift * labels, labels


def test_accuracy_interval_is_the_binomial_one():
    # Of 100 images 80 are classified right; a resample holds Binomial(100, 0.8) right ones.
    interval = bootstrap_counts(Counts(30, 10, 10, 50), "accuracy", replicates=100_000)
    assert interval.low == pytest.approx(stats.binom.ppf(0.025, 100, 0.8) / 100, abs=0.011)
    assert interval.high == pytest.approx(stats.binom.ppf(0.975, 100, 0.8) / 100, abs=0.011)
    assert interval.level == 0.95
    assert interval.replicates == 100_000
    assert interval.undefined == 0
    assert interval.note == ""


def test_narrower_with_more_images_and_with_a_lower_level():
    few, many = (bootstrap_counts(Counts(*(scale * np.array([8, 2, 2, 8])).tolist()), "f1") for scale in (1, 100))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.2)  # the root of 100
    half = bootstrap_counts(Counts(8, 2, 2, 8), "f1", level=0.5)
    assert few.low < half.low < half.high < few.high


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.sampled_from(METRICS))
def test_an_interval_holds_its_metric_or_says_why_not(counts, metric):
    interval = bootstrap_counts(counts, metric, replicates=500)
    value = getattr(counts, metric)
    if np.isnan(value):
        assert np.isnan(interval.low)
        assert np.isnan(interval.high)
        assert interval.undefined == 500
        assert interval.note == f"Undefined: {counts.undefined_reason(metric)}."
        return
    assert 0 <= interval.low <= value <= interval.high <= 1
    assert interval == bootstrap_counts(counts, metric, replicates=500)
    assert (interval.low == interval.high) == ("Resampling never moves it" in interval.note)


def test_replicates_without_a_denominator_are_left_out_and_counted():
    # One defect image of two: a quarter of the resamples hold none, so their recall is undefined.
    interval = bootstrap_counts(Counts(1, 0, 0, 1), "recall", replicates=4000)
    assert interval.undefined == pytest.approx(1000, abs=100)
    assert f"{interval.undefined:,} of 4,000 replicates left the metric undefined" in interval.note
    assert (interval.low, interval.high) == (1, 1)


@pytest.mark.parametrize(
    ("counts", "metric", "bound"),
    [
        # With no miss among 10, a share of 0.259 misses still has a chance of 0.741^10 = 5 %.
        (Counts(10, 0, 0, 5), "recall", "the 10 images that it counts only show that it is at least 0.741 (95 %)"),
        (Counts(5, 0, 0, 10), "false_alarm_rate", "the 10 images that it counts only show that it is at most 0.259"),
        # F1 = 2 J / (1 + J) with J = 0.741, the share of hits among hits and errors
        (Counts(10, 0, 0, 5), "f1", "the 10 images that it counts only show that it is at least 0.851"),
        (Counts(0, 0, 1, 3), "recall", "the 1 image that it counts only show that it is at most 0.950"),
    ],
)
def test_a_metric_without_a_single_error_is_not_taken_for_certain(counts, metric, bound):
    interval = bootstrap_counts(counts, metric)
    assert interval.low == interval.high == getattr(counts, metric)
    assert bound in interval.note


def test_coverage_of_the_f1_interval():
    rng = np.random.default_rng(1)
    chances = np.array([0.35, 0.06, 0.07, 0.52])
    truth = 2 * chances[0] / (2 * chances[0] + chances[1] + chances[2])
    intervals = [bootstrap_counts(Counts(*rng.multinomial(150, chances).tolist()), "f1", 500) for _ in range(400)]
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.91 <= covered <= 0.98


def test_coverage_of_the_auroc_interval():
    rng = np.random.default_rng(2)
    truth = stats.norm.cdf(1 / np.sqrt(2))  # of normal scores one deviation apart
    intervals = [bootstrap_auroc(*normal_scores(rng, 40, 60, 1.0), replicates=500) for _ in range(300)]
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.90 <= covered <= 0.98


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.integers(0, 1000),
)
def test_each_replicate_is_the_auroc_of_the_images_drawn(defect, good, seed):
    ranking = Ranking(np.sort(np.array(defect, float)), np.sort(np.array(good, float)))
    found = _resampled_auroc(ranking, 20, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)  # the same draws, counted the slow way
    drawn_good = ranking.good[rng.integers(0, ranking.good.size, (20, ranking.good.size))]
    drawn_defect = ranking.defect[rng.integers(0, ranking.defect.size, (20, ranking.defect.size))]
    for value, negatives, positives in zip(found, drawn_good, drawn_defect, strict=True):
        labels = np.repeat([0, 1], [negatives.size, positives.size])
        assert value == pytest.approx(roc_auc_score(labels, np.append(negatives, positives)), abs=1e-12)


def test_auroc_interval_is_as_wide_as_delong_says():
    scores, labels = normal_scores(np.random.default_rng(3), 150, 250, 1.2)
    interval = bootstrap_auroc(scores, labels)
    above = scores[labels][:, None] > scores[~labels]
    spread = np.sqrt(above.mean(1).var(ddof=1) / 150 + above.mean(0).var(ddof=1) / 250)  # DeLong et al. 1988
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert (interval.low + interval.high) / 2 == pytest.approx(Ranking.of_images(scores, labels).auroc(), abs=0.01)


def test_auroc_interval_does_not_depend_on_order_or_chance():
    scores, labels = normal_scores(np.random.default_rng(4), 30, 50, 1.0)
    shuffled = np.random.default_rng(5).permutation(labels.size)
    assert bootstrap_auroc(scores, labels) == bootstrap_auroc(scores[shuffled], labels[shuffled])
    assert bootstrap_auroc(scores, labels) != bootstrap_auroc(scores, labels, seed=1)


def test_auroc_interval_of_one_class_or_of_perfect_ranks():
    alone = bootstrap_auroc(np.array([0.1, 0.2]), np.array([True, True]))
    assert np.isnan(alone.low)
    assert alone.note == "Undefined: one class is missing."
    perfect = bootstrap_auroc(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert (perfect.low, perfect.high) == (1, 1)
    assert "cannot tell" in perfect.note


def test_large_sets_are_drawn_in_parts():
    scores, labels = normal_scores(np.random.default_rng(6), 20_000, 40_000, 1.0)
    interval = bootstrap_auroc(scores, labels, replicates=150)  # 70 rows at a time
    assert interval.high - interval.low == pytest.approx(0.0078, rel=0.25)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="no metric 'beauty'"):
        bootstrap_counts(Counts(1, 1, 1, 1), "beauty")
    with pytest.raises(ValueError, match="replicates is 0"):
        bootstrap_auroc(np.ones(2), np.array([True, False]), replicates=0)
    with pytest.raises(ValueError, match="level is 95"):
        bootstrap_counts(Counts(1, 1, 1, 1), "f1", level=95)
    with pytest.raises(ValueError, match="3 labels, 2 kinds, 3 names"):
        split_half(np.zeros(3), ["good", "good"])


KINDS = st.lists(st.sampled_from(["good", "crack", "hole", "dent"]), max_size=40)


@settings(max_examples=80, deadline=None)
@given(KINDS, st.integers(0, 5), st.randoms())
def test_halves_are_even_in_each_kind_and_follow_the_names(kinds, seed, random):
    names = [f"test/{kind}/{number}.png" for number, kind in enumerate(kinds)]
    labels = np.array([kind != "good" for kind in kinds], bool)
    tune = split_half(labels, kinds, names, seed)
    assert tune.dtype == bool
    assert abs(2 * int(tune.sum()) - tune.size) <= 1
    for kind in set(kinds):
        of_kind = np.array(kinds) == kind
        assert abs(2 * int(tune[of_kind].sum()) - int(of_kind.sum())) <= 1
    order = list(range(len(kinds)))
    random.shuffle(order)
    shuffled = split_half(labels[order], [kinds[i] for i in order], [names[i] for i in order], seed)
    np.testing.assert_array_equal(shuffled, tune[order])


def test_halves_differ_by_seed_and_stay_the_same_for_ever():
    labels, kinds = np.arange(8) >= 4, ["good"] * 4 + ["crack"] * 4
    first = split_half(labels, kinds)
    assert first.tolist() == split_half(labels, kinds).tolist()
    assert len({tuple(split_half(labels, kinds, seed=seed).tolist()) for seed in range(20)}) > 5
    # Pinned: a saved tune/check metric must stay true to its images in later versions.
    named = split_half(labels, kinds, [f"{i}.png" for i in range(8)])
    assert named.tolist() == [True, False, True, False, False, True, True, False]


def test_a_kind_with_both_labels_is_split_for_each():
    tune = split_half(np.array([0, 0, 1, 1]), ["mixed"] * 4)
    assert tune[:2].sum() == tune[2:].sum() == 1


def test_cautions():
    assert cautions(np.repeat([True, False], [20, 5])) == ()
    assert cautions(np.empty(0, bool))[0].startswith("No image has a label")
    assert cautions(np.zeros(4, bool)) == (
        "There is no defect image: misses, F1, AUROC and the best threshold are unknown.",
    )
    only_one = cautions(np.ones(1, bool))
    assert len(only_one) == 2
    assert only_one[0].startswith("There is no good image")
    assert only_one[1].startswith("Only 1 defect image: one more or less found moves recall by 100 %.")
    few = cautions(np.repeat([True, False], [19, 30]))
    assert few == (
        "Only 19 defect images: one more or less found moves recall by 5 %. "
        "Collect at least 20 before a threshold is fixed.",
    )
