"""Pictures of maps and masks: fixed scale, right colours, the picture's own size."""

import numpy as np
import pytest

from draem_core.evaluation.calibration import normalised_image, normalised_pixel
from draem_core.postprocess import PostProcess
from draem_core.render import COLORMAP, FALSE_ALARM, HIT, MISSED, difference, heatmap, overlay, panels
from draem_core.types import Calibration, Prediction


def test_the_scale_is_fixed():
    faint = np.array([[0.0, 0.1]], np.float32)
    picture = heatmap(faint)
    assert tuple(picture[0, 0]) == tuple(COLORMAP[0])
    assert tuple(picture[0, 1]) == tuple(COLORMAP[25]), "0.1 is dark even where it is the highest value"
    assert tuple(heatmap(np.ones((1, 1), np.float32))[0, 0]) == tuple(COLORMAP[255])


def test_overlay_by_hand():
    image = np.full((4, 4, 3), 200, np.uint8)
    anomaly_map = np.zeros((2, 2), np.float32)
    assert np.array_equal(overlay(image, anomaly_map, 0.0), image)
    expected = np.rint(200 * 0.5 + COLORMAP[0].astype(float) * 0.5)
    assert np.array_equal(overlay(image, anomaly_map, 0.5)[0, 0], expected)


def test_difference_colours():
    picture = difference(np.array([[True, True, False, False]]), np.array([[True, False, True, False]]))
    assert [tuple(pixel) for pixel in picture[0]] == [HIT, FALSE_ALARM, MISSED, (0, 0, 0)]


def test_panels_are_drawn_on_the_pictures_own_pixels():
    anomaly_map = np.zeros((32, 32), np.float32)
    anomaly_map[8:16, 8:16] = 0.9
    blank = np.zeros((32, 32, 3), np.float32)
    prediction = Prediction(blank, blank + 2, np.zeros((2, 32, 32), np.float32), anomaly_map, 0.9)
    image = np.zeros((48, 100, 3), np.uint8)
    drawn = panels(image, prediction, PostProcess(0.5, 1), 0.5, anomaly_map > 0.5)
    assert set(drawn) == {"original", "reconstruction", "anomaly_map", "mask", "overlay", "difference"}
    assert all(picture.shape == (48, 100, 3) for picture in drawn.values())
    assert drawn["reconstruction"].min() == 255, "clipped, not wrapped"
    rows, columns = np.nonzero(drawn["mask"][..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 23, 25, 49)
    assert "difference" not in panels(image, prediction, PostProcess(), 0.5)


@pytest.mark.parametrize(("value", "expected"), [(0.4, 0.5), (0.5, 0.75), (0.9, 1.0), (0.0, 0.0)])
def test_normalised_values_follow_anomalib(value, expected):
    calibration = Calibration(pixel_threshold=0.4, pixel_min=0.2, pixel_max=0.6)
    assert normalised_pixel(value, calibration) == pytest.approx(expected)
    assert normalised_image(value, calibration) is None, "not calibrated for images"


def test_an_empty_range_is_undefined():
    assert normalised_pixel(0.5, Calibration(pixel_threshold=1.0, pixel_min=1.0, pixel_max=1.0)) is None
