"""How smoothly the viewer follows a slider: frame times in a real Chromium while a real mouse drags.

Run ``python benchmarks/viewer.py``. For each map size, sensitivity and then kernel size are dragged back and forth;
printed are the time between frames, how many of them redrew the viewer and how long it worked in those, and the
messages sent to the server meanwhile.
"""

import argparse
import asyncio
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.async_api import Browser, Page, async_playwright

BROWSER_TESTS = Path(__file__).resolve().parents[1] / "tests" / "browser"
sys.path.insert(0, str(BROWSER_TESTS))
from machinery import QUIET_FLAGS, find_browser, start_server  # noqa: E402

APP = BROWSER_TESTS / "viewer_app.py"

MOUSE_SECONDS = 1 / 125  # an ordinary mouse reports 125 times a second
SWING_SECONDS = 2.5
TARGETS = {256: (17, 34), 512: (17, 34), 1024: (1000 / 30, None)}  # ms: median, 95th percentile

HEADING = "map    slider       frames   gap median      95 %   redrawn   work median      95 %   messages   target"

# Times each animation frame: its distance from the one before, and the work that its callbacks did.
RECORDER = """
    window.frames_seen = { gaps: [], work: [] };
    const original = window.requestAnimationFrame.bind(window);
    let workInFrame = 0;
    window.requestAnimationFrame = (callback) => original((now) => {
        const start = performance.now();
        callback(now);
        workInFrame += performance.now() - start;
    });
    let before = null;
    const tick = (now) => {
        if (before !== null) window.frames_seen.gaps.push(now - before);
        window.frames_seen.work.push(workInFrame);
        workInFrame = 0;
        before = now;
        original(tick);
    };
    original(tick);
"""


async def measure(browser: Browser, url: str, size: int, slider: str, seconds: float) -> str:
    """Open a map of ``size``, drag ``slider`` for ``seconds`` and return the line to print."""
    page = await browser.new_page(viewport={"width": 1600, "height": 1000})
    await page.add_init_script(RECORDER)
    messages: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: messages.append(frame)))
    await page.goto(f"{url}/?height={size}&width={size}")
    await page.wait_for_function("document.querySelector('#settled') !== null")
    await page.wait_for_timeout(1000)
    messages.clear()
    frames = await drag(page, f"#{slider}", seconds)
    line = describe(size, slider, frames, len(messages))
    await page.close()
    return line


async def drag(page: Page, selector: str, seconds: float) -> dict[str, np.ndarray]:
    """Drag a slider's thumb back and forth with the mouse held down; return the frames seen meanwhile, in ms."""
    field = page.locator(selector)
    box = await field.bounding_box()
    assert box is not None
    y, middle, reach = box["y"] + box["height"] / 2, box["x"] + box["width"] / 2, box["width"] / 2 - 8
    thumb = await field.evaluate("({ value, min, max }) => (value === undefined ? 0.5 : (value - min) / (max - min))")
    await page.mouse.move(box["x"] + 8 + 2 * reach * thumb, y)
    await page.mouse.down()
    await page.evaluate("window.frames_seen = { gaps: [], work: [] }")
    moves = []  # not awaited one by one: each is answered after the next frame, and a mouse does not wait for that
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        x = middle + 0.95 * reach * math.sin(2 * math.pi * elapsed / SWING_SECONDS)
        moves.append(asyncio.create_task(page.mouse.move(x, y)))
        await asyncio.sleep(MOUSE_SECONDS)
    frames = await page.evaluate("window.frames_seen")
    await asyncio.gather(*moves)
    return {"gaps": np.array(frames["gaps"]), "work": np.array([work for work in frames["work"] if work > 0])}


def describe(size: int, slider: str, frames: dict[str, np.ndarray], messages: int) -> str:
    gap, gap95 = np.median(frames["gaps"]), np.percentile(frames["gaps"], 95)
    work, work95 = np.median(frames["work"]), np.percentile(frames["work"], 95)
    median_target, high_target = TARGETS.get(size, (math.inf, None))
    met = gap <= median_target and (high_target is None or gap95 <= high_target) and messages == 0
    return (
        f"{size:4d}²  {slider:11s}  {len(frames['gaps']):5d}   {gap:7.1f} ms  {gap95:5.1f} ms  {len(frames['work']):8d}"
        f"   {work:8.1f} ms  {work95:5.1f} ms   {messages:8d}   {'met' if met else 'missed'}"
    )


async def run(sizes: list[int], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(APP, Path(folder) / "server.log")
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET_FLAGS))
                print(HEADING)
                for size in sizes:
                    for slider in ("sensitivity", "kernel"):
                        print(await measure(browser, url, size, slider, seconds), flush=True)
                await browser.close()
        finally:
            server.terminate()
            server.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=5, help="of dragging, for each slider")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.sizes, arguments.seconds))


if __name__ == "__main__":
    main()
