"""The viewer under a user's hands: drag, keyboard, zoom, hover, orders from Python, themes; the server hears only
what has settled.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from payloads import unpack
from playwright.sync_api import Page, expect
from viewer_app import make_payload
from viewer_driver import APP, Viewer

from draem_core.postprocess import PostProcess

pytestmark = pytest.mark.browser

SIDE = 256


@pytest.fixture
def viewer(page: Page, serve: Callable[[Path], str]) -> Viewer:
    page.set_viewport_size({"width": 1500, "height": 1000})
    return Viewer(page, serve(APP))


def map_of(seed: int = 0, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return unpack(make_payload(height, width, seed, True))[1]["map"]


def track(viewer: Viewer, slider: str) -> tuple[float, float, float]:
    """Left end, right end and height of the way of a slider's thumb."""
    box = viewer.page.locator(f"#{slider}").bounding_box()
    assert box
    return box["x"] + 8, box["x"] + box["width"] - 8, box["y"] + box["height"] / 2


def spaced(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


def test_drag_moves_picture_and_numbers_and_sends_nothing(viewer: Viewer) -> None:
    viewer.open(min_area=5)
    anomaly_map = map_of()
    before = len(viewer.sent)
    left, right, y = track(viewer, "sensitivity")
    mouse = viewer.page.mouse
    mouse.move((left + right) / 2, y)
    mouse.down()
    for share in np.linspace(0.5, 0.93, 30):
        mouse.move(left + share * (right - left), y)
        settings = viewer.call("settings")
        post_process = PostProcess(settings["sensitivity"], settings["kernel_size"], settings["min_area"])
        mask = viewer.mask(anomaly_map.shape)
        np.testing.assert_array_equal(mask, post_process.apply(anomaly_map))
    viewer.let_two_frames_pass()
    assert settings["sensitivity"] == pytest.approx(0.93, abs=0.003)
    assert viewer.slot("flagged").inner_text() == f"{spaced(mask.sum())} px"
    assert len(viewer.sent) == before
    assert viewer.settled()["sensitivity"] == 0.5
    mouse.up()
    settled = viewer.wait_for_runs(2)
    assert settled["sensitivity"] == settings["sensitivity"]
    assert len(viewer.sent) == before + 1
    assert not viewer.errors


def test_keys_step_and_settle_when_released(viewer: Viewer) -> None:
    viewer.open()
    before = len(viewer.sent)
    viewer.page.locator("#sensitivity").focus()
    keyboard = viewer.page.keyboard
    keyboard.down("ArrowRight")
    keyboard.down("ArrowRight")  # a held key repeats
    viewer.let_two_frames_pass()
    assert viewer.call("settings")["sensitivity"] == 0.502
    assert len(viewer.sent) == before
    keyboard.up("ArrowRight")
    assert viewer.wait_for_runs(2)["sensitivity"] == 0.502
    for key, expected in [("PageUp", 0.512), ("PageDown", 0.502), ("End", 1), ("Home", 0)]:
        keyboard.press(key)
        assert viewer.call("settings")["sensitivity"] == expected
    assert viewer.page.locator("#sensitivity").get_attribute("aria-valuetext") == "0, threshold 1.0000"
    viewer.page.locator("#kernel").focus()
    keyboard.press("ArrowRight")
    assert viewer.call("settings")["kernel_size"] == 5
    viewer.page.locator("#area").focus()
    keyboard.press("PageUp")
    assert viewer.call("settings")["min_area"] == 10


def test_number_fields_take_what_the_slider_cannot(viewer: Viewer) -> None:
    viewer.open()
    field = viewer.page.locator("#sensitivityNumber")
    field.fill("0.12345")
    field.press("Enter")
    assert viewer.wait_for_runs(2)["sensitivity"] == 0.12345
    viewer.page.locator("#kernelNumber").fill("8")
    viewer.page.locator("#kernelNumber").press("Tab")
    assert viewer.page.locator("#kernelNumber").input_value() == "9"
    field.fill("7")
    assert viewer.call("settings")["sensitivity"] == 1
    field.fill("")
    assert viewer.call("settings")["sensitivity"] == 1


def test_logit_scale_spreads_the_ends(viewer: Viewer) -> None:
    viewer.open(sensitivity=0.9)
    viewer.page.get_by_text("Logit scale").click()
    assert viewer.wait_for_runs(2)["logit_scale"] is True
    assert viewer.call("settings")["sensitivity"] == 0.9, "switching the scale changes no setting"
    viewer.page.locator("#sensitivity").focus()
    viewer.page.keyboard.press("End")
    highest = viewer.call("settings")["sensitivity"]
    assert 0 < 1 - highest < 1.2e-7
    assert np.float32(1 - highest) > 0
    viewer.page.keyboard.press("Home")
    lowest = viewer.call("settings")["sensitivity"]
    assert 0 < lowest < 1.2e-7
    viewer.wait_for_settled("sensitivity", lowest)


def test_reruns_leave_one_listener_each(viewer: Viewer) -> None:
    viewer.open()
    for _ in range(20):
        viewer.press_button("Rerun")
    runs, before = viewer.wait_until_idle(), len(viewer.sent)
    viewer.page.locator("#sensitivity").press("ArrowRight")
    assert viewer.wait_for_runs(runs + 1)["sensitivity"] == 0.501
    assert viewer.wait_until_idle() == runs + 1
    assert len(viewer.sent) == before + 1
    zoom_in_once(viewer)
    expect(viewer.slot("zoom")).to_have_text("1.5×")
    assert viewer.page.locator(".draem-viewer figure").count() == 6
    assert not viewer.errors


def zoom_in_once(viewer: Viewer) -> None:
    viewer.page.get_by_role("button", name="Zoom in").click()


def test_order_from_python_moves_the_slider_in_place(viewer: Viewer) -> None:
    viewer.open()
    viewer.page.locator("#kernel").press("ArrowRight")
    viewer.wait_for_runs(2)
    viewer.press_button("Order sensitivity 0.25")
    expect(viewer.page.locator("#sensitivityNumber")).to_have_value("0.25")
    viewer.wait_for_settled("sensitivity", 0.25)
    viewer.page.locator("#sensitivity").press("ArrowRight")
    viewer.wait_for_settled("sensitivity", 0.251)  # the same order does not come twice


def test_order_during_a_drag_waits_for_the_user(viewer: Viewer) -> None:
    viewer.open()
    left, right, y = track(viewer, "sensitivity")
    mouse = viewer.page.mouse
    mouse.move((left + right) / 2, y)
    mouse.down()
    mouse.move(left + 0.8 * (right - left), y)
    held = viewer.call("settings")["sensitivity"]
    viewer.press_button("Order sensitivity 0.25")
    viewer.wait_until_idle()  # the button leads to two runs, and the order comes with the second
    assert viewer.call("settings")["sensitivity"] == held == pytest.approx(0.8, abs=0.003)
    mouse.move(left + 0.7 * (right - left), y)
    runs = viewer.settled()["runs"]
    mouse.up()
    assert viewer.wait_for_runs(runs + 1)["sensitivity"] == pytest.approx(0.7, abs=0.003)
    viewer.let_two_frames_pass()
    assert viewer.call("settings")["sensitivity"] == pytest.approx(0.7, abs=0.003)


def test_wheel_zooms_all_panels_about_the_pointer(viewer: Viewer) -> None:
    viewer.open()
    box = viewer.panel("map").bounding_box()
    assert box
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"]
    viewer.page.mouse.move(x, y)
    expect(viewer.slot("probe")).to_contain_text("map ")
    before = viewer.slot("probe").inner_text()
    viewer.page.mouse.wheel(0, -600)
    expect(viewer.slot("zoom")).to_have_text("3.3×")
    viewer.let_two_frames_pass()
    assert viewer.slot("probe").inner_text() == before, "the pixel under the pointer stays there"
    hair = viewer.page.locator("[data-panel=overlay] .hair.down").bounding_box()
    overlay = viewer.panel("overlay").bounding_box()
    assert hair
    assert overlay
    assert hair["x"] - overlay["x"] == pytest.approx(0.3 * overlay["width"], abs=1.5)
    viewer.press_button("Next plate")
    expect(viewer.slot("title")).to_have_text("plate 1")
    assert viewer.slot("zoom").inner_text() == "3.3×", "a picture of the same size keeps the view"
    viewer.page.mouse.dblclick(x, y)
    expect(viewer.slot("zoom")).to_have_text("1×")


def test_hover_reads_the_map(viewer: Viewer) -> None:
    viewer.open(seed=2, height=64, width=96)
    anomaly_map = map_of(2, 64, 96)
    for row, column in [(0, 0), (63, 95), (20, 70), (33, 5)]:
        box = viewer.panel("reconstruction").bounding_box()
        assert box
        x = box["x"] + (column + 0.5) / 96 * box["width"]
        viewer.page.mouse.move(x, box["y"] + (row + 0.5) / 64 * box["height"])
        expect(viewer.slot("probe")).to_contain_text(f"map {column}, {row}")
        value = anomaly_map[row, column]
        logit = np.log(np.float64(value) / (1 - np.float64(value)))
        assert f"logit {logit:.2f}".replace("-", "−") in viewer.slot("probe").inner_text()
        for name in ("original", "reconstruction", "map", "mask", "overlay"):
            badge = viewer.page.locator(f"[data-panel={name}] .badge")
            assert float(badge.inner_text().split()[1].replace("−", "-")) == pytest.approx(value, rel=0.06)


def test_empty_mask_says_why(viewer: Viewer) -> None:
    viewer.open(kernel_size=31, min_area=0)
    above = viewer.call("readout")["above"]
    assert (
        viewer.slot("hint").inner_text()
        == f"Opening with kernel 31 removed all {spaced(above)} px above the threshold."
    )
    viewer.open(sensitivity=0)
    assert viewer.slot("hint").inner_text().startswith("No pixel is above 1.0000")
    viewer.open(min_area=4000)
    assert viewer.slot("hint").inner_text().startswith("Minimum area 4\u202f000 removed all")


def test_title_enlarges_and_difference_opens(viewer: Viewer) -> None:
    viewer.open()
    small = viewer.panel("overlay").bounding_box()
    viewer.page.get_by_role("button", name="Overlay", exact=True).click()
    large = viewer.panel("overlay").bounding_box()
    assert small
    assert large
    assert large["width"] > 1.8 * small["width"]
    viewer.page.get_by_role("button", name="Overlay", exact=True).click()
    expect(viewer.panel("difference")).to_be_hidden()
    viewer.page.get_by_role("button", name="Difference").click()
    expect(viewer.panel("difference")).to_be_visible()
    assert viewer.wait_for_runs(2)["show_difference"] is True


def test_without_ground_truth_its_switches_are_off(viewer: Viewer) -> None:
    viewer.open(truth=0, show_difference=1)
    for name in ("Truth", "Difference"):
        expect(viewer.page.get_by_role("button", name=name)).to_be_disabled()
    expect(viewer.panel("difference")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_themes(scheme: str, viewer: Viewer) -> None:
    viewer.page.emulate_media(color_scheme=scheme)
    viewer.open()
    for selector in (".caption strong", ".aside", ".footer", ".verdict", ".chain td", ".reset", "#kernelNumber"):
        assert contrast_of(viewer, selector) > 4.5, selector
    color = viewer.root.evaluate("(root) => getComputedStyle(root).color")
    text_is_light = int(color.removeprefix("rgb(").split(",")[0]) > 128
    assert text_is_light == (scheme == "dark")


def contrast_of(viewer: Viewer, selector: str) -> float:
    """WCAG contrast of an element's text with what lies behind it, both as a canvas paints them."""
    text, back = viewer.page.locator(selector).first.evaluate(
        """(element) => {
            const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const under = [];
            for (let node = element; node; node = node.parentElement ?? node.getRootNode().host)
                under.unshift(getComputedStyle(node).backgroundColor);
            const paint = (colors) => {
                for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
                return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
            };
            return [paint(["white", ...under, getComputedStyle(element).color]), paint(["white", ...under])];
        }"""
    )
    light, dark = sorted((_luminance(text), _luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: list[int]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
