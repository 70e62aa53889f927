"""Does the server's memory stay flat? 200 reruns and 100 uploads in a real browser, resident memory before and after.

    python benchmarks/endurance.py [--reruns 200] [--uploads 100]

On the bundled home. The first tenth of each is a warm-up; caches hold 32 pictures, so uploads fill them meanwhile.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from machinery import QUIET_FLAGS, find_browser, start_server  # noqa: E402


def main() -> None:
    """Print one line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reruns", type=int, default=200)
    parser.add_argument("--uploads", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process, url = start_server(ROOT / "app.py", Path(folder) / "server.log")
        try:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET_FLAGS))
            page = browser.new_page()
            page.goto(f"{url}/Explore")
            settle(page)
            measure("reruns", asked.reruns, process.pid, lambda turn: rerun(page, url, turn))
            measure("uploads", asked.uploads, process.pid, lambda turn: upload(page, url, turn))
        finally:
            process.terminate()
            process.wait(10)


def measure(what: str, count: int, pid: int, act: Callable[[int], None]) -> None:
    """Do ``act`` ``count`` times and print the resident memory after a tenth and at the end, MiB."""
    warm, begin = 0.0, count // 10
    for turn in range(count):
        act(turn)
        if turn == begin:
            warm = resident(pid)
    last = resident(pid)
    print(f"{count} {what}: {warm:.0f} MiB after {begin + 1}, {last:.0f} at the end ({last - warm:+.0f})", flush=True)


def rerun(page: Page, url: str, turn: int) -> None:
    """Load Explore anew with another sensitivity: a new session each time."""
    page.goto(f"{url}/Explore?sensitivity={0.1 + 0.001 * turn:.3f}")
    settle(page)


def upload(page: Page, url: str, turn: int) -> None:
    """Upload a picture that is new to the server and wait for its result."""
    page.goto(f"{url}/Explore")
    settle(page)
    page.get_by_role("radio", name="Upload").first.click()
    buffer = io.BytesIO()
    pixels = np.random.default_rng(turn).integers(0, 256, (512, 512, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    file = {"name": f"{turn}.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator("[data-testid=stMain] input[type=file]").set_input_files([file])
    page.get_by_text(f"{turn}.png").first.wait_for(timeout=60_000)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page has run to its end."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(state="attached", timeout=120_000)


def resident(pid: int) -> float:
    """Return a process's resident memory, MiB; Linux alone."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmRSS in /proc")


if __name__ == "__main__":
    main()
