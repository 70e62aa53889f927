"""Every way through the app, in a real browser: whichever way a page is come to, it shows the setting that was chosen.

One tab walks over every ordered pair of stops (a page with its source); waits are for conditions, never for times.
"""

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from rerun_clock import RerunClock

pytestmark = pytest.mark.browser

PATIENCE = 120_000  # ms, for a busy machine
LIVE = ("sensitivity", "kernel_size", "min_area", "logit_scale")


@dataclass(frozen=True)
class Stop:
    """A page, and where its picture comes from ("" where it has none)."""

    page: str
    source: str = ""


EXPLORE, UPLOADED = Stop("Explore", "Dataset"), Stop("Explore", "Upload")
TUNE, EPOCHS, TRAIN = Stop("Tune"), Stop("Epochs"), Stop("Train")
INSIDE, INSIDE_UPLOADED = Stop("Inside", "Dataset"), Stop("Inside", "Upload")
SYNTHETIC = Stop("Synthetic", "Dataset")
STOPS = (EXPLORE, UPLOADED, TUNE, INSIDE, INSIDE_UPLOADED, SYNTHETIC, EPOCHS, TRAIN)
SHOWING = tuple(stop for stop in STOPS if stop not in (EPOCHS, TRAIN))
FIRST = {"sensitivity": 0.7, "kernel_size": 5, "min_area": 10, "logit_scale": True}
SECOND = {"sensitivity": 0.62, "kernel_size": 1, "min_area": 4, "logit_scale": False}
DEFAULTS = {"sensitivity": 0.5, "kernel_size": 3, "min_area": 0, "logit_scale": False}


# What reaches beyond the window to the right, components' insides included, but for what scrolls by itself.
OVERFLOW = """() => {
    const main = document.querySelector("[data-testid=stMain]");
    const wide = [document.documentElement, main].filter((one) => one.scrollWidth > one.clientWidth);
    return wide.map((one) => `${one.tagName} ${one.scrollWidth} > ${one.clientWidth}`);
}"""


class Walker:
    """One tab that goes from stop to stop."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.clock = RerunClock(page)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE)

    @property
    def address(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def open(self, page: str, query: str = "") -> None:
        self.page.goto(f"{self.url}/{page}{query}")
        self.wait(Stop(page, "" if page in ("Tune", "Epochs", "Train") else "Dataset"))

    def go(self, stop: Stop) -> None:
        """By the sidebar, and by the switch between dataset and upload."""
        self.page.get_by_test_id("stSidebar").get_by_role("link", name=stop.page, exact=True).click()
        self.wait_for_page(stop)
        self.choose_source(stop)
        self.wait(stop)

    def choose_source(self, stop: Stop) -> None:
        if stop.source:
            choice = self.page.get_by_role("radio", name=stop.source, exact=True)
            if choice.get_attribute("aria-checked") != "true":
                choice.click()
            expect(choice).to_have_attribute("aria-checked", "true", timeout=PATIENCE)

    def wait_for_page(self, stop: Stop) -> None:
        expect(self.page).to_have_url(re.compile(f"/{stop.page}([?#]|$)"), timeout=PATIENCE)
        current = self.page.locator("[data-testid=stSidebar] a[aria-current=page]")
        expect(current).to_have_count(1, timeout=PATIENCE)
        expect(current).to_have_text(re.compile(stop.page), timeout=PATIENCE)
        expect(self.page).to_have_title(re.compile(stop.page), timeout=PATIENCE)
        self.settle()

    def wait(self, stop: Stop) -> None:
        """Wait until the stop is there and shows its own result, and none of the page before."""
        self.wait_for_page(stop)
        if stop in (EPOCHS, TRAIN):
            return
        slots = {"Explore": "verdictWord", "Tune": "ngDefect", "Inside": "score", "Synthetic": "seed"}
        root = {"Explore": "viewer", "Tune": "tuner", "Inside": "inside", "Synthetic": "synthetic"}[stop.page]
        expect(self.page.locator(f".draem-{root}")).to_have_count(1, timeout=PATIENCE)
        if slots[stop.page] != "seed":
            expect(self.page.locator(f".draem-{root} [data-slot={slots[stop.page]}]")).not_to_be_empty(timeout=PATIENCE)
        self.settle()

    def settle(self) -> None:
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)

    def shown(self, stop: Stop) -> dict[str, Any]:
        """What the controls of Explore or Tune say, and what the page computes with."""
        name, hook = ("viewer", "draemViewer") if stop.page == "Explore" else ("tuner", "draemTuner")
        root = self.page.locator(f".draem-{name}")
        settings = root.evaluate(f"(root) => root.{hook}.settings()")
        fields = [root.locator(f"#{field}Number").input_value() for field in ("sensitivity", "kernel", "area")]
        assert [float(field) for field in fields] == [settings[field] for field in LIVE[:3]]
        assert root.locator("[data-switch=logit_scale]").is_checked() == settings["logit_scale"]
        return {name: settings[name] for name in LIVE}

    def expect_rule(self, wanted: dict[str, Any]) -> None:
        """The controls of Inside or Synthetic; a field that has just been opened says 0 for a moment."""
        self.page.get_by_test_id("stPopover").first.get_by_role("button").click()
        body = self.page.get_by_test_id("stPopoverBody")
        thumbs = body.get_by_role("slider")
        expect(thumbs.nth(0)).to_have_value(f"{wanted['sensitivity']:g}", timeout=PATIENCE)
        expect(thumbs.nth(1)).to_have_value(str(wanted["kernel_size"]), timeout=PATIENCE)
        expect(body.get_by_role("spinbutton")).to_have_value(str(wanted["min_area"]), timeout=PATIENCE)
        self.page.keyboard.press("Escape")
        expect(body).to_have_count(0, timeout=PATIENCE)

    def result(self) -> tuple[str, int]:
        """Explore's picture and how many pixels its mask has."""
        root = self.page.locator(".draem-viewer")
        title = str(root.locator("[data-slot=title]").text_content())
        drawn = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
        return title, int(root.evaluate(f"async (root) => {{ {drawn} return root.draemViewer.readout().flagged; }}"))

    def leave(self, way: str, stop: Stop) -> None:
        """Go back or forward in the browser's history to the next page, which is the stop.

        A page has a second entry where a click on it changed its address, such as Tune's button that starts scoring.
        """
        here = urlsplit(self.page.url).path
        for _ in range(3):
            with self.clock.rerun():
                getattr(self.page, f"go_{way}")()
            self.settle()
            if urlsplit(self.page.url).path != here:
                break
        self.wait(stop)

    def set(self, stop: Stop, wanted: dict[str, Any]) -> None:
        """Type a setting into the fields of Explore or Tune; returns when the address has it."""
        root = self.page.locator(".draem-viewer, .draem-tuner")
        for field, name in (("sensitivity", "sensitivity"), ("kernel", "kernel_size"), ("area", "min_area")):
            number = root.locator(f"#{field}Number")
            number.fill(str(wanted[name]))
            number.press("Enter")
            self.expect_address({name: wanted[name]})
        switch = root.locator("[data-switch=logit_scale]")
        if switch.is_checked() != wanted["logit_scale"]:
            switch.click()
        self.expect_address(wanted)
        self.settle()

    def expect_address(self, wanted: dict[str, Any]) -> None:
        for name, value in wanted.items():
            text = str(value).lower() if isinstance(value, bool) else re.escape(str(value))
            if value == DEFAULTS[name]:
                expect(self.page).not_to_have_url(re.compile(f"[?&]{name}="), timeout=PATIENCE)
            else:
                expect(self.page).to_have_url(re.compile(f"[?&]{name}={text}(&|$)"), timeout=PATIENCE)

    def expect_setting(self, stop: Stop, wanted: dict[str, Any]) -> None:
        """The same setting in the address, the controls and what the page makes of it."""
        if stop not in SHOWING:
            return
        self.expect_address(wanted)
        if stop.page in ("Explore", "Tune"):
            assert self.shown(stop) == wanted, stop
        else:
            self.expect_rule(wanted)  # these pages have no switch for the logit scale


@pytest.fixture
def walker(url: str, browser: Browser) -> Iterator[Walker]:
    context = browser.new_context(viewport={"width": 1500, "height": 1200}, locale="en-US")
    walker = Walker(context.new_page(), url)
    yield walker
    context.close()
    assert not walker.errors


def upload(walker: Walker, name: str = "held.png") -> None:
    """Upload a picture where the page asks for one."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(buffer, "PNG")
    field = walker.page.locator("[data-testid=stMain] [data-testid=stFileUploader] input[type=file]")
    field.set_input_files([{"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}])  # type: ignore[list-item]


def tour(stops: tuple[Stop, ...]) -> list[Stop]:
    """A closed walk that takes every ordered pair of different stops once."""
    ways = {stop: [other for other in stops if other != stop] for stop in stops}
    walk, stack = [], [stops[0]]
    while stack:
        if ways[stack[-1]]:
            stack.append(ways[stack[-1]].pop())
        else:
            walk.append(stack.pop())
    return walk[::-1]


def test_a_tour_takes_every_ordered_pair_once() -> None:
    walk = tour(STOPS)
    assert sorted(map(repr, itertools.pairwise(walk))) == sorted(map(repr, itertools.permutations(STOPS, 2)))


def test_a_fresh_visit_leaves_the_setting_alone(walker: Walker) -> None:
    """Nobody chose anything: from Synthetic to Inside and on, the address says nothing and controls the default."""
    walker.open("Synthetic")
    for stop in (SYNTHETIC, INSIDE, EXPLORE, SYNTHETIC, TUNE):
        walker.go(stop)
        walker.expect_setting(stop, DEFAULTS)


def test_every_ordered_pair_by_the_sidebar(walker: Walker) -> None:
    walker.open("Explore")
    walker.page.get_by_role("radio", name="Upload", exact=True).click()
    upload(walker)
    walker.wait(UPLOADED)
    walker.go(EXPLORE)
    walker.set(EXPLORE, FIRST)
    masks = dict([walker.result()])
    for stop in tour(STOPS)[1:]:
        walker.go(stop)
        walker.expect_setting(stop, FIRST)
        if stop.page == "Explore":
            picture, pixels = walker.result()
            assert masks.setdefault(picture, pixels) == pixels


def test_back_forward_and_reload(walker: Walker) -> None:
    walker.open("Explore")
    walker.set(EXPLORE, FIRST)
    pages = (EXPLORE, INSIDE, TUNE, SYNTHETIC, EPOCHS, EXPLORE, TRAIN, INSIDE)
    for stop in pages[1:]:
        walker.go(stop)
    for way, stops in (("back", pages[-2::-1]), ("forward", pages[1:])):
        for stop in stops:
            walker.leave(way, stop)
            walker.expect_setting(stop, FIRST)
    for stop in (INSIDE, TUNE, SYNTHETIC, EXPLORE):
        walker.go(stop)
        walker.page.reload()
        walker.wait(stop)
        walker.expect_setting(stop, FIRST)


def test_the_newest_setting_stands_on_the_way_back_too(walker: Walker) -> None:
    """What was set stands on the way back and forward; Back within Tune would undo its changes one by one."""
    walker.open("Explore")
    walker.set(EXPLORE, FIRST)
    walker.go(TUNE)
    walker.set(TUNE, SECOND)
    walker.go(INSIDE)
    walker.expect_setting(INSIDE, SECOND)
    walker.leave("back", TUNE)
    walker.expect_setting(TUNE, SECOND)
    walker.leave("forward", INSIDE)
    walker.expect_setting(INSIDE, SECOND)


def test_a_setting_of_inside_reaches_every_page(walker: Walker) -> None:
    walker.open("Inside")
    walker.page.get_by_test_id("stPopover").first.get_by_role("button").click()
    area = walker.page.get_by_test_id("stPopoverBody").get_by_role("spinbutton")
    area.fill("7")
    area.press("Enter")
    walker.expect_address({"min_area": 7})
    walker.page.keyboard.press("Escape")
    for stop in (SYNTHETIC, EXPLORE, TUNE, INSIDE):
        walker.go(stop)
        walker.expect_setting(stop, DEFAULTS | {"min_area": 7})


def test_a_links_setting_wins_and_a_change_wins_over_it(walker: Walker) -> None:
    walker.open("Inside", "?sensitivity=0.62&kernel_size=1&min_area=4")
    walker.expect_setting(INSIDE, SECOND)
    walker.go(EXPLORE)
    walker.expect_setting(EXPLORE, SECOND)
    walker.set(EXPLORE, FIRST)
    walker.go(INSIDE)
    walker.expect_setting(INSIDE, FIRST)


# --- uploads, Tune's view, language, the sidebar ----------------------------------------------------------------------


def test_uploads_stay_over_sources_and_pages_until_they_are_removed(walker: Walker) -> None:
    walker.open("Explore")
    walker.page.get_by_role("radio", name="Upload", exact=True).click()
    upload(walker)
    title = walker.page.locator(".draem-viewer [data-slot=title]")
    expect(title).to_have_text("held.png", timeout=PATIENCE)
    walker.go(EXPLORE)
    expect(title).to_have_text(re.compile("^test/"), timeout=PATIENCE)
    walker.go(UPLOADED)
    expect(title).to_have_text("held.png", timeout=PATIENCE)
    walker.page.get_by_test_id("stSidebar").get_by_role("link", name="Inside", exact=True).click()
    walker.wait(INSIDE_UPLOADED)
    expect(walker.page.locator(".draem-inside [data-slot=title]")).to_have_text("held.png", timeout=PATIENCE)
    upload(walker, "second.png")
    walker.page.get_by_text("2. second.png", exact=True).click()
    expect(walker.page.locator(".draem-inside [data-slot=title]")).to_have_text("second.png", timeout=PATIENCE)
    walker.page.get_by_role("button", name="Remove the uploads").click()
    expect(walker.page.get_by_text("Upload one picture or many")).to_be_visible(timeout=PATIENCE)


def test_back_from_explore_finds_tune_as_it_was_left(walker: Walker) -> None:
    walker.page.set_viewport_size({"width": 1500, "height": 600})
    walker.open("Tune", "?zones=true&unsure_sensitivity=0.9&sensitivity=0.3")
    walker.page.locator("[data-order=score]").click()
    expect(walker.page).to_have_url(re.compile("order=score"), timeout=PATIENCE)
    walker.settle()
    tile = walker.page.locator("[data-slot=gallery] li:not([hidden]) button").nth(2)
    tile.scroll_into_view_if_needed()
    main = walker.page.get_by_test_id("stMain")
    scrolled = main.evaluate("(main) => (main.scrollTop = main.scrollTop - 40)")
    assert scrolled > 100
    tile.click()
    walker.wait(EXPLORE)
    walker.leave("back", TUNE)
    settings = walker.page.locator(".draem-tuner").evaluate("(root) => root.draemTuner.settings()")
    assert (settings["zones"], settings["order"], settings["unsure_sensitivity"]) == (True, "score", 0.9)
    walker.page.wait_for_function(
        "(top) => Math.abs(document.querySelector('[data-testid=stMain]').scrollTop - top) <= 2", arg=scrolled
    )


def test_the_dashed_line_stands_over_its_thumb(walker: Walker) -> None:
    for query in ("", "&logit_scale=true"):
        walker.open("Tune", f"?zones=true&unsure_sensitivity=0.9&sensitivity=0.3{query}")
        line, thumb = walker.page.locator(".draem-tuner").evaluate(
            """(root) => {
                const middle = (box) => box.left + box.width / 2;
                const slider = root.querySelector("#unsure");
                const box = slider.getBoundingClientRect();
                const share = (slider.value - slider.min) / (slider.max - slider.min);
                return [middle(root.querySelector(".cut.unsure").getBoundingClientRect()),
                        box.left + 8 + share * (box.width - 16)];
            }"""
        )
        assert line == pytest.approx(thumb, abs=2)


def test_the_language_of_a_link_stays(walker: Walker) -> None:
    walker.page.goto(f"{walker.url}/Explore?lang=zh-Hant")
    for number, page in ((1, "Tune"), (4, "Inside"), (5, "Synthetic"), (0, "Explore")):
        expect(walker.page.locator("html")).to_have_attribute("lang", "zh-Hant", timeout=PATIENCE)
        walker.page.locator("[data-testid=stSidebar] [class*=st-key-way_] a").nth(number).click()
        expect(walker.page).to_have_url(re.compile(f"/{page}[?].*lang=zh-Hant"), timeout=PATIENCE)
        walker.settle()
        expect(walker.page.get_by_role("combobox", name="Language")).to_have_value("繁體中文", timeout=PATIENCE)
    walker.page.get_by_role("combobox", name="Language").click()
    walker.page.get_by_role("option", name="English").click()
    expect(walker.page).not_to_have_url(re.compile("lang="), timeout=PATIENCE)  # the browser's own language
    walker.go(TUNE)
    walker.leave("back", EXPLORE)
    expect(walker.page.locator("html")).to_have_attribute("lang", "en", timeout=PATIENCE)


def test_focus_is_seen_on_the_sidebars_links(walker: Walker) -> None:
    walker.open("Explore")
    walker.page.locator("[data-testid=stSidebar] a").first.focus()
    walker.page.keyboard.press("Tab")
    style = walker.page.evaluate(
        "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"
    )
    assert style == ["solid", "2px"]


# --- narrow windows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 820])
def test_in_a_narrow_window_the_sidebar_is_folded_and_nothing_overflows(width: int, url: str, browser: Browser) -> None:
    for scheme, language in (("light", "en"), ("dark", "zh-Hant")):
        context = browser.new_context(
            viewport={"width": width, "height": 1000},
            color_scheme=scheme,
            locale=language[:2],  # type: ignore[arg-type]
        )
        page = context.new_page()
        for name in ("Explore", "Tune", "Epochs", "Train", "Inside", "Synthetic"):
            page.goto(f"{url}/{name}?lang={language}")
            expect(page.locator("[class*=st-key-way_] a[aria-current=page]")).to_have_count(1, timeout=PATIENCE)
            expect(page.get_by_test_id("stApp")).to_have_attribute(
                "data-test-script-state", "notRunning", timeout=PATIENCE
            )
            expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true", timeout=PATIENCE)
            sides = page.evaluate(OVERFLOW)
            assert sides == [], (name, width, language)
        context.close()
