"""Masks against scipy's definition, the two identities that the sweep stands on, and regions a reader can count."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.morphology import remove_small_objects

from draem_core.postprocess import (
    MaskStages,
    PostProcess,
    area_opening,
    find_regions,
    grey_opening,
    opening,
    postprocessed_score,
    remove_small_regions,
    resize_nearest,
)
from draem_core.types import Region

GOLDEN = Path(__file__).parents[2] / "shared" / "golden" / "formulas" / "masks.npz"

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
# Few levels make many ties and large flat regions; thresholds fall on values as often as between them.
LEVELS = np.linspace(0, 1, 9, dtype=np.float32)
MAPS = SHAPES.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=st.sampled_from(LEVELS.tolist())))
SENSITIVITIES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))
KERNELS = st.integers(1, 12)


def slow_mask(anomaly_map, sensitivity, kernel_size, min_area=0):
    """Spell the definition out with the two libraries that it names."""
    above = anomaly_map > np.float32(1 - sensitivity)
    opened = ndimage.binary_opening(above, structure=np.ones((kernel_size, kernel_size)))
    return remove_small_objects(opened, max_size=min_area - 1, connectivity=2) if min_area > 1 else opened


def blobs(rng, shape, scale):
    """Draw a smooth map in [0, 1], whose blobs are cut by the border now and then."""
    noise = ndimage.gaussian_filter(rng.random(shape), scale)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.mark.skipif(not GOLDEN.exists(), reason="no golden masks here")
def test_golden_masks():
    golden = np.load(GOLDEN)
    for (sensitivity, kernel_size), expected in zip(golden["sensitivity_kernel"], golden["masks"], strict=True):
        mask = PostProcess(float(sensitivity), int(kernel_size)).apply(golden["anomaly_map"])
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, expected)


@given(MAPS, SENSITIVITIES, KERNELS, st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_apply_is_the_definition(anomaly_map, sensitivity, kernel_size, min_area):
    mask = PostProcess(sensitivity, kernel_size, min_area).apply(anomaly_map)
    np.testing.assert_array_equal(mask, slow_mask(anomaly_map, sensitivity, kernel_size, min_area))


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 8, 15, 31, 70])
def test_apply_on_blobs_and_odd_pictures(kernel_size):
    rng = np.random.default_rng(kernel_size)
    for shape in [(64, 97), (97, 64), (31, 31), (5, 200)]:
        anomaly_map = blobs(rng, shape, 4)
        mask = PostProcess(0.6, kernel_size, 20).apply(anomaly_map)
        np.testing.assert_array_equal(mask, slow_mask(anomaly_map, 0.6, kernel_size, 20))


@given(MAPS, KERNELS)
@settings(max_examples=200, deadline=None)
def test_threshold_and_grey_opening_commute(anomaly_map, kernel_size):
    grey = grey_opening(anomaly_map, kernel_size)
    assert grey.dtype == np.float32
    assert grey.shape == anomaly_map.shape
    for threshold in (-0.5, *LEVELS, 0.3):
        binary = ndimage.binary_opening(anomaly_map > threshold, structure=np.ones((kernel_size, kernel_size)))
        np.testing.assert_array_equal(grey > threshold, binary)


@given(MAPS, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_threshold_and_area_opening_commute(anomaly_map, min_area):
    grey = area_opening(anomaly_map, min_area)
    assert grey.dtype == np.float32
    for threshold in (-0.5, *LEVELS, 0.3):
        np.testing.assert_array_equal(grey > threshold, remove_small_regions(anomaly_map > threshold, min_area))


@given(MAPS, SENSITIVITIES, KERNELS, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_a_mask_has_pixels_exactly_where_the_score_exceeds_the_threshold(
    anomaly_map, sensitivity, kernel_size, min_area
):
    rule = PostProcess(sensitivity, kernel_size, min_area)
    highest = postprocessed_score(anomaly_map, kernel_size, min_area)
    assert highest.dtype == np.float32
    assert highest == area_opening(grey_opening(anomaly_map, kernel_size), min_area).max()
    assert rule.apply(anomaly_map).any() == (highest > rule.threshold)
    for threshold in LEVELS:  # thresholds that fall on values
        opened = opening(anomaly_map > threshold, kernel_size)
        assert remove_small_regions(opened, min_area).any() == (highest > threshold)


def test_a_postprocessed_score_that_a_reader_can_see():
    anomaly_map = np.zeros((6, 9), np.float32)
    anomaly_map[1, 1] = 1.0  # a speck
    anomaly_map[3:6, 4:7] = 0.75
    anomaly_map[3:6, 7] = 0.5
    assert postprocessed_score(anomaly_map, 1, 0) == 1.0
    assert postprocessed_score(anomaly_map, 3, 0) == 0.75, "the square of 3 × 3"
    assert postprocessed_score(anomaly_map, 3, 10) == 0.5, "9 pixels are too few, 12 are enough"
    assert postprocessed_score(anomaly_map, 3, 13) == 0.0
    assert postprocessed_score(anomaly_map, 7, 0) == postprocessed_score(anomaly_map, 1, 55) == -np.inf, (
        "nothing so large fits in 6 × 9"
    )


@given(MAPS, KERNELS)
@settings(max_examples=100, deadline=None)
def test_opening_is_idempotent_and_never_adds(anomaly_map, kernel_size):
    opened = opening(anomaly_map, kernel_size)
    assert (opened <= anomaly_map).all()
    np.testing.assert_array_equal(opening(opened, kernel_size), opened)


def test_opening_of_ranks_gives_the_ranks_of_the_opened():
    values, ranks = np.unique(blobs(np.random.default_rng(1), (40, 50), 2), return_inverse=True)
    opened = opening(ranks.astype(np.uint16), 5)
    assert opened.dtype == np.uint16
    np.testing.assert_array_equal(values[opened], grey_opening(values[ranks], 5))


def test_a_square_of_the_kernels_size_survives_and_a_thinner_bar_does_not():
    anomaly_map = np.zeros((12, 12), np.float32)
    anomaly_map[0:3, 0:3] = 0.9  # in the corner: the border does not eat it
    anomaly_map[8:10, 2:11] = 0.9
    mask = PostProcess(sensitivity=0.5, kernel_size=3).apply(anomaly_map)
    assert mask.sum() == 9
    assert mask[0:3, 0:3].all()


def test_threshold_is_strict_and_float32():
    post = PostProcess(sensitivity=0.9, kernel_size=1)
    assert post.threshold.dtype == np.float32
    above = np.nextafter(post.threshold, np.float32(1))
    np.testing.assert_array_equal(post.apply(np.array([[post.threshold, above]])), [[False, True]])


def test_full_sensitivity_flags_all_but_zero_and_none_flags_nothing():
    anomaly_map = np.array([[0.0, 1e-30, 1.0]], np.float32)
    np.testing.assert_array_equal(PostProcess(1.0, 1).apply(anomaly_map), [[False, True, True]])
    assert not PostProcess(0.0, 1).apply(anomaly_map).any()


def test_stages_tell_where_the_pixels_went():
    anomaly_map = np.zeros((20, 20), np.float32)
    anomaly_map[2:8, 2:8] = 1  # 36 pixels stay
    anomaly_map[12:15, 12:15] = 1  # 9 pixels: opened away never, too small for min_area 10
    anomaly_map[18, :] = 1  # 20 pixels of a thin line: opened away
    assert PostProcess(0.5, 3, 10).stages(anomaly_map) == MaskStages(65, 45, 36)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sensitivity": 1.1}, "sensitivity is 1.1; it must lie between 0 and 1"),
        ({"sensitivity": float("nan")}, "sensitivity is nan"),
        ({"kernel_size": 0}, "kernel_size is 0; it must be at least 1"),
        ({"kernel_size": 3.0}, "kernel_size is 3.0; it must be a whole number"),
        ({"min_area": -1}, "min_area is -1; it must be at least 0"),
    ],
)
def test_bad_settings_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        PostProcess(**arguments)


@pytest.mark.parametrize("bad", [np.full((4, 4), np.nan), np.zeros((2, 3, 4)), np.zeros((0, 5)), np.zeros(7)])
def test_bad_maps_are_refused(bad):
    for use in (PostProcess().apply, PostProcess().stages, lambda one: grey_opening(one, 3)):
        with pytest.raises(ValueError, match="anomaly map"):
            use(bad)


def test_regions_are_counted_over_corners_in_raster_order():
    mask = np.array(
        [
            [0, 0, 0, 0, 1],
            [0, 1, 0, 0, 0],
            [0, 0, 1, 0, 0],
            [1, 0, 0, 0, 0],
        ],
        bool,
    )
    assert find_regions(mask) == (Region(0, 4, 1, 1, 1), Region(1, 1, 2, 2, 2), Region(3, 0, 1, 1, 1))
    assert find_regions(np.zeros((3, 3), bool)) == ()


@given(SHAPES.flatmap(lambda shape: hnp.arrays(bool, shape)))
@settings(max_examples=200, deadline=None)
def test_regions_come_in_raster_order_of_their_first_pixel(mask):
    left = mask.copy()
    for region in find_regions(mask):
        # the first pixel still there starts the next region: flood it and compare
        seed = np.zeros_like(mask)
        seed.flat[np.flatnonzero(left)[0]] = True
        pixels = ndimage.binary_propagation(seed, structure=np.ones((3, 3)), mask=mask)
        rows, columns = np.nonzero(pixels)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert region == Region(rows.min(), columns.min(), height, width, pixels.sum())
        left &= ~pixels
    assert not left.any()


def test_nearest_takes_pixel_centres():
    np.testing.assert_array_equal(resize_nearest(np.arange(4)[None], (1, 8)), [[0, 0, 1, 1, 2, 2, 3, 3]])
    np.testing.assert_array_equal(resize_nearest(np.arange(8)[None], (1, 4)), [[1, 3, 5, 7]])
    np.testing.assert_array_equal(resize_nearest(np.arange(5)[None], (1, 3)), [[0, 2, 4]])  # centres 0.83 2.5 4.17


@given(st.integers(1, 60), st.integers(1, 60))
def test_nearest_follows_its_formula(source, target):
    taken = resize_nearest(np.arange(source)[:, None], (target, 1)).ravel()
    exact = [int(((2 * i + 1) * source) // (2 * target)) for i in range(target)]
    assert taken.tolist() == exact
    assert taken.min() >= 0
    assert taken.max() < source
