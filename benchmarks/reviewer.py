"""How smoothly the Epochs page follows its slider: frame times in a real Chromium over a run of synthetic pictures.

Run ``python benchmarks/reviewer.py``. The epoch slider is dragged back and forth over pictures of noise, which no PNG
makes smaller; printed are the time between frames, how many of them redrew the page and how long it worked in those,
and the messages sent to the server meanwhile.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.async_api import Browser, async_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests"), str(PROJECT / "tests" / "browser")]
from machinery import QUIET_FLAGS, find_browser, start_server  # noqa: E402
from tiny_runs import write_noise_run  # noqa: E402

from benchmarks.viewer import RECORDER, drag  # noqa: E402

MEDIAN_TARGET, HIGH_TARGET = 17, 34  # ms between frames: median, 95th percentile
VIEWS = {"pictures": "", "with layers": "", "wipe": "&compare=true&other_epoch=50"}
PATIENCE = 180_000  # ms
DECODED = """(root) => new Promise((tell) => {
    const look = () => (root.draemReviewer.decoded() ? tell() : setTimeout(look, 50));
    look();
})"""

HEADING = "view         frames   gap median      95 %   redrawn   work median      95 %   messages   target"


async def measure(browser: Browser, url: str, view: str, seconds: float) -> str:
    """Open the page, drag its slider for ``seconds`` and return the line to print."""
    page = await browser.new_page(viewport={"width": 1600, "height": 1400})
    await page.add_init_script(RECORDER)
    messages: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: messages.append(frame)))
    start = time.perf_counter()
    await page.goto(f"{url}/Epochs?run=runs/noise{VIEWS[view]}", wait_until="commit")
    await page.locator(".draem-reviewer:not(.loading)").wait_for(timeout=PATIENCE)
    shown = time.perf_counter() - start
    await page.locator(".draem-reviewer").evaluate(DECODED, timeout=PATIENCE)
    print(f"first picture after {shown:.1f} s, all decoded after {time.perf_counter() - start:.1f} s")
    if view == "with layers":
        await page.locator(".heat summary").click()
    await page.locator("#epoch").scroll_into_view_if_needed()
    await page.wait_for_timeout(2000)
    messages.clear()
    frames = await drag(page, "#epoch", seconds)
    sent = len(messages)
    gap, gap95 = np.median(frames["gaps"]), np.percentile(frames["gaps"], 95)
    work, work95 = np.median(frames["work"]), np.percentile(frames["work"], 95)
    met = gap <= MEDIAN_TARGET and gap95 <= HIGH_TARGET and sent == 0
    await page.close()
    return (
        f"{view:11s}  {len(frames['gaps']):5d}   {gap:7.1f} ms  {gap95:5.1f} ms  {len(frames['work']):8d}"
        f"   {work:8.1f} ms  {work95:5.1f} ms   {sent:8d}   {'met' if met else 'missed'}"
    )


async def run(folder: Path, views: list[str], seconds: float) -> None:
    os.environ["DRAEM_HOME"] = str(folder)
    server, url = start_server(PROJECT / "app.py", folder / "server.log")
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET_FLAGS))
            print(HEADING)
            for view in views:
                print(await measure(browser, url, view, seconds), flush=True)
            await browser.close()
    finally:
        server.terminate()
        server.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--probes", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="side of a picture in pixels")
    parser.add_argument("--views", nargs="+", choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument("--seconds", type=float, default=5, help="of dragging, for each view")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_noise_run(Path(folder) / "runs" / "noise", arguments.epochs, arguments.probes, arguments.size)
        asyncio.run(run(Path(folder), arguments.views, arguments.seconds))


if __name__ == "__main__":
    main()
