"""The Explore page in a real browser: a first visit, uploads, drags, links, and several people at once.

The app is served with a home folder of its own (``tiny_home``); nothing bundled is needed.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from explore_driver import Explore
from machinery import ROOT
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from tiny_home import DEFECTS, FIRST_DEFECT, GOOD, GRID, predict

from draem_core import PostProcess, metrics
from draem_core.data.datasets import open_dataset, read_mask
from draem_core.postprocess import opening

pytestmark = pytest.mark.browser

SIZE = {"width": 1500, "height": 1000}
ALPHA, BETA, TILES = "checkpoints/alpha.safetensors", "checkpoints/beta.safetensors", "datasets/tiles"
HOSTILE = ROOT.parent / "shared" / "golden" / "hostile"
MARKER = "HOSTILE_CHECKPOINT_RAN"
PANELS = ("original", "reconstruction", "map", "mask", "overlay")


@pytest.fixture
def tab(url: str, browser: Browser) -> Iterator[Callable[[], Explore]]:
    """Open tabs of different visitors; at the end none may have asked another machine or met an error."""
    tabs: list[Explore] = []

    def one_more() -> Explore:
        page: Page = browser.new_context(viewport=SIZE).new_page()
        tabs.append(Explore(page, url))
        return tabs[-1]

    yield one_more
    for explore in tabs:
        explore.page.context.close()
        assert explore.hosts == {"127.0.0.1"}
        assert not explore.complaints
        assert not explore.errors


@pytest.fixture
def explore(tab: Callable[[], Explore]) -> Explore:
    return tab()


def truth_of(home: Path, name: str) -> np.ndarray:
    sample = next(sample for sample in open_dataset(home / TILES).samples if sample.name == name)
    truth = read_mask(sample, GRID)
    assert truth is not None
    return truth


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def file(name: str, content: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def assert_as_python_has_it(explore: Explore, truth: np.ndarray) -> None:
    """Compare the mask and every readout with the library's, on the map and settings that the browser has."""
    settings, anomaly_map = explore.call("settings"), explore.anomaly_map()
    kernel = settings["kernel_size"]
    mask = PostProcess(settings["sensitivity"], kernel, settings["min_area"]).apply(anomaly_map)
    np.testing.assert_array_equal(explore.mask(GRID), mask)
    counts = metrics.count(mask, truth)
    opened = opening(anomaly_map, kernel)
    figures = {name: getattr(counts, name) for name in ("f1", "precision", "recall", "iou")}
    figures |= {"auroc": metrics.pixel_auroc([anomaly_map], [truth])}
    figures |= {"aurocOpened": metrics.pixel_auroc([opened], [truth])}
    for name, value in figures.items():
        expect(explore.slot(name)).to_have_text("–" if np.isnan(value) else f"{value:.4f}")
    expect(explore.slot("flagged")).to_have_text(f"{mask.sum():,} px".replace(",", "\u202f"))
    expect(explore.slot("share")).to_have_text(f"{100 * mask.mean():.2f} %" if mask.any() else "0 %")
    expect(explore.slot("verdictWord")).to_have_text("NG" if mask.any() else "OK")


def test_first_visit_shows_a_defect_without_a_click(explore: Explore, home: Path) -> None:
    explore.open("/")
    explore.expect_picture(FIRST_DEFECT)
    assert explore.address == {"checkpoint": ALPHA, "dataset": TILES, "image": FIRST_DEFECT}
    for name in PANELS:
        expect(explore.panel(name)).to_be_in_viewport(ratio=1)
    expected = predict(home, "alpha", FIRST_DEFECT)
    np.testing.assert_allclose(explore.anomaly_map(), expected.anomaly_map, atol=1e-3)
    assert float(explore.slot("score").inner_text()) == pytest.approx(expected.image_score, abs=1e-3)
    assert_as_python_has_it(explore, truth_of(home, FIRST_DEFECT))


def test_drags_act_at_once_and_settle_on_release(explore: Explore, home: Path) -> None:
    truth = truth_of(home, FIRST_DEFECT)
    explore.open()
    reruns, sent = len(explore.clock.seconds), len(explore.sent)
    for slider, name, shares in [
        ("sensitivity", "sensitivity", (0.55, 0.9, 0.7)),
        ("kernel", "kernel_size", (0.4, 4 / 30)),
    ]:
        explore.grab(slider)
        for share in shares:
            explore.drag(slider, share)
            assert_as_python_has_it(explore, truth)
        assert len(explore.sent) == sent, "nothing is sent during a drag"
        assert name not in explore.address
        explore.release()
        assert float(explore.address[name]) == explore.call("settings")[name]
        assert_as_python_has_it(explore, truth)
        sent = len(explore.sent)
    assert len(explore.clock.seconds) == reruns + 2, "one rerun for each release"
    assert explore.call("settings")["sensitivity"] == pytest.approx(0.7, abs=0.01)
    assert explore.call("settings")["kernel_size"] == 5


def test_link_restores_the_view(explore: Explore, home: Path) -> None:
    link = {"checkpoint": BETA, "dataset": TILES, "image": "test/spot/001.png"}
    settings = {"sensitivity": 0.625, "kernel_size": 5, "min_area": 7, "opacity": 0.25, "overlay": "mask"}
    explore.open(**link, **settings, show_difference="true")
    explore.expect_picture("test/spot/001.png")
    shown = explore.call("settings")
    assert {name: shown[name] for name in settings} == settings
    expect(explore.panel("difference")).to_be_visible()
    expect(explore.page.get_by_role("combobox", name="Checkpoint")).to_have_value("beta")
    expected = predict(home, "beta", "test/spot/001.png")
    np.testing.assert_allclose(explore.anomaly_map(), expected.anomaly_map, atol=1e-3)
    assert_as_python_has_it(explore, truth_of(home, "test/spot/001.png"))
    assert explore.address == link | {name: str(value) for name, value in settings.items()} | {
        "show_difference": "true"
    }


def test_pictures_are_browsed(explore: Explore) -> None:
    explore.open(sensitivity=0.625)
    first = explore.page.locator(".filmstrip .frame")
    expect(first).to_have_count(GOOD + sum(DEFECTS.values()))
    expect(explore.page.locator(".filmstrip .frame img")).to_have_count(GOOD + sum(DEFECTS.values()))
    for step, name in [("Next", "test/scratch/001.png"), ("Previous", FIRST_DEFECT), ("Previous", "test/good/001.png")]:
        with explore.rerun():
            explore.page.get_by_role("button", name=f"{step} picture").click()
        explore.expect_picture(name)
        assert explore.address["image"] == name
    with explore.rerun():
        explore.page.get_by_role("button", name="test/spot/001.png (spot)").click()
    explore.expect_picture("test/spot/001.png")
    expect(explore.page.get_by_role("button", name="Next picture")).to_be_disabled()
    explore.choose(f"scratch {DEFECTS['scratch']}")
    explore.expect_picture(FIRST_DEFECT)
    expect(first).to_have_count(DEFECTS["scratch"])
    assert explore.call("settings")["sensitivity"] == 0.625, "another picture keeps the settings"


def test_uploaded_pictures_show_on_their_own_pixels(explore: Explore, home: Path) -> None:
    rng = np.random.default_rng(1)
    deep = png(rng.integers(0, 65536, (31, 400), dtype=np.uint16))
    tall = png(rng.integers(0, 256, (300, 20, 3), dtype=np.uint8))
    explore.open()
    with explore.clock.rerun():
        explore.page.get_by_role("radio", name="Upload").click()
    with explore.rerun():
        explore.upload("stMain", [file("deep.png", deep)])
    explore.expect_picture("deep.png")
    expect(explore.slot("facts")).to_have_text("400 × 31 px · map 96 × 64")
    np.testing.assert_allclose(explore.anomaly_map(), predict(home, "alpha", deep).anomaly_map, atol=1e-3)
    expect(explore.slot("f1")).to_have_text("–")
    with explore.rerun():
        explore.upload("stMain", [file("tall.png", tall), file("broken.png", b"no picture")])
    explore.choose("2. tall.png")
    explore.expect_picture("tall.png")
    np.testing.assert_allclose(explore.anomaly_map(), predict(home, "alpha", tall).anomaly_map, atol=1e-3)
    with explore.clock.rerun():
        explore.page.get_by_text("3. broken.png").click()
    expect(explore.page.get_by_text("broken.png is not an image of a known format")).to_be_visible()
    explore.choose("1. deep.png")
    explore.expect_picture("deep.png")


def test_hostile_checkpoints_are_refused_and_the_app_lives_on(explore: Explore, home: Path) -> None:
    explore.open()
    explore.page.get_by_text("Open a checkpoint file").click()
    hostile = [file("made_up.ckpt", b"import os; os.system('touch HOSTILE_CHECKPOINT_RAN')")]
    hostile += [file(path.name, path.read_bytes()) for path in sorted(HOSTILE.glob("runs_a_command*"))]
    for content in hostile:
        with explore.rerun():
            explore.upload("stSidebar", [content])
        expect(explore.page.get_by_role("alert")).to_contain_text(str(content["name"]))
        with explore.rerun():
            explore.page.get_by_role("button", name=f"Remove {content['name']}").click()
        expect(explore.page.get_by_role("alert")).to_have_count(0)
    for folder in (ROOT, home, Path.cwd()):
        assert not (folder / MARKER).exists()
    assert not [path for path in (home / "checkpoints").rglob("*") if path.suffix in (".ckpt", ".pckl")]
    explore.grab("sensitivity")
    explore.drag("sensitivity", 0.7)
    explore.release()
    assert_as_python_has_it(explore, truth_of(home, FIRST_DEFECT))


def test_two_visitors_do_not_mix(tab: Callable[[], Explore], home: Path) -> None:
    visitors = {"alpha": tab(), "beta": tab()}
    for name, visitor in visitors.items():
        visitor.open(checkpoint=f"checkpoints/{name}.safetensors", kernel_size=1)
    for share in (0.6, 0.8):
        for visitor, way in zip(visitors.values(), (share, 1 - share), strict=True):
            visitor.grab("sensitivity")
            visitor.drag("sensitivity", way)
        for visitor in visitors.values():
            visitor.release()
    with visitors["beta"].rerun():
        visitors["beta"].page.get_by_role("button", name="Next picture").click()
    pictures = {"alpha": FIRST_DEFECT, "beta": "test/scratch/001.png"}
    for (name, visitor), sensitivity in zip(visitors.items(), (0.8, 0.2), strict=True):
        visitor.expect_picture(pictures[name])
        expected = predict(home, name, pictures[name])
        np.testing.assert_allclose(visitor.anomaly_map(), expected.anomaly_map, atol=1e-3)
        assert visitor.call("settings")["sensitivity"] == pytest.approx(sensitivity, abs=0.01)
        assert float(visitor.address["sensitivity"]) == visitor.call("settings")["sensitivity"]
        assert visitor.address["checkpoint"] == f"checkpoints/{name}.safetensors"
        assert_as_python_has_it(visitor, truth_of(home, pictures[name]))


def test_download_of_everything(explore: Explore) -> None:
    explore.open()
    with explore.page.expect_download() as started:
        explore.page.get_by_role("button", name="All as ZIP").click()
    assert started.value.suggested_filename == "test_scratch_000.zip"
    with zipfile.ZipFile(started.value.path()) as archive:
        saved = np.load(io.BytesIO(archive.read("test_scratch_000/anomaly_map.npy")))
    np.testing.assert_array_equal(saved, explore.anomaly_map())
