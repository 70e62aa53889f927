"""What Python sends to the tuner and reads back from it; the browser's side is tested in tests/browser."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from payloads import unpack

from draem_core.evaluation.settings_grid import SettingsGrid
from draem_core.postprocess import PostProcess
from draem_core.sweep import ThresholdSweep
from pages._ui.components.shared.settings import read_settings
from pages._ui.components.tuner import Entry, TunerSettings, pack

KERNELS, AREAS, STOPS = (1, 3), (0, 2, 9, 4000), np.array([0.0, 0.2, 0.5, 0.8, 0.9375, 1.0])
ENTRIES = [Entry("test/good/é 0.png", "good", ""), Entry("test/spot/<b>.png", "spot", "data:image/jpeg;base64,xx")]


def maps() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    truth = np.zeros((9, 12), bool)
    truth[2:5, 2:7] = truth[7, 9] = True
    return [rng.random(truth.shape, np.float32), np.where(truth, 0.9, 0.3).astype(np.float32)], [truth & False, truth]


def grid_and_figures() -> tuple:
    dataset = maps()
    grid = SettingsGrid.from_maps(*dataset, kernel_sizes=KERNELS, min_areas=AREAS, sensitivities=STOPS)
    return grid, ThresholdSweep.from_maps(*dataset, kernel_sizes=KERNELS).figures


def unpacked(payload: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """What dataset.js makes of a payload, before it sums up."""
    header, arrays = unpack(payload)
    return header, unpack(zlib.decompress(arrays["tables"]))[1]


def sum_up(table: np.ndarray) -> np.ndarray:
    """Differences (K, A, S + 1) as counts, as sumUp in dataset.js."""
    return np.cumsum(np.cumsum(table[:, ::-1], axis=1)[:, ::-1], axis=2)


def test_the_tables_come_back_as_counts_of_every_setting() -> None:
    grid, figures = grid_and_figures()
    header, arrays = unpacked(pack("tiles", grid, figures, ENTRIES, "d"))
    shape = (len(KERNELS), len(AREAS), STOPS.size + 1)
    np.testing.assert_array_equal(arrays["sensitivities"], STOPS)
    assert (header["kernelSizes"], header["minAreas"]) == ([*KERNELS], [*AREAS])
    defect, good, blobs = (sum_up(arrays[name]) for name in ("defectPixels", "goodPixels", "falseBlobs"))
    assert defect.shape == shape
    firsts, regions = arrays["imageStops"], arrays["regionStops"]
    for row, kernel in enumerate(KERNELS):
        for column, area in enumerate(AREAS):
            for stop, sensitivity in enumerate(STOPS):
                outcome = grid.at(sensitivity, kernel, area)
                assert defect[row, column, stop] == outcome.pixel.tp
                assert good[row, column, stop] == outcome.pixel.fp
                assert blobs[row, column, stop] == outcome.false_blobs
                assert (firsts[row, column] <= stop).sum() == outcome.image.tp + outcome.image.fp
                assert (regions[row, column] <= stop).sum() == outcome.regions_found
    assert arrays["labels"].tolist() == [0, 1]
    assert arrays["regionImages"].tolist() == [1, 1]
    assert (header["defectTotal"], header["goodTotal"]) == (16, 2 * 108 - 16)


def test_images_and_figures_travel_as_plain_text_and_numbers() -> None:
    grid, figures = grid_and_figures()
    nothing = replace(figures[0], pixel_auroc=float("nan"))
    header, _ = unpacked(pack('tiles "1"', grid, (nothing, figures[1]), ENTRIES, "d"))
    assert header["title"] == 'tiles "1"'
    assert header["images"][0] == {"name": "test/good/é 0.png", "kind": "good", "thumbnail": ""}
    assert header["metrics"][0]["pixel_auroc"] is None
    assert header["metrics"][1]["pixel_auroc"] == figures[1].pixel_auroc
    assert header["metrics"][1]["image_f1max"] == figures[1].image_f1max.f1


def test_more_pixels_than_32_bits_count_are_sent_as_floats() -> None:
    grid, figures = grid_and_figures()
    many = replace(grid, good_pixels=grid.good_pixels * 2**31, good_total=grid.good_total * 2**31)
    _, arrays = unpacked(pack("tiles", many, figures, ENTRIES, "d"))
    np.testing.assert_array_equal(arrays["goodPixels"], many.good_pixels)


def test_what_does_not_fit_is_refused() -> None:
    grid, figures = grid_and_figures()
    with pytest.raises(ValueError, match="1 metrics and 2 entries"):
        pack("tiles", grid, figures[:1], ENTRIES, "d")
    with pytest.raises(ValueError, match="2 figures and 1 entries"):
        pack("tiles", grid, figures, ENTRIES[:1], "d")


@pytest.mark.parametrize(
    "change",
    [{"unsure_sensitivity": 1.5}, {"saved_sensitivity": -0.1}, {"saved_kernel_size": 2}, {"order": "size"}],
)
def test_settings_outside_their_range_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change)).removeprefix("saved_")):
        TunerSettings(**change)


def test_an_unsure_zone_never_ends_before_ng_begins() -> None:
    zones = TunerSettings(sensitivity=0.5, zones=True, unsure_sensitivity=0.75)
    assert zones.unsure_threshold == np.float32(0.25)
    assert replace(zones, unsure_sensitivity=0.25).unsure_threshold == np.float32(0.5)
    assert replace(zones, zones=False).unsure_threshold is None


def test_settings_between_stops_move_to_the_nearest() -> None:
    grid, _ = grid_and_figures()
    between = TunerSettings(
        sensitivity=0.81, min_area=5, unsure_sensitivity=0.3, saved_sensitivity=0.51, saved_min_area=2500
    )
    placed = between.at_stops(grid)
    assert (placed.sensitivity, placed.min_area, placed.unsure_sensitivity) == (0.8, 2, 0.2)
    assert (placed.saved_sensitivity, placed.saved_min_area) == (0.5, 4000)
    assert replace(between, zones=True).at_stops(grid).unsure_sensitivity == 0.8
    assert placed.at_stops(grid) == placed


def test_every_stop_gives_the_masks_of_the_recipe() -> None:
    """What the page counts at a stop is what PostProcess, and so a recipe, makes of the maps."""
    grid, _ = grid_and_figures()
    for sensitivity in STOPS:
        setting = TunerSettings(sensitivity=float(sensitivity)).at_stops(grid)
        masks = [PostProcess(setting.sensitivity, 3, 0).apply(one) for one in maps()[0]]
        np.testing.assert_array_equal(grid.peaks(3, 0) > setting.threshold, [mask.any() for mask in masks])


def test_a_link_is_read_field_by_field() -> None:
    link = {
        "zones": "true",
        "unsure_sensitivity": "0.9",
        "order": "kind",
        "by_kind": "perhaps",
        "saved_kernel_size": "4",
    }
    assert read_settings(link, TunerSettings()) == TunerSettings(zones=True, unsure_sensitivity=0.9, order="kind")


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("0159.-+einftrusal", max_size=6))


@given(st.dictionaries(st.sampled_from([*vars(TunerSettings()), "revision"]), JUNK))
def test_junk_never_raises_and_never_leaves_the_range(values: dict) -> None:
    settings = read_settings(values, TunerSettings())
    assert TunerSettings(**vars(settings)) == settings
