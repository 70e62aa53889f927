"""How soon a brush stroke on the Inside page shows its result, stages included, in a real Chromium.

Run ``python benchmarks/inside.py``. The app is served as it stands in this project (``--home`` names another home
folder), strokes are painted with the bundled checkpoint, and each is timed in the browser from the pointer's release
to the frame in which the new map, stages and numbers are drawn. The old ones stay on the screen meanwhile.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from machinery import QUIET_FLAGS, find_browser, start_server  # noqa: E402

TARGET = 0.7  # s
PATIENCE = 120_000  # ms


def measure(url: str, strokes: int) -> np.ndarray:
    """Paint ``strokes`` strokes, one after the other, and return the seconds until each was shown."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET_FLAGS))
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}/Inside")
        page.wait_for_selector(".draem-inside .card")
        page.wait_for_timeout(1000)
        page.click("button[data-tool=brush]")
        times = [_stroke(page, number) for number in range(strokes + 1)][1:]  # the first one is not counted
        browser.close()
    return np.array(times)


# Resolves to the ms from the stroke to its result, once the page has been still for a while.
WAITED = """(root, stroke) => new Promise((resolve) => {
    const look = () => {
        const { draemInside } = root;
        if (draemInside.stroke() !== stroke || draemInside.waited() === null) setTimeout(look, 20);
        else setTimeout(() => resolve(draemInside.waited()), 500);
    };
    look();
})"""


def _stroke(page: Page, number: int) -> float:
    box = page.locator("[data-slot=easel]").bounding_box()
    assert box is not None
    row = box["y"] + box["height"] * (0.1 + 0.8 * (number % 10) / 10)
    page.mouse.move(box["x"] + 0.2 * box["width"], row)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], row + 10, steps=10)
    page.mouse.up()
    return float(page.locator(".draem-inside").evaluate(WAITED, number + 1)) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=ROOT, help="folder with checkpoints/ and datasets/")
    parser.add_argument("--strokes", type=int, default=10)
    arguments = parser.parse_args()
    os.environ["DRAEM_HOME"] = str(arguments.home)
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(ROOT / "app.py", Path(folder) / "server.log")
        try:
            times = measure(url, arguments.strokes)
        finally:
            server.terminate()
            server.wait(10)
    median, longest = np.median(times), times.max()
    print(f"a stroke's result after, {times.size} strokes: median {median:.2f} s, longest {longest:.2f} s", end="; ")
    print(f"the target of {TARGET} s is {'met' if median <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
