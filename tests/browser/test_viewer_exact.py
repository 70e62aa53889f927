"""The browser's masks, regions, counts and AUROCs are those of scipy, scikit-learn and PostProcess, pixel for pixel."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from viewer_driver import APP, Viewer

from draem_core.postprocess import PostProcess
from pages._ui.components.viewer import pack

pytestmark = pytest.mark.browser

SHAPES = [(96, 64), (64, 96), (33, 47), (128, 128), (31, 31), (5, 40), (40, 5), (1, 1), (70, 33), (256, 256)]
CASES_PER_MAP = 55  # 10 maps × 55 = 550
EIGHT = np.ones((3, 3))


def make_map(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Noise with blobs, some of them over the border; values on a grid of 1/1000, so that thresholds meet them."""
    height, width = shape
    values = rng.random(shape) ** rng.integers(1, 5)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(14):
        top, left = rng.integers(-4, height), rng.integers(-4, width)
        tall, wide = rng.integers(1, 24, 2)
        inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
        values[inside] = np.maximum(values[inside], rng.random() + 0.2 * rng.random(shape)[inside])
    return np.clip(values.round(3), 0, 1).astype(np.float32)


def make_payload(anomaly_map: np.ndarray, truth: np.ndarray | None) -> bytes:
    grey = np.repeat(anomaly_map[..., None], 3, axis=2)
    colormap = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return pack(
        (grey * 255).astype(np.uint8),
        grey,
        anomaly_map,
        colormap=colormap,
        image_score=float(anomaly_map.max()),
        score_rule="max of the map",
        title="random map",
        gt_mask=truth,
    )


def by_hand(anomaly_map: np.ndarray, sensitivity: float, kernel: int, area: int) -> tuple[np.ndarray, np.ndarray]:
    """The mask after opening, and after the area filter, by scipy alone."""
    above = anomaly_map > np.float32(1 - sensitivity)
    opened = ndimage.binary_opening(above, structure=np.ones((kernel, kernel)))
    labels, _ = ndimage.label(opened, structure=EIGHT)
    sizes = np.bincount(labels.ravel())
    return opened, opened & (sizes[labels] >= area)


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_random_masks(number: int, page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    shape = SHAPES[number]
    rng = np.random.default_rng(number)
    anomaly_map = make_map(rng, shape)
    truth = ndimage.binary_dilation(anomaly_map > 0.8, iterations=1)
    (tmp_path / "payload").write_bytes(make_payload(anomaly_map, truth))
    settings = [
        {
            "sensitivity": round(float(rng.choice([rng.random(), rng.random() ** 4, 1 - rng.random() ** 4])), 3),
            "kernel": int(rng.choice([1, 3, 5, 7, 9, 15, 31], p=[0.15, 0.3, 0.2, 0.1, 0.1, 0.1, 0.05])),
            "area": int(rng.choice([0, 1, 2, 5, 20, 60, 400])),
        }
        for _ in range(CASES_PER_MAP)
    ]
    viewer = Viewer(page, serve(APP)).open(payload=tmp_path / "payload")
    for setting, (mask, readout) in zip(settings, viewer.masks(settings, shape), strict=True):
        opened, expected = by_hand(anomaly_map, setting["sensitivity"], setting["kernel"], setting["area"])
        np.testing.assert_array_equal(mask, expected, err_msg=str(setting))
        post_process = PostProcess(setting["sensitivity"], setting["kernel"], setting["area"])
        np.testing.assert_array_equal(mask, post_process.apply(anomaly_map), err_msg=str(setting))
        above = anomaly_map > post_process.threshold
        assert (readout["above"], readout["opened"], readout["flagged"]) == (above.sum(), opened.sum(), expected.sum())
        assert readout["verdict"] == ("NG" if expected.any() else "OK")
        assert readout["regions"] == regions_of(expected)
        assert readout["confusion"] == {
            "tp": (expected & truth).sum(),
            "fp": (expected & ~truth).sum(),
            "fn": (~expected & truth).sum(),
            "tn": (~expected & ~truth).sum(),
        }
        check_aurocs(readout, anomaly_map, truth, setting["kernel"])
    assert not viewer.errors


def regions_of(mask: np.ndarray) -> list[dict[str, int]]:
    labels, _ = ndimage.label(mask, structure=EIGHT)
    return [
        {
            "left": columns.start,
            "top": rows.start,
            "right": columns.stop,
            "bottom": rows.stop,
            "area": int((labels[rows, columns] == number).sum()),
        }
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1)
    ]


def check_aurocs(readout: dict, anomaly_map: np.ndarray, truth: np.ndarray, kernel: int) -> None:
    if truth.all() or not truth.any():
        assert readout["auroc"]["value"] is None
        assert readout["auroc"]["reason"]
        return
    opened = grey_opening(anomaly_map, kernel)
    assert readout["auroc"]["value"] == pytest.approx(roc_auc_score(truth.ravel(), anomaly_map.ravel()), abs=1e-12)
    assert readout["aurocOpened"]["value"] == pytest.approx(roc_auc_score(truth.ravel(), opened.ravel()), abs=1e-12)


def grey_opening(anomaly_map: np.ndarray, kernel: int) -> np.ndarray:
    """With −1, below every probability, for the −∞ outside (scikit-learn takes no infinity)."""
    eroded = ndimage.minimum_filter(anomaly_map, kernel, mode="constant", cval=-1)
    return ndimage.maximum_filter(eroded, kernel, mode="constant", cval=-1)


def test_regions_meet_at_corners(page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    """Two squares that touch at one corner are one region of 8 pixels; a third, one pixel away, stays apart."""
    anomaly_map = np.zeros((12, 12), np.float32)
    anomaly_map[0:2, 0:2] = anomaly_map[2:4, 2:4] = anomaly_map[5:7, 5:7] = 1
    (tmp_path / "payload").write_bytes(make_payload(anomaly_map, None))
    viewer = Viewer(page, serve(APP)).open(payload=tmp_path / "payload")
    (mask, readout), (without, filtered) = viewer.masks(
        [{"sensitivity": 0.5, "kernel": 1, "area": 0}, {"area": 5}], anomaly_map.shape
    )
    assert [region["area"] for region in readout["regions"]] == [8, 4]
    assert mask.sum() == 12
    assert without.sum() == 8
    assert [region["area"] for region in filtered["regions"]] == [8]


def test_float32_threshold_is_strict(page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    """0.3 as float32 lies above the double 1 − 0.7; compared as float32 the two are equal, and equal is not above."""
    anomaly_map = np.full((4, 4), 0.3, np.float32)
    assert float(anomaly_map[0, 0]) > 1 - 0.7
    (tmp_path / "payload").write_bytes(make_payload(anomaly_map, None))
    viewer = Viewer(page, serve(APP)).open(payload=tmp_path / "payload")
    (equal, _), (above, _) = viewer.masks([{"sensitivity": 0.7, "kernel": 1}, {"sensitivity": 0.7001}], (4, 4))
    assert not equal.any()
    assert above.all()


@pytest.mark.parametrize(
    ("truth", "reason"),
    [(None, "no ground truth"), (np.zeros((8, 8), bool), "no defect pixel"), (np.ones((8, 8), bool), "no good pixel")],
)
def test_undefined_is_said(
    truth: np.ndarray | None, reason: str, page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    anomaly_map = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    (tmp_path / "payload").write_bytes(make_payload(anomaly_map, truth))
    viewer = Viewer(page, serve(APP)).open(payload=tmp_path / "payload")
    assert viewer.slot("auroc").inner_text() == "–"
    assert reason in viewer.slot("auroc").get_attribute("title")
    if truth is None or not truth.any():
        assert viewer.slot("recall").inner_text() == "–"
        assert reason in viewer.slot("recall").get_attribute("title")
