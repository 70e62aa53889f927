"""The sweep against the slow way (every mask made and counted), and shards against the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from draem_core import metrics
from draem_core.evaluation.histogram import LOGIT_SLIDER, SLIDER, count_positions
from draem_core.metrics import Counts, count
from draem_core.postprocess import PostProcess, grey_opening
from draem_core.sweep import ThresholdSweep

KERNELS = (1, 2, 3, 5, 11)
# Values on, just above and between the thresholds of the slider, and DRAEM's favourites at both ends.
LEVELS = [0.0, 1e-9, 0.1, float(np.float32(1 - 0.75)), 0.5, float(np.nextafter(np.float32(0.5), np.float32(1))), 0.9995]
LEVELS += [float(np.float32(1 - 2**-24)), 1.0]
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 14))
SENSITIVITIES = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    st.sampled_from(SLIDER.tolist()),
    st.sampled_from(LOGIT_SLIDER.tolist()),
)


@st.composite
def scenes(draw, at_least=1):
    """Draw maps of several sizes with masks, None among them, and labels that may contradict an empty mask."""
    maps, masks, labels = [], [], []
    for _ in range(draw(st.integers(at_least, 4))):
        shape = draw(SHAPES)
        maps.append(draw(hnp.arrays(np.float32, shape, elements=st.sampled_from(LEVELS))))
        masks.append(draw(st.none() | hnp.arrays(bool, shape)))
        labels.append(draw(st.booleans() if masks[-1] is None else st.none()))
    return maps, masks, labels


def slow_counts(maps, masks, labels, post):
    """Make each mask and count it."""
    pixel, image, found, total = Counts(0, 0, 0, 0), Counts(0, 0, 0, 0), 0, 0
    for one, truth, label in zip(maps, masks, labels, strict=True):
        mask = post.apply(one)
        image += count(mask.any(), truth.any() if label is None else label)
        if truth is not None:
            pixel += count(mask, truth)
            regions, number = ndimage.label(truth, structure=np.ones((3, 3)))
            total += number
            found += sum(bool(mask[regions == region].any()) for region in range(1, number + 1))
    return pixel, image, found, total


def dataset(seed=0, number=8, shape=(40, 48)):
    """Draw maps that crowd at 0 and 1 as DRAEM's do, with noise blobs and defects from clear to missed."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(number, *shape)), (0, 1.5, 1.5))
    masks = np.zeros(noise.shape, bool)
    for index in range(number // 2, number):
        for _ in range(2):
            row, column = rng.integers(0, shape[0] - 8), rng.integers(0, shape[1] - 8)
            height, width = rng.integers(2, 8, 2)
            masks[index, row : row + height, column : column + width] = True
    odds = 4 * noise / noise.std() - 6 + masks * rng.uniform(2, 14, (number, 1, 1))
    return (1 / (1 + np.exp(-odds))).astype(np.float32), masks


@given(scenes(), SENSITIVITIES, st.sampled_from(KERNELS), st.sampled_from([0, 1, 4, 30]))
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_the_masks(scene, sensitivity, kernel_size, min_area):
    sweep = ThresholdSweep.from_maps(scene[0], scene[1], (kernel_size,), min_area, labels=scene[2])
    readout = sweep.at(sensitivity, kernel_size)
    expected = slow_counts(*scene, PostProcess(sensitivity, kernel_size, min_area))
    assert (readout.pixel, readout.image, readout.regions_found, readout.regions_total) == expected


@given(scenes(at_least=2), st.data())
@settings(max_examples=60, deadline=None)
def test_merged_shards_are_the_whole(scene, data):
    cut = data.draw(st.integers(0, len(scene[0])))
    whole, first, second = (
        ThresholdSweep.from_maps(scene[0][part], scene[1][part], (1, 3), labels=scene[2][part])
        for part in (slice(None), slice(0, cut), slice(cut, None))
    )
    merged = ThresholdSweep.merge([first, second])
    for name in ("defect_pixels", "good_pixels", "image_scores", "image_labels", "region_scores", "region_images"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))
    np.testing.assert_allclose(merged.overlap, whole.overlap, atol=1e-12)


def test_counts_by_hand():
    good = np.array([[0.1, 0.6], [0.1, 0.1]], np.float32)
    defect = np.array([[0.9, 0.4], [0.2, 0.9]], np.float32)
    truth = np.array([[1, 1], [0, 0]])
    readout = ThresholdSweep.from_maps([good, defect], [np.zeros((2, 2)), truth], kernel_sizes=[1]).at(0.5, 1)
    assert readout.pixel == Counts(tp=1, fp=2, fn=1, tn=4)
    assert readout.image == Counts(tp=1, fp=1, fn=0, tn=0)
    assert (readout.regions_found, readout.regions_total) == (1, 1)
    assert readout.threshold == 0.5
    assert readout.image_auroc == 1.0
    # Of the 2 × 6 pixel pairs, 0.9 ties once and loses never, 0.4 loses to 0.6 and 0.9.
    assert readout.pixel_auroc == pytest.approx((5.5 + 4) / 12)


@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_figures_are_those_of_the_opened_maps(kernel_size):
    maps, masks = dataset()
    sweep = ThresholdSweep.from_maps(maps, masks, (1, 3, 7))
    readout = sweep.at(0.5, kernel_size)
    opened = np.stack([grey_opening(one, kernel_size) for one in maps])
    # Taking the pixels of one bin for ties costs at most half of the pairs within bins.
    defect, good = (counts[(1, 3, 7).index(kernel_size)] for counts in (sweep.defect_pixels, sweep.good_pixels))
    bound = float(defect @ good) / (2 * float(defect.sum()) * float(good.sum()))
    assert bound < 2e-3
    assert readout.pixel_auroc == pytest.approx(metrics.pixel_auroc(opened, masks), abs=bound)
    assert readout.pixel_ap == pytest.approx(metrics.pixel_ap(opened, masks), abs=2e-3)
    assert readout.aupro == pytest.approx(metrics.aupro(opened, masks), abs=1e-3)
    best = metrics.pixel_f1max(opened, masks)
    assert best.f1 - 1e-3 <= readout.pixel_f1max.f1 <= best.f1 + 1e-12
    kept = opened > np.float32(readout.pixel_f1max.threshold)
    assert count(kept, masks).f1 == pytest.approx(readout.pixel_f1max.f1)
    scores, labels = opened.max(axis=(1, 2)), masks.any(axis=(1, 2))
    assert readout.image_auroc == metrics.image_auroc(scores, labels)
    assert readout.image_ap == metrics.image_ap(scores, labels)
    assert readout.image_f1max == metrics.image_f1max(scores, labels)


def test_ties_at_certainty_stay_ties():
    """Saturated maps: what is exactly 1 must not be told apart, nor mixed with what is a hair below."""
    rng = np.random.default_rng(4)
    maps = rng.choice(np.array([0, 0.5, 1 - 2**-24, 1], np.float32), (3, 20, 20), p=[0.4, 0.2, 0.2, 0.2])
    masks = rng.random(maps.shape) < maps * 0.5
    readout = ThresholdSweep.from_maps(maps, masks, (1,)).at(0.5, 1)
    assert readout.pixel_auroc == pytest.approx(metrics.pixel_auroc(maps, masks), abs=1e-12)
    assert readout.pixel_ap == pytest.approx(metrics.pixel_ap(maps, masks), abs=1e-12)
    assert readout.aupro == pytest.approx(metrics.aupro(maps, masks), abs=1e-12)
    assert readout.pixel_f1max.f1 == pytest.approx(metrics.pixel_f1max(maps, masks).f1)


@pytest.mark.parametrize("sensitivities", [SLIDER, LOGIT_SLIDER])
def test_tables_hold_what_at_says(sensitivities):
    maps, masks = dataset(1)
    sweep = ThresholdSweep.from_maps(maps, [None, *masks[1:]], (1, 3, 9), labels=[False] * 4 + [True] * 4)
    tables = sweep.tables(sensitivities)
    for row, kernel_size in enumerate(tables.kernel_sizes):
        for column in range(0, sensitivities.size, 50):
            readout = sweep.at(float(sensitivities[column]), kernel_size)
            assert (tables.pixel_tp[row, column], tables.pixel_fp[row, column]) == (readout.pixel.tp, readout.pixel.fp)
            assert (tables.image_tp[row, column], tables.image_fp[row, column]) == (readout.image.tp, readout.image.fp)
            assert tables.regions_found[row, column] == readout.regions_found
            assert tables.defect_pixels - tables.pixel_tp[row, column] == readout.pixel.fn
            assert tables.good_images - tables.image_fp[row, column] == readout.image.tn
        assert tables.metrics[row].pixel_auroc == readout.pixel_auroc
    assert (np.diff(tables.pixel_fp, axis=1) >= 0).all()  # a higher sensitivity flags more
    assert (np.diff(tables.pixel_fp, axis=0) <= 0).all()  # a larger kernel flags less, as odd squares nest


def test_positions_hold_every_slider_stop_and_can_be_set():
    positions = count_positions()
    assert (np.diff(positions) > 0).all()
    for stops in (SLIDER, LOGIT_SLIDER):
        assert (np.diff(stops) > 0).all()
        assert np.isin((1 - stops).astype(np.float32), positions).all()
    reached = [PostProcess(sensitivity=1 - float(position)).threshold for position in positions]
    np.testing.assert_array_equal(reached, positions)


def test_between_positions_the_nearest_is_named():
    maps, masks = dataset(2, number=2)
    sweep = ThresholdSweep.from_maps(maps, masks, (1, 3))
    nearest = sweep.nearest(0.123456)
    assert nearest == pytest.approx(0.123456, abs=3e-5)
    assert sweep.at(nearest, 3).sensitivity == nearest
    with pytest.raises(ValueError, match=f"the nearest that are: {nearest}"):
        sweep.at(0.123456, 3)
    np.testing.assert_array_equal(
        sweep.flagged_images(0.123456, 3), [PostProcess(0.123456, 3).apply(one).any() for one in maps]
    )


def test_regions_that_opening_erases_are_named():
    truth = np.zeros((30, 30), bool)
    truth[2:4, 2:20] = True  # two pixels thin: a 3×3 square erases it
    truth[10:20, 10:20] = True
    empty = np.zeros((30, 30), np.float32)
    sweep = ThresholdSweep.from_maps([empty, truth.astype(np.float32)], [empty, truth], (1, 3))
    np.testing.assert_array_equal(sweep.region_images, [1, 1])
    np.testing.assert_array_equal(sweep.found_regions(0.5, 1), [True, True])
    np.testing.assert_array_equal(sweep.found_regions(0.5, 3), [False, True])


def test_without_truth_an_image_counts_at_image_level_only():
    maps, masks = dataset(3)
    labels = masks.any(axis=(1, 2))
    full = ThresholdSweep.from_maps(maps, masks, (3,)).at(0.9, 3)
    none = ThresholdSweep.from_maps(maps, [None] * len(maps), (3,), labels=labels).at(0.9, 3)
    assert none.image == full.image
    assert none.image_auroc == full.image_auroc
    assert none.pixel == Counts(0, 0, 0, 0)
    assert none.regions_total == 0
    assert np.isnan([none.pixel_auroc, none.pixel_ap, none.aupro, none.pixel_f1max.f1]).all()


def test_a_label_outranks_a_mask_that_lost_its_pixels():
    one = np.full((4, 4), 0.9, np.float32)
    readout = ThresholdSweep.from_maps([one], [np.zeros((4, 4))], (1,), labels=[True]).at(0.5, 1)
    assert readout.image == Counts(tp=1, fp=0, fn=0, tn=0)
    assert readout.pixel.fp == 16


def test_maps_may_come_one_by_one():
    maps, masks = dataset(6)
    listed = ThresholdSweep.from_maps(maps, masks, (3,))
    streamed = ThresholdSweep.from_maps((one for one in maps), (one for one in masks), (3,))
    assert streamed.at(0.5, 3) == listed.at(0.5, 3)


def test_a_sweep_of_nothing_is_undefined_not_broken():
    sweep = ThresholdSweep.from_maps([], [], (1, 3))
    readout = sweep.at(0.5, 3)
    assert readout.pixel == readout.image == Counts(0, 0, 0, 0)
    assert np.isnan([readout.pixel_auroc, readout.image_auroc, readout.aupro, readout.image_f1max.f1]).all()
    maps, masks = dataset(7, number=2)
    whole = ThresholdSweep.from_maps(maps, masks, (1, 3))
    assert ThresholdSweep.merge([sweep, whole]).at(0.5, 3) == whole.at(0.5, 3)


def test_bad_input_is_refused():
    one, truth = np.zeros((4, 4), np.float32), np.zeros((4, 4), bool)
    with pytest.raises(ValueError, match="NaN"):
        ThresholdSweep.from_maps([np.full((4, 4), np.nan)], [truth])
    with pytest.raises(ValueError, match=r"map 1 has shape \(4, 4\), its mask \(4, 5\)"):
        ThresholdSweep.from_maps([one, one], [truth, np.zeros((4, 5))])
    with pytest.raises(ValueError, match="equally many; one of them ends after 1"):
        ThresholdSweep.from_maps([one, one], [truth])
    with pytest.raises(ValueError, match="image 0 has neither mask nor label"):
        ThresholdSweep.from_maps([one], [None])
    with pytest.raises(ValueError, match="kernel_size is 0"):
        ThresholdSweep.from_maps([one], [truth], kernel_sizes=[0])
    with pytest.raises(ValueError, match="kernel_sizes is empty"):
        ThresholdSweep.from_maps([one], [truth], kernel_sizes=[])
    sweep = ThresholdSweep.from_maps([one], [truth], kernel_sizes=[1])
    with pytest.raises(ValueError, match="kernel size 5 was not swept"):
        sweep.at(0.5, 5)
    with pytest.raises(ValueError, match="do not add up"):
        ThresholdSweep.merge([sweep, ThresholdSweep.from_maps([one], [truth], kernel_sizes=[3])])
    with pytest.raises(ValueError, match="no sweep to merge"):
        ThresholdSweep.merge([])
