"""Resizing: OpenCV's integers bit for bit, torchvision's antialias by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from draem_core.inference.resize import resize_picture

# cv2.resize(picture, ..., interpolation=cv2.INTER_LINEAR)[..., 0] of OpenCV 4.10 and 5.0 on the picture below
OPENCV = {
    (3, 4): [[44, 207, 177, 115], [60, 222, 192, 130], [74, 87, 207, 145]],
    (8, 8): [
        [0, 90, 187, 140, 126, 143, 64, 154],
        [4, 94, 191, 144, 129, 147, 68, 158],
        [9, 100, 197, 150, 135, 152, 73, 164],
        [15, 105, 202, 155, 141, 158, 79, 169],
        [21, 111, 208, 161, 146, 163, 84, 175],
        [26, 117, 214, 167, 152, 169, 90, 180],
        [32, 122, 120, 109, 157, 175, 96, 186],
        [36, 126, 47, 64, 162, 179, 100, 190],
    ],
}


def picture(height: int = 5, width: int = 7) -> np.ndarray:
    return (np.arange(height * width * 3) * 37 % 256).astype(np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("size", OPENCV)
def test_bilinear_gives_opencvs_integers(size):
    resized = resize_picture(picture(), size, "bilinear")
    assert (resized[..., 0] * 255).round().astype(int).tolist() == OPENCV[size]


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_bilinear_is_within_one_step_of_exact_interpolation(shape, size):
    pixels = torch.from_numpy(picture(*shape)).permute(2, 0, 1)[None].double()
    exact = F.interpolate(pixels, size, mode="bilinear")[0].permute(1, 2, 0).numpy()
    steps = resize_picture(picture(*shape), size, "bilinear") * 255
    assert np.abs(steps - exact).max() <= 1.001
    np.testing.assert_allclose(steps, steps.round(), atol=1e-4)  # whole grey levels, as in a uint8 picture


def test_antialias_weighs_a_halved_picture_by_hand():
    # halving with a triangle of support 2 weighs four neighbours 1, 3, 3, 1 eighths; column 4 lies in two of them
    line = np.zeros((2, 8, 3), np.uint8)
    line[:, 4] = 255
    resized = resize_picture(line, (1, 4), "bilinear_antialias")
    np.testing.assert_allclose(resized[0, :, 0], [0, 1 / 8, 3 / 8, 0], atol=1e-6)


@pytest.mark.parametrize("resize_filter", ["bilinear", "bilinear_antialias"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (64, 64), (31, 97)])
def test_an_even_picture_stays_even(resize_filter, shape):
    resized = resize_picture(np.full((*shape, 3), 51, np.uint8), (64, 32), resize_filter)
    assert resized.shape == (64, 32, 3)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, 0.2, atol=1e-6)


@pytest.mark.parametrize("resize_filter", ["bilinear", "bilinear_antialias"])
def test_a_picture_that_fits_keeps_its_values(resize_filter):
    np.testing.assert_array_equal(resize_picture(picture(), (5, 7), resize_filter), picture().astype(np.float32) / 255)
