"""The Synthetic page in a real browser: next random, settings by hand, the sample grid, a link to the same sample."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

PATIENCE = 120_000  # ms, for a busy machine


class Stepper:
    """One browser tab on the Synthetic page."""

    def __init__(self, page: Page, url: str, query: str = "") -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}/Synthetic{query}")
        self.settle()

    def settle(self) -> None:
        """Wait until all that was set is on the screen."""
        expect(self.page.locator(".draem-sample-grid canvas").first).to_be_visible(timeout=PATIENCE)
        # the component lies in a shadow root, which document.querySelector does not look into
        self.page.locator(".draem-synthetic").evaluate(
            """(root, patience) => new Promise((resolve, reject) => {
                const started = performance.now();
                const look = () => {
                    if (root.draemSynthetic.isSettled()) resolve();
                    else if (performance.now() - started > patience) reject(new Error("what was set got no answer"));
                    else setTimeout(look, 20);
                };
                look();
            })""",
            PATIENCE,
        )

    def card(self, stage: str) -> Locator:
        return self.page.locator(f'.card[data-stage="{stage}"]')

    def knob(self, name: str) -> Locator:
        return self.page.locator(f'.knob[data-control="{name}"]')

    def slot(self, name: str) -> Locator:
        return self.page.locator(f".draem-synthetic [data-slot={name}]")

    def picture(self, stage: str) -> str:
        return str(self.card(stage).locator("canvas").evaluate("(canvas) => canvas.toDataURL()"))

    def pictures(self) -> dict[str, str]:
        shown = self.page.locator(".card:has(canvas)").evaluate_all(
            "(cards) => cards.map((card) => card.dataset.stage)"
        )
        return {stage: self.picture(stage) for stage in shown}

    @property
    def link(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlparse(self.page.url).query).items()}


@pytest.fixture
def tab(url: str, page: Page) -> Iterator[Stepper]:
    page.set_viewport_size({"width": 1500, "height": 1000})
    opened = Stepper(page, url)
    yield opened
    assert not opened.errors


def test_next_random_draws_all_that_no_hand_holds(tab: Stepper) -> None:
    before = tab.pictures()
    tab.knob("beta").locator("input").fill("0.5")
    tab.settle()
    expect(tab.slot("hands")).to_contain_text("Picture's share β")
    assert tab.picture("mask") == before["mask"]
    assert tab.picture("blend") != before["blend"]
    tab.slot("coin").get_by_text("Anomalous").click()
    tab.slot("next").click()
    tab.settle()
    after = tab.pictures()
    assert after["noise"] != before["noise"]
    assert after["texture"] != before["texture"]
    expect(tab.knob("beta").locator("output")).to_have_text("0.50")
    assert tab.link["seed"] == "18"
    tab.knob("beta").get_by_role("button").click()
    tab.settle()
    assert "beta" not in tab.link
    tab.slot("previous").click()
    tab.settle()
    assert tab.pictures() == before


def test_a_slider_changes_its_stage_and_those_after_it_alone(tab: Stepper) -> None:
    before = tab.pictures()
    slider = tab.knob("noise_threshold").locator("input")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowLeft")
    tab.settle()
    after = tab.pictures()
    expect(tab.knob("noise_threshold").locator("output")).to_have_text("0.45")
    changed = {stage for stage in before if before[stage] != after[stage]}
    assert {"threshold", "mask", "blend"} <= changed
    assert not changed & {"good", "noise", "rotation", "texture", "change_1", "change_2", "change_3", "beta"}
    expect(tab.card("threshold").locator(".facts")).to_contain_text("above 0.45")


def test_a_drag_is_followed_to_its_end(tab: Stepper) -> None:
    slider = tab.knob("angle").locator("input")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    tab.page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    tab.page.mouse.down()
    for share in (0.6, 0.7, 0.8, 0.9, 1.0):
        tab.page.mouse.move(box["x"] + box["width"] * share, middle, steps=4)
    tab.page.mouse.up()
    tab.settle()
    expect(tab.knob("angle").locator("output")).to_have_text("90.0°")
    expect(tab.card("rotation").locator(".facts")).to_contain_text("rotated by 90.0°")
    assert tab.link["angle"] == "90.0"


def test_a_reload_brings_the_same_sample_back(tab: Stepper) -> None:
    tab.slot("kind").get_by_text("CutPaste").click()
    tab.settle()
    tab.slot("seed").fill("21")
    tab.slot("seed").press("Enter")
    tab.slot("coin").get_by_text("Anomalous").click()
    tab.settle()
    tab.knob("to_row").locator("input").fill("40")
    tab.settle()
    before, link = tab.pictures(), tab.link
    assert (link["kind"], link["seed"], link["coin"], link["to_row"]) == ("cutpaste", "21", "painted", "40")
    tab.page.reload()
    tab.settle()
    assert tab.pictures() == before
    assert tab.link == link
    expect(tab.knob("to_row")).to_have_class("knob by-hand")


def test_the_sample_grid_loads_a_seed_and_turns_its_pages(tab: Stepper) -> None:
    tab.knob("beta").locator("input").fill("0.5")
    tab.settle()
    tab.page.locator('.sample[data-seed="5"]').click()
    expect(tab.page.locator('.sample[data-seed="5"]')).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    tab.settle()
    assert tab.link["seed"] == "5"
    expect(tab.slot("hands")).to_contain_text("Everything follows the seed")
    tab.page.get_by_role("button", name="24 after").click()
    expect(tab.page.locator('.sample[data-seed="29"]')).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    expect(tab.slot("seed")).to_have_value("29")


def test_a_clean_sample_says_so_and_can_be_made_anomalous(tab: Stepper) -> None:
    tab.page.locator('.sample[data-seed="4"]').click()
    expect(tab.slot("told")).to_contain_text("stays clean", timeout=PATIENCE)
    expect(tab.card("noise")).to_have_count(0)
    expect(tab.slot("verdict")).to_contain_text("undefined: no pixel is anomalous")
    tab.page.get_by_role("button", name="Make it anomalous all the same").click()
    expect(tab.card("noise")).to_be_visible(timeout=PATIENCE)


def test_a_click_follows_a_pixel(tab: Stepper) -> None:
    shown = tab.page.locator("[data-result=mask] .shown")
    box = shown.bounding_box()
    assert box is not None
    shown.click(position={"x": box["width"] * 0.255, "y": box["height"] * 0.51})
    expect(tab.slot("pixel")).to_contain_text("row 32, column 24", timeout=PATIENCE)  # of 64 × 96
    expect(tab.card("noise").locator(".cross")).to_have_count(1)
    assert tab.link["at_row"] == "32"
    shown.press("ArrowDown")
    shown.press("Shift+ArrowRight")
    expect(tab.slot("pixel")).to_contain_text("row 33, column 34", timeout=PATIENCE)
    tab.slot("pixel").get_by_role("button").click()
    expect(tab.card("noise").locator(".cross")).to_have_count(0, timeout=PATIENCE)


def test_a_stage_is_enlarged_by_a_click_and_by_a_link(tab: Stepper, url: str) -> None:
    narrow = tab.card("noise").bounding_box()
    tab.card("noise").get_by_role("button", name="Perlin noise: enlarge").click()
    tab.settle()
    wide = tab.card("noise").bounding_box()
    assert narrow is not None
    assert wide is not None
    assert wide["width"] > 1.8 * narrow["width"]
    assert tab.link["step"] == "noise"
    other = Stepper(tab.page, url, "?step=anomaly_map")
    expect(other.card("anomaly_map")).to_be_in_viewport()
    expect(other.card("anomaly_map")).to_have_class("card pointed")
