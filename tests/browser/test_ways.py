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
        """What the page's controls say."""
        if stop.page in ("Explore", "Tune"):
            name, hook = ("viewer", "draemViewer") if stop.page == "Explore" else ("tuner", "draemTuner")
            root = self.page.locator(f".draem-{name}")
            settings = root.evaluate(f"(root) => root.{hook}.settings()")
            fields = [root.locator(f"#{field}Number").input_value() for field in ("sensitivity", "kernel", "area")]
            assert [float(field) for field in fields] == [settings[field] for field in LIVE[:3]]
            assert root.locator("[data-switch=logit_scale]").is_checked() == settings["logit_scale"]
            return {name: settings[name] for name in LIVE}
        popover = self.page.get_by_test_id("stPopover").first
        popover.get_by_role("button").click()
        body = self.page.get_by_test_id("stPopoverBody")
        thumbs = body.get_by_role("slider")
        expect(thumbs).to_have_count(2, timeout=PATIENCE)
        sensitivity, kernel = (float(thumbs.nth(at).input_value()) for at in (0, 1))
        area = float(body.get_by_role("spinbutton").input_value())
        self.page.keyboard.press("Escape")
        expect(body).to_have_count(0, timeout=PATIENCE)
        logit = self.address.get("logit_scale", "false") == "true"  # these pages have no switch for it
        return {"sensitivity": sensitivity, "kernel_size": kernel, "min_area": area, "logit_scale": logit}

    def result(self, stop: Stop) -> int | None:
        """How many pixels the mask has; None where the page does not show one picture's."""
        if stop.page == "Explore":
            return int(self.page.locator(".draem-viewer").evaluate("(root) => root.draemViewer.readout().flagged"))
        return None

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
        assert self.shown(stop) == wanted, stop


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
    masks = {EXPLORE: walker.result(EXPLORE)}
    for stop in tour(STOPS)[1:]:
        walker.go(stop)
        walker.expect_setting(stop, FIRST)
        if (result := walker.result(stop)) is not None:
            assert masks.setdefault(stop, result) == result
