"""The grid against the slow way: threshold, open, filter and count every map with scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from draem_core.evaluation.component_tree import component_tree
from draem_core.evaluation.settings_grid import EVEN_STOPS, LOGIT_STOPS, MIN_AREAS, STOPS, Outcome, SettingsGrid
from draem_core.metrics import Counts, count
from draem_core.postprocess import PostProcess
from draem_core.sweep import ThresholdSweep

EIGHT = np.ones((3, 3))
FEW_STOPS = np.array([0.0, 0.1, 0.35, 0.5, 0.731, 0.9, 0.999, 1.0])
AREAS = (0, 2, 3, 5, 9, 20)
KERNELS = (1, 3, 5)


def slow(maps: list[np.ndarray], truths: list[np.ndarray | None], labels: list[bool], setting: tuple) -> Outcome:
    pixel, image, found, total, blobs = Counts(0, 0, 0, 0), Counts(0, 0, 0, 0), 0, 0, 0
    for one, truth, label in zip(maps, truths, labels, strict=True):
        mask = PostProcess(*setting).apply(one)
        flagged = bool(mask.any())
        image += Counts(flagged and label, flagged and not label, not flagged and label, not flagged and not label)
        if truth is None:
            continue
        pixel += count(mask, truth)
        regions, number = ndimage.label(truth, EIGHT)
        total += number
        found += len(set(regions[mask]) - {0})
        shapes, number = ndimage.label(mask, EIGHT)
        blobs += number - len(set(shapes[truth]) - {0})
    return Outcome(*setting, pixel, image, found, total, blobs)


def random_dataset(seed: int, side: int = 24) -> tuple[list, list, list]:
    rng = np.random.default_rng(seed)
    maps, truths, labels = [], [], []
    for index in range(4):
        smooth = ndimage.gaussian_filter(rng.random((side, side + 5)), rng.uniform(0, 2))
        values = (smooth - smooth.min()) / np.ptp(smooth)
        truth = (
            ndimage.gaussian_filter(rng.random(values.shape), 2) > 0.53 if index % 2 else np.zeros(values.shape, bool)
        )
        maps.append(values.astype(np.float32))
        truths.append(truth if index < 3 else None)
        labels.append(bool(index % 2))
    return maps, truths, labels


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_setting_counts_as_the_slow_way(seed: int) -> None:
    dataset = random_dataset(seed)
    grid = SettingsGrid.from_maps(*dataset, kernel_sizes=KERNELS, min_areas=AREAS, sensitivities=FEW_STOPS)
    for sensitivity in FEW_STOPS:
        for kernel_size in KERNELS:
            for min_area in AREAS:
                setting = (float(sensitivity), kernel_size, min_area)
                assert grid.at(*setting) == slow(*dataset, setting)


def test_shards_add_up() -> None:
    maps, truths, labels = random_dataset(3)
    whole = SettingsGrid.from_maps(maps, truths, labels)
    parts = [SettingsGrid.from_maps(maps[part], truths[part], labels[part]) for part in (slice(0, 1), slice(1, 4))]
    merged = SettingsGrid.merge(parts)
    for name, value in vars(whole).items():
        np.testing.assert_allclose(getattr(merged, name), value, rtol=1e-12, atol=1e-12, err_msg=name)


def test_without_minimum_area_it_is_the_threshold_sweep() -> None:
    maps, truths, labels = random_dataset(5)
    grid = SettingsGrid.from_maps(maps, truths, labels)
    sweep = ThresholdSweep.from_maps(maps, truths, labels=labels)
    for sensitivity in EVEN_STOPS[::97]:
        for kernel_size in (1, 5, 31):
            outcome, readout = grid.at(sensitivity, kernel_size, 0), sweep.at(sensitivity, kernel_size)
            assert (outcome.pixel, outcome.image, outcome.regions_found) == (
                readout.pixel,
                readout.image,
                readout.regions_found,
            )


def test_two_dots_and_a_bar_by_hand() -> None:
    """A bar of 3 pixels at 0.8, a dot at 0.6; the truth is the bar's first pixel and one that stays dark."""
    values = np.zeros((5, 5), np.float32)
    values[0, :3] = 0.8
    values[4, 4] = 0.6
    truth = np.zeros((5, 5), bool)
    truth[0, 0] = truth[2, 2] = True
    grid = SettingsGrid.from_maps([values], [truth], kernel_sizes=[1], min_areas=[0, 2, 4], sensitivities=[0.3, 0.5])
    assert grid.at(0.3, 1, 0) == Outcome(0.3, 1, 0, Counts(1, 2, 1, 21), Counts(1, 0, 0, 0), 1, 2, 0)
    assert grid.at(0.5, 1, 0).false_blobs == 1
    assert grid.at(0.5, 1, 2) == Outcome(0.5, 1, 2, Counts(1, 2, 1, 21), Counts(1, 0, 0, 0), 1, 2, 0)
    assert grid.at(0.5, 1, 4) == Outcome(0.5, 1, 4, Counts(0, 0, 2, 23), Counts(0, 0, 1, 0), 0, 2, 0)
    np.testing.assert_allclose(grid.table(grid.overlap, 1, 0), [1, 1])


def test_a_postprocessed_score_tells_at_which_stops_an_image_is_flagged() -> None:
    maps, truths, labels = random_dataset(11)
    grid = SettingsGrid.from_maps(maps, truths, labels, kernel_sizes=[3], min_areas=AREAS)
    for sensitivity in STOPS[::131]:
        flagged = grid.postprocessed_scores(3, 9) > np.float32(1 - sensitivity)
        masks = [PostProcess(sensitivity, 3, 9).apply(one) for one in maps]
        np.testing.assert_array_equal(flagged, [mask.any() for mask in masks])


def test_the_sliders_stops() -> None:
    assert MIN_AREAS[:18] == tuple(range(18))
    assert MIN_AREAS[-1] == 4096
    assert {0.0, 0.5, 1.0} <= set(EVEN_STOPS)
    assert set(LOGIT_STOPS) <= set(STOPS)
    assert (LOGIT_STOPS[0], LOGIT_STOPS[-1]) == (1.125e-07, round(1 - 1.125e-07, 12))
    assert LOGIT_STOPS[340] == round(1 - 0.2689, 12)  # the logit 1


def test_a_setting_between_stops_is_refused_and_the_nearest_named() -> None:
    grid = SettingsGrid.from_maps(*random_dataset(1), kernel_sizes=[1, 3])
    with pytest.raises(ValueError, match=r"0\.1234.*nearest is 0\.123"):
        grid.at(0.1234, 3, 0)
    with pytest.raises(ValueError, match="kernel size 2"):
        grid.at(0.5, 2, 0)
    with pytest.raises(ValueError, match=r"4000.*nearest is"):
        grid.at(0.5, 3, 4000)
    with pytest.raises(ValueError, match="different sliders"):
        SettingsGrid.merge([grid, SettingsGrid.from_maps(*random_dataset(1), kernel_sizes=[1])])
    with pytest.raises(ValueError, match="rise from 0"):
        SettingsGrid.from_maps([], [], min_areas=[1, 2])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 12), width=st.integers(1, 12), top=st.integers(1, 8))
def test_the_tree_holds_the_regions_of_every_level(seed: int, height: int, width: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, top + 1, (height, width)).astype(np.uint16)
    marked, weights = rng.random(levels.shape) < 0.3, rng.random(levels.shape)
    tree = component_tree(levels, np.flatnonzero(marked), weights[marked])
    for level in range(top + 1):
        labels, number = ndimage.label(levels > level, EIGHT)
        alive = (tree.level > level) & (tree.until <= level)
        sums = [
            (np.sum(labels == one), np.sum(marked & (labels == one)), weights[marked & (labels == one)].sum())
            for one in range(1, number + 1)
        ]
        nodes = list(zip(tree.area[alive], tree.truth[alive], tree.weight[alive], strict=True))
        assert len(sums) == len(nodes)
        np.testing.assert_allclose(sorted(sums), sorted(nodes))
