"""The Epochs page as the browser tests see it: the reviewer's canvases as pixels, its curves' cursor, its table."""

import base64
import io
from typing import Any

import numpy as np
from explore_driver import Explore
from PIL import Image
from playwright.sync_api import Locator, expect

# After the frame that a change asks for, what the page shows, read in one go.
SHOWN = """(root) => new Promise((tell) => requestAnimationFrame(() => requestAnimationFrame(() => tell({
    settings: root.draemReviewer.settings(),
    name: root.querySelector("[data-slot=epochName]").textContent,
    scores: [...root.querySelectorAll("[data-slot=heads] b")].map((score) => score.textContent),
    rows: [...root.querySelectorAll(".scores .present button")].map((button) => button.textContent),
    values: [...root.querySelectorAll(".charts li")].map((item) => item.textContent),
}))))"""

PIXELS = "(canvas) => canvas.toDataURL('image/png')"


class Epochs(Explore):
    """One browser tab on the Epochs page."""

    @property
    def root(self) -> Locator:
        return self.page.locator(".draem-reviewer")

    def open(self, path: str = "/Epochs", **query: object) -> "Epochs":
        super().open(path, **query)
        return self

    def wait(self) -> None:
        """Wait until the page stands still and the reviewer shows an epoch."""
        expect(self.root).not_to_have_class("loading")
        expect(self.slot("epochName")).not_to_be_empty()
        expect(self.page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")

    def shown(self) -> dict[str, Any]:
        return self.root.evaluate(SHOWN)

    @property
    def epoch(self) -> int:
        return self.shown()["settings"]["epoch"]

    def expect_epoch(self, epoch: int) -> None:
        """Wait until every part of the page shows ``epoch``."""
        expect(self.root.locator(".scores .present button")).to_have_text(str(epoch))
        shown = self.shown()
        assert shown["settings"]["epoch"] == epoch
        assert shown["name"].startswith(f"{epoch} of ")
        assert shown["rows"] == [str(epoch)]

    def board(self, row: str) -> np.ndarray:
        """A row of the probes' pictures as drawn, (h, P·w, 3) uint8."""
        return self.canvas(f"[data-row={row}]")

    def canvas(self, selector: str) -> np.ndarray:
        """A canvas' pixels (h, w, 3) uint8; what is transparent is black."""
        url = self.root.locator(selector).first.evaluate(PIXELS)
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
            return np.asarray(picture.convert("RGBA"))[..., :3] * (np.asarray(picture.convert("RGBA"))[..., 3:] > 0)

    def switch(self, name: str) -> None:
        """Flip a switch; returns after the rerun that this leads to."""
        with self.rerun():
            self.root.locator(f"[data-switch={name}]").click()

    def settle(self, epoch: int) -> None:
        """Go to an epoch by its row in the table; returns after the rerun that this leads to."""
        with self.rerun():
            self.root.get_by_role("button", name=f"Show epoch {epoch}", exact=True).click()
