"""Metrics a reader can compute by hand, scikit-learn as the oracle, and a slow AUPRO written from its definition."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from draem_core import metrics
from draem_core.metrics import Counts, Ranking, count

GOLDEN = Path(__file__).parents[2] / "shared" / "golden" / "formulas" / "metrics.npz"

# Few levels: ties between defect and good are the rule.
SCORES = hnp.arrays(np.float32, st.integers(2, 60), elements=st.sampled_from(np.linspace(0, 1, 7).tolist()))
SCORED = SCORES.flatmap(lambda scores: st.tuples(st.just(scores), hnp.arrays(bool, scores.shape)))


def slow_aupro(maps, masks, limit):
    """Walk over every threshold, count by hand, join the points by straight lines, cut at the limit."""
    good = sum(int((~mask).sum()) for mask in masks)
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([one.ravel() for one in maps]))[::-1]:
        rate = sum(int(((one >= threshold) & ~mask).sum()) for one, mask in zip(maps, masks, strict=True)) / good
        overlaps = []
        for one, mask in zip(maps, masks, strict=True):
            labels, number = ndimage.label(mask, structure=np.ones((3, 3)))
            overlaps += [(one[labels == region] >= threshold).mean() for region in range(1, number + 1)]
        points.append((rate, float(np.mean(overlaps))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit:
            break
        if x1 > limit:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def scene(seed, number=4, shape=(20, 24), levels=None):
    """Draw maps with ragged defect regions, in which the map is higher; few levels where asked."""
    rng = np.random.default_rng(seed)
    masks = ndimage.gaussian_filter(rng.random((number, *shape)), (0, 2, 2)) > 0.55
    masks[0] = False
    maps = rng.random(masks.shape) * 0.7 + 0.3 * masks * rng.random(masks.shape)
    if levels:
        maps = np.round(maps * levels) / levels
    return maps.astype(np.float32), masks


@pytest.mark.skipif(not GOLDEN.exists(), reason="no golden metrics here")
def test_golden_metrics():
    golden = np.load(GOLDEN)
    maps, masks = golden["anomaly_maps"], golden["gt_masks"]
    assert metrics.pixel_auroc(maps, masks) == pytest.approx(float(golden["pixel_auroc"]), abs=1e-9)
    assert metrics.pixel_ap(maps, masks) == pytest.approx(float(golden["pixel_ap"]), abs=1e-9)
    best = metrics.pixel_f1max(maps, masks)
    assert best.f1 == pytest.approx(float(golden["pixel_f1max"]), abs=1e-9)
    assert best.threshold == pytest.approx(float(golden["pixel_f1max_threshold"]), abs=1e-6)
    assert metrics.aupro(maps, masks, fpr_limit=0.3) == pytest.approx(float(golden["aupro_fpr_limit_030"]), abs=1e-6)


def test_counts_by_hand():
    counts = count(np.array([[1, 1, 0], [0, 1, 0]]), np.array([[1, 0, 0], [1, 1, 0]]))
    assert counts == Counts(tp=2, fp=1, fn=1, tn=2)
    assert counts.precision == counts.recall == counts.f1 == pytest.approx(2 / 3)
    assert counts.iou == 0.5
    assert counts.false_alarm_rate == pytest.approx(1 / 3)
    assert counts.accuracy == pytest.approx(4 / 6)
    assert counts + Counts(1, 2, 3, 4) == Counts(3, 3, 4, 6)


def test_undefined_counts_are_nan_and_say_why():
    nothing_flagged = Counts(tp=0, fp=0, fn=3, tn=5)
    assert np.isnan(nothing_flagged.precision)
    assert nothing_flagged.undefined_reason("precision") == "nothing is flagged"
    assert nothing_flagged.f1 == nothing_flagged.recall == 0.0  # a miss is a miss, not undefined
    assert nothing_flagged.undefined_reason("f1") is None
    all_good = Counts(tp=0, fp=0, fn=0, tn=5)
    assert np.isnan(all_good.f1)
    assert np.isnan(all_good.iou)
    assert np.isnan(all_good.recall)
    assert all_good.undefined_reason("f1") == "there is no defect and nothing is flagged"
    assert Counts(0, 2, 0, 5).f1 == 0.0
    assert all(
        Counts(0, 0, 0, 0).undefined_reason(metric)
        for metric in ("f1", "iou", "precision", "recall", "false_alarm_rate", "accuracy")
    )


def test_ranking_by_hand():
    scores, labels = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]
    assert metrics.image_auroc(scores, labels) == 0.75  # of four pairs one is upside down
    assert metrics.image_ap(scores, labels) == pytest.approx((1 + 2 / 3) / 2)
    best = metrics.image_f1max(scores, labels)
    assert best.f1 == pytest.approx(0.8)
    assert (best.precision, best.recall) == (pytest.approx(2 / 3), 1.0)
    assert metrics.image_auroc([0.5, 0.5], [0, 1]) == 0.5


@given(SCORED)
@settings(max_examples=300, deadline=None)
def test_rankings_agree_with_scikit_learn(scored):
    scores, labels = scored
    ranking = Ranking.of_images(scores, labels)
    if labels.all() or not labels.any():
        assert not ranking.is_defined
        assert np.isnan([ranking.auroc(), ranking.average_precision(), ranking.f1max().f1]).all()
        return
    assert ranking.auroc() == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert ranking.average_precision() == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    precision, recall, _ = precision_recall_curve(labels, scores)
    best = ranking.f1max()
    assert best.f1 == pytest.approx(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))
    counts = count(scores > np.float32(best.threshold), labels)  # the threshold does what it says
    assert (counts.f1, counts.precision, counts.recall) == pytest.approx((best.f1, best.precision, best.recall))


@pytest.mark.parametrize("levels", [None, 9])
def test_pixel_metrics_agree_with_scikit_learn(levels):
    maps, masks = scene(5, levels=levels)
    assert metrics.pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-12)
    assert metrics.pixel_ap(maps, masks) == pytest.approx(
        average_precision_score(masks.ravel(), maps.ravel()), abs=1e-12
    )
    best = metrics.pixel_f1max(maps, masks)
    assert count(maps > np.float32(best.threshold), masks).f1 == pytest.approx(best.f1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levels", [None, 4, 15])
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_follows_its_definition(seed, levels, limit):
    maps, masks = scene(seed, levels=levels)
    assert metrics.aupro(maps, masks, fpr_limit=limit) == pytest.approx(slow_aupro(maps, masks, limit), abs=1e-9)


def test_aupro_by_hand():
    masks = np.zeros((1, 1, 8), bool)
    masks[0, 0, [0, 2, 3, 4]] = True  # a region of one pixel and one of three: each weighs a half
    maps = np.array([[[0.9, 0, 0.8, 0.8, 0.1, 0.7, 0.05, 0.05]]], np.float32)
    # overlap 1/2 at 0.9, 5/6 at 0.8, both before the first false alarm (0.7: rate 1/4), 1 at 0.1
    assert metrics.aupro(maps, masks, fpr_limit=0.25) == pytest.approx(5 / 6)
    assert metrics.aupro(maps, masks, fpr_limit=0.5) == pytest.approx((5 / 6 + 1) / 2)


def test_a_large_region_does_not_drown_a_small_one():
    masks = np.zeros((1, 10, 12), bool)
    masks[0, :, :5] = True
    masks[0, 0, 11] = True
    maps = masks.astype(np.float32)
    maps[0, 0, 11] = 0  # the small one is missed
    assert metrics.aupro(maps, masks) == pytest.approx(slow_aupro(maps, masks, 0.3))
    assert metrics.aupro(maps, masks) < 0.6
    assert metrics.pixel_auroc(maps, masks) > 0.98


def test_figures_depend_on_order_only():
    maps, masks = scene(2)
    for metric in (metrics.pixel_auroc, metrics.pixel_ap, metrics.aupro):
        assert metric(maps**3, masks) == pytest.approx(metric(maps, masks))
    assert metrics.pixel_auroc(1 - maps, masks) == pytest.approx(1 - metrics.pixel_auroc(maps, masks))


def test_maps_of_several_sizes_pool():
    maps, masks = scene(8, number=3)
    parts = [maps[0, :10], maps[0, 10:], *maps[1:]]
    truth = [masks[0, :10], masks[0, 10:], *masks[1:]]
    assert metrics.pixel_ap(parts, truth) == pytest.approx(metrics.pixel_ap(maps, masks))


def test_one_class_only_is_nan_and_says_why():
    maps = np.random.default_rng(0).random((2, 8, 8)).astype(np.float32)
    for masks in (np.zeros(maps.shape, bool), np.ones(maps.shape, bool)):
        for metric in (metrics.pixel_auroc, metrics.pixel_ap, metrics.aupro):
            assert np.isnan(metric(maps, masks))
        assert np.isnan(metrics.pixel_f1max(maps, masks).threshold)
    assert metrics.undefined_reason(np.zeros((2, 8, 8))).startswith("every pixel is good")
    assert metrics.undefined_reason([1, 1, 1], unit="image").startswith("every image is defect")
    assert metrics.undefined_reason([]) == "there is no pixel with ground truth"
    assert metrics.undefined_reason([0, 1]) is None
    assert np.isnan(metrics.pixel_auroc([], []))
    assert np.isnan(metrics.aupro([], []))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="map 0 holds NaN"):
        metrics.pixel_auroc(np.full((1, 2, 2), np.nan), np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match="2 maps and 1 masks"):
        metrics.aupro(np.zeros((2, 2, 2)), np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match=r"map 1 has shape \(2, 3\), its mask \(2, 2\)"):
        metrics.pixel_ap([np.zeros((2, 2)), np.zeros((2, 3))], [np.zeros((2, 2)), np.zeros((2, 2))])
    with pytest.raises(ValueError, match="two lists of one length"):
        metrics.image_auroc([0.1, 0.2], [1])
    with pytest.raises(ValueError, match="bring them to one grid"):
        count(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="limit"):
        metrics.aupro(*scene(1), fpr_limit=0)
