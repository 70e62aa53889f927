"""The viewer as the browser tests see it: a page, its fields, and the read-only hook on its root element."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from machinery import PATIENCE
from playwright.sync_api import Locator, Page, expect

APP = Path(__file__).with_name("viewer_app.py")

# The hook's mask as base64 of its packed bits, most significant first, as np.unpackbits reads it.
MASK_AS_TEXT = """(mask) => {
    const packed = new Uint8Array(Math.ceil(mask.length / 8));
    for (let i = 0; i < mask.length; i++) packed[i >> 3] |= mask[i] << (7 - (i & 7));
    let text = "";
    for (let i = 0; i < packed.length; i += 8192) text += String.fromCharCode(...packed.subarray(i, i + 8192));
    return btoa(text);
}"""


class Viewer:
    """One page with the viewer mounted; ``sent`` are the messages that the browser sent to the server so far."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.sent: list[bytes | str] = []
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: self.sent.append(frame)))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, **query: object) -> "Viewer":
        """Load the harness page with ``query`` and wait for the first picture."""
        text = "&".join(f"{name}={value}" for name, value in query.items())
        self.page.goto(f"{self.url}/?{text}")
        self.page.wait_for_function("document.querySelector('#settled') !== null")
        expect(self.slot("verdictWord")).to_have_text(["OK", "NG"][self.call("readout")["flagged"] > 0])
        self.wait_until_idle()  # the page's own messages after loading
        return self

    def let_two_frames_pass(self) -> None:
        """Return when all that has happened so far is drawn, however long a frame takes here."""
        self.page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")

    @property
    def root(self) -> Locator:
        return self.page.locator(".draem-viewer")

    def slot(self, name: str) -> Locator:
        return self.page.locator(f"[data-slot={name}]")

    def panel(self, name: str) -> Locator:
        return self.page.locator(f"[data-panel={name}] .stage")

    def call(self, hook: str) -> Any:
        return self.root.evaluate(f"(root) => root.draemViewer.{hook}()")

    def masks(self, settings: list[dict[str, float]], shape: tuple[int, int]) -> list[tuple[np.ndarray, dict]]:
        """Type each setting into the number fields; return the masks and readouts, all within the browser."""
        answers = self.root.evaluate(
            f"""(root, settings) => settings.map((setting) => {{
                for (const [id, value] of Object.entries(setting)) {{
                    const field = root.querySelector(`#${{id}}Number`);
                    field.value = value;
                    field.dispatchEvent(new Event("input"));
                }}
                return [({MASK_AS_TEXT})(root.draemViewer.mask()), root.draemViewer.readout()];
            }})""",
            settings,
        )
        return [(_unpack(text, shape), readout) for text, readout in answers]

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        return self.masks([{}], shape)[0][0]

    def settled(self) -> dict[str, Any]:
        """What Python says the settings are, with the number of runs of the page so far."""
        return json.loads(self.page.locator("#settled").inner_text())

    def wait_until_idle(self) -> int:
        """Wait until the page does not run, nor asks to in the next frames; return how many runs there were."""
        runs = -1
        while runs != (now := self.settled()["runs"]):
            runs = now
            self.let_two_frames_pass()
            expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        return runs

    def wait_for_runs(self, runs: int) -> dict[str, Any]:
        self.page.wait_for_function(
            "(runs) => JSON.parse(document.querySelector('#settled')?.innerText ?? '{}').runs >= runs", arg=runs
        )
        return self.settled()

    def wait_for_settled(self, name: str, value: object) -> None:
        """Wait until Python knows ``value`` for the setting ``name``."""
        self.page.wait_for_function(
            "([name, value]) => JSON.parse(document.querySelector('#settled')?.innerText ?? '{}')[name] === value",
            arg=[name, value],
        )

    def press_button(self, name: str) -> None:
        """Click one of the harness page's buttons, without the mouse (it may be in the middle of a drag)."""
        runs = self.settled()["runs"]
        self.page.get_by_role("button", name=name).evaluate("(button) => button.click()")
        self.wait_for_runs(runs + 1)


def _unpack(text: str, shape: tuple[int, int]) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=shape[0] * shape[1])
    return bits.reshape(shape).astype(bool)
