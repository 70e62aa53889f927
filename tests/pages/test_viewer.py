"""What Python sends to the viewer and reads back from it; the browser's side is tested in tests/browser."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from payloads import unpack

from pages._ui.components.viewer import SHOWN_SIDE, ViewerSettings, pack, read_settings

COLORMAP = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
MAP = np.array([[0, 0.25, 0.5], [0.75, 1, -0.0]], np.float32)


def packed(**changes: object) -> bytes:
    values = {
        "image": np.arange(36, dtype=np.uint8).reshape(3, 4, 3),
        "reconstruction": np.linspace(-0.5, 1.5, 18).reshape(2, 3, 3),
        "anomaly_map": MAP,
        "colormap": COLORMAP,
        "image_score": 1.0,
        "score_rule": "max of the map",
        "title": "é.png",
    }
    return pack(**{**values, **changes})


def test_arrays_come_back_as_they_went_in() -> None:
    header, arrays = unpack(packed(gt_mask=MAP > 0.4))
    assert (header["title"], header["score"], header["rule"]) == ("é.png", 1.0, "max of the map")
    assert header["picture"] == {"width": 4, "height": 3}
    np.testing.assert_array_equal(arrays["map"], MAP)
    assert arrays["map"].dtype == np.float32
    np.testing.assert_array_equal(arrays["picture"], np.arange(36).reshape(3, 4, 3))
    np.testing.assert_array_equal(arrays["truth"], [[0, 0, 1], [1, 1, 0]])
    assert (arrays["reconstruction"][0, 0, 0], arrays["reconstruction"][-1, -1, -1]) == (0, 255)
    np.testing.assert_array_equal(arrays["colormap"], COLORMAP)


def test_minus_zero_is_sent_as_zero() -> None:
    assert np.signbit(MAP[1, 2])
    _, arrays = unpack(packed())
    assert not np.signbit(arrays["map"]).any()


def test_without_truth_none_is_sent() -> None:
    assert "truth" not in unpack(packed())[1]


def test_large_picture_is_shrunk_and_says_so() -> None:
    header, arrays = unpack(packed(image=np.full((1000, 3 * SHOWN_SIDE, 3), 7, np.uint8)))
    assert header["picture"] == {"width": 3 * SHOWN_SIDE, "height": 1000}
    assert arrays["picture"].shape == (333, SHOWN_SIDE, 3)
    assert (arrays["picture"] == 7).all()


def test_same_content_same_digest() -> None:
    changes = ({}, {}, {"anomaly_map": MAP / 2}, {"title": "another picture, the same pixels"})
    first, same, *others = (unpack(packed(**change))[0]["digest"] for change in changes)
    assert first == same
    assert len({first, *others}) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"anomaly_map": MAP * 2}, "outside"),
        ({"anomaly_map": np.full((2, 3), np.nan, np.float32)}, "NaN"),
        ({"gt_mask": np.zeros((3, 2), bool)}, "gt_mask"),
        ({"reconstruction": np.zeros((3, 2, 3))}, "reconstruction"),
        ({"image": np.zeros((3, 4), np.uint8)}, "uint8"),
        ({"image": np.zeros((3, 4, 3))}, "uint8"),
        ({"colormap": COLORMAP[:9]}, "colormap"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        packed(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"sensitivity": 1.01},
        {"opacity": -0.1},
        {"kernel_size": 4},
        {"kernel_size": 33},
        {"min_area": -1},
        {"overlay": "x"},
    ],
)
def test_settings_outside_their_range_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ViewerSettings(**change)


def test_a_link_is_read_field_by_field() -> None:
    link = {"sensitivity": "0.731", "kernel_size": "7", "min_area": "2.5", "logit_scale": "true", "image": "x.png"}
    default = ViewerSettings(min_area=9)
    assert read_settings(link, default) == replace(default, sensitivity=0.731, kernel_size=7, logit_scale=True)


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("0159.-+einftrusal", max_size=6))


@given(st.dictionaries(st.sampled_from([*vars(ViewerSettings()), "revision"]), JUNK))
def test_junk_never_raises_and_never_leaves_the_range(values: dict) -> None:
    settings = read_settings(values, ViewerSettings())
    assert ViewerSettings(**vars(settings)) == settings


@given(st.floats(0, 1))
def test_a_sensitivity_survives_a_link(sensitivity: float) -> None:
    settings = ViewerSettings(sensitivity=sensitivity)
    assert read_settings({"sensitivity": repr(sensitivity)}, ViewerSettings()).threshold == settings.threshold
