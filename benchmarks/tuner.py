"""How smoothly the Tune page follows a slider: frame times in a real Chromium over a dataset of drawn maps.

Run ``python benchmarks/tuner.py``. Each slider and the line in the histogram are dragged back and forth, on a dataset
without network or pictures' files; printed are the time between frames, how many of them redrew the page and how long
it worked in those, and the messages sent to the server meanwhile.
"""

import argparse
import asyncio
import base64
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.async_api import Browser, async_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "browser")]
from machinery import QUIET_FLAGS, find_browser, start_server  # noqa: E402

from benchmarks.sweep import draw_dataset  # noqa: E402
from benchmarks.viewer import RECORDER, drag  # noqa: E402
from draem_core.evaluation.settings_grid import SettingsGrid  # noqa: E402
from draem_core.sweep import ThresholdSweep  # noqa: E402
from pages._ui.components.tuner import Entry, pack  # noqa: E402

APP = PROJECT / "tests" / "browser" / "tuner_app.py"
KINDS = ("scratch", "spot", "crack", "stain", "hole")
MEDIAN_TARGET, HIGH_TARGET = 17, 34  # ms between frames: median, 95th percentile
SLIDERS = ("sensitivity", "kernel", "area", "line", "unsure")
VIEWS = {"histogram": "", "by kind": "&by_kind=true&order=kind", "erased": "&order=erased&logit_scale=true"}

HEADING = "view       dragged      frames   gap median      95 %   redrawn   work median      95 %   messages   target"


def make_payload(number: int, folder: Path) -> bytes:
    """Count ``number`` drawn maps at every setting; the thumbnails are drawn too."""
    maps, masks = draw_dataset(folder, number)
    grid = SettingsGrid.from_maps(maps, masks)
    figures = ThresholdSweep.from_maps(maps, masks).metrics
    entries = []
    for place, defect in enumerate(grid.image_labels):
        kind = KINDS[place % len(KINDS)] if defect else "good"
        entries.append(Entry(f"test/{kind}/{place:04}.png", kind, _thumbnail(maps[place])))
    return pack(f"{number} drawn maps", grid, figures, entries, "drawn")


def _thumbnail(one: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray((255 * one).astype(np.uint8)).resize((96, 96)).save(buffer, "JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


async def measure(browser: Browser, url: str, view: str, slider: str, seconds: float) -> str:
    """Open the tuner, drag ``slider`` for ``seconds`` and return the line to print."""
    page = await browser.new_page(viewport={"width": 1600, "height": 1400})
    await page.add_init_script(RECORDER)
    messages: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: messages.append(frame)))
    await page.goto(f"{url}{VIEWS[view]}{'&zones=true' if slider == 'unsure' else ''}")
    await page.locator(".draem-tuner:not(.loading) [data-slot=ngGood]:not(:empty)").wait_for()
    await page.wait_for_timeout(1000)
    messages.clear()
    frames = await drag(page, ".scatter" if slider == "line" else f"#{slider}", seconds)
    sent = len(messages)
    gap, gap95 = np.median(frames["gaps"]), np.percentile(frames["gaps"], 95)
    work, work95 = np.median(frames["work"]), np.percentile(frames["work"], 95)
    met = gap <= MEDIAN_TARGET and gap95 <= HIGH_TARGET and sent == 0
    await page.close()
    return (
        f"{view:9s}  {slider:11s}  {len(frames['gaps']):5d}   {gap:7.1f} ms  {gap95:5.1f} ms  {len(frames['work']):8d}"
        f"   {work:8.1f} ms  {work95:5.1f} ms   {sent:8d}   {'met' if met else 'missed'}"
    )


async def run(payload: Path, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(APP, Path(folder) / "server.log")
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET_FLAGS))
                print(HEADING)
                for view in VIEWS:
                    for slider in SLIDERS:
                        line = await measure(browser, f"{url}/?payload={payload}", view, slider, seconds)
                        print(line, flush=True)
                await browser.close()
        finally:
            server.terminate()
            server.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--maps", type=int, default=1000, help="how many 256×256 maps (default 1000)")
    parser.add_argument("--seconds", type=float, default=5, help="of dragging, for each slider")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        payload = Path(folder) / "payload"
        payload.write_bytes(make_payload(arguments.maps, Path(folder)))
        asyncio.run(run(payload, arguments.seconds))


if __name__ == "__main__":
    main()
