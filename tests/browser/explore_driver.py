"""The Explore page as the browser tests see it: the viewer, the address, and what the browser asked for and said."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import numpy as np
from playwright.sync_api import ConsoleMessage, Page, expect
from rerun_clock import RerunClock
from viewer_driver import Viewer

# Streamlit looks for itself below the page's own path first; the 404 that it gets is no fault.
OWN_PROBES = re.compile("/(Explore|Tune|Epochs|Train)/_stcore/")


class Explore(Viewer):
    """One browser tab of the app; ``hosts`` are those that it asked, ``complaints`` the console's errors."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self.clock = RerunClock(page)
        self.hosts: set[str | None] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self._note_host(request.url))
        page.on("websocket", lambda socket: self._note_host(socket.url))
        page.on("console", self._note_complaint)

    def _note_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname)

    def _note_complaint(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not OWN_PROBES.search(message.location["url"]):
            self.complaints.append(f"{message.text} {message.location}")

    def open(self, path: str = "/Explore", **query: object) -> "Explore":
        """Follow a link and wait for the picture."""
        text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        with self.clock.rerun():
            self.page.goto(f"{self.url}{path}?{text}")
        self.wait()
        return self

    def wait(self) -> None:
        """Wait until the page stands still and the viewer shows what it was sent."""
        expect(self.page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
        expect(self.slot("verdictWord")).not_to_be_empty()

    @contextmanager
    def rerun(self) -> Iterator[None]:
        with self.clock.rerun():
            yield
        self.wait()

    @property
    def address(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def expect_picture(self, name: str) -> None:
        expect(self.slot("title")).to_have_text(name)

    def anomaly_map(self) -> np.ndarray:
        """The map (H, W) float32 that the browser works on."""
        facts = str(self.slot("facts").inner_text())
        width, height = facts.rpartition("map ")[2].split(" × ")
        values = self.root.evaluate("(root) => Array.from(root.draemViewer.opened(1))")
        return np.array(values, np.float32).reshape(int(height), int(width))

    def grab(self, slider: str) -> None:
        """Press the mouse on a slider's thumb, once the page stands still under it."""
        field = self.page.locator(f"#{slider}")
        share = field.evaluate("({ value, min, max }) => (value - min) / (max - min)")
        box: Any = field.bounding_box()
        field.hover(position={"x": _along(box, share), "y": box["height"] / 2})
        self.page.mouse.down()

    def drag(self, slider: str, share: float) -> None:
        """Move the held thumb to ``share`` of the slider's way."""
        box: Any = self.page.locator(f"#{slider}").bounding_box()
        self.page.mouse.move(box["x"] + _along(box, share), box["y"] + box["height"] / 2)

    def release(self) -> None:
        """Let go; returns after the rerun that this leads to."""
        with self.rerun():
            self.page.mouse.up()

    def upload(self, place: str, files: list[dict[str, object]]) -> None:
        """Give files to the uploader in "stSidebar" or "stMain"."""
        field = self.page.locator(f"[data-testid={place}] [data-testid=stFileUploader] input[type=file]")
        field.set_input_files(files)  # type: ignore[arg-type]

    def choose(self, label: str) -> None:
        """Press a pill or segment."""
        with self.rerun():
            self.page.get_by_role("radio", name=label).or_(self.page.get_by_role("button", name=label)).first.click()


def _along(box: dict[str, float], share: float) -> float:
    """How far from a slider's left end the middle of its thumb is, the thumb being 16 px wide."""
    return 8 + share * (box["width"] - 16)
