"""How soon the page stands again after a slider is let go: the rerun's time, heard at the websocket.

Run ``python benchmarks/rerun.py``. The app is served as it stands in this project (``--home`` names another home
folder), the sensitivity is dragged to and fro in a real Chromium, and each release is timed from the browser's message
to the server's "script finished". Everything else on the page is cached by then.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from explore_driver import Explore  # noqa: E402
from machinery import QUIET_FLAGS, find_browser, start_server  # noqa: E402

TARGET = 100  # ms


def measure(url: str, releases: int) -> np.ndarray:
    """Let the slider go ``releases`` times and return the reruns' times in ms."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET_FLAGS))
        explore = Explore(browser.new_page(viewport={"width": 1500, "height": 1000}), url)
        explore.open()
        for release in range(releases + 1):  # the first one is not counted
            explore.grab("sensitivity")
            explore.drag("sensitivity", 0.35 + 0.3 * (release % 2))
            explore.release()
            explore.page.wait_for_timeout(200)
        browser.close()
    return 1000 * np.array(explore.clock.seconds[-releases:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=ROOT, help="folder with checkpoints/ and datasets/")
    parser.add_argument("--releases", type=int, default=20)
    arguments = parser.parse_args()
    os.environ["DRAEM_HOME"] = str(arguments.home)
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(ROOT / "app.py", Path(folder) / "server.log")
        try:
            times = measure(url, arguments.releases)
        finally:
            server.terminate()
            server.wait(10)
    median, high = np.median(times), np.percentile(times, 95)
    print(f"rerun after a release, {times.size} times: median {median:.0f} ms, 95 % {high:.0f} ms", end="; ")
    print(f"the target of {TARGET} ms is {'met' if median <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
