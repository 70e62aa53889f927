"""The Epochs page in a real browser, on a real run of a tiny network: one slider moves everything.

The app is served with a home folder of its own, which holds two runs and nothing else.
"""

import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from epochs_driver import Epochs
from PIL import Image
from playwright.sync_api import Browser, expect
from tiny_runs import EPOCHS, PROBES, SIZE, cut_off, train_tiny, write_noise_run

from draem_core.render import COLORMAP
from draem_core.runs.review import Review, load_review

pytestmark = pytest.mark.browser

VIEW = {"width": 1500, "height": 1000}
CONTOUR = (34, 188, 240)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    train_tiny(folder / "runs" / "first", keep=1)
    train_tiny(folder / "runs" / "second", epochs=3, learning_rate=1e-4)
    return folder


@pytest.fixture(scope="module")
def review(home: Path) -> Review:
    return load_review(home / "runs" / "first")


@pytest.fixture
def tab(url: str, browser: Browser) -> Iterator[Callable[[], Epochs]]:
    """Open tabs of different visitors; at the end none may have asked another machine or met an error."""
    tabs: list[Epochs] = []

    def one_more() -> Epochs:
        tabs.append(Epochs(browser.new_context(viewport=VIEW).new_page(), url))  # type: ignore[arg-type]
        return tabs[-1]

    yield one_more
    for epochs in tabs:
        epochs.page.context.close()
        assert epochs.hosts == {"127.0.0.1"}
        assert not epochs.complaints
        assert not epochs.errors


@pytest.fixture
def epochs(tab: Callable[[], Epochs]) -> Epochs:
    return tab()


def row(pictures: np.ndarray) -> np.ndarray:
    return np.concatenate(list(pictures), axis=1)


def differences(review: Review, epoch: int) -> np.ndarray:
    """|difference| of the pictures, mean of three channels, in the colours of 0 … 0.5."""
    gap = np.abs(review.originals().astype(int) - review.reconstructions(epoch).astype(int)).sum(axis=-1)
    return COLORMAP[np.minimum(255, np.floor(gap / 1.5 + 0.5)).astype(int)]


def assert_board(epochs: Epochs, review: Review, epoch: int) -> None:
    np.testing.assert_array_equal(epochs.board("reconstruction"), row(review.reconstructions(epoch)))
    np.testing.assert_array_equal(epochs.board("map"), row(COLORMAP[review.maps(epoch)]))
    np.testing.assert_array_equal(epochs.board("difference"), row(differences(review, epoch)))
    np.testing.assert_array_equal(epochs.board("original"), row(review.originals()))
    assert epochs.shown()["scores"] == [f"{score:.4f}" for score in review.scores().loc[epoch]]


def cursor(epochs: Epochs) -> float:
    """Where the first curve's cursor stands, as a share of the epochs."""
    columns, width = accented(epochs, "[data-slot=charts] canvas")
    return (columns.mean() + 0.5 - 4) / (width - 8)


def framed(epochs: Epochs) -> float:
    """Which column of the layers' heatmap has the frame, as a share of its width."""
    columns, width = accented(epochs, "[data-slot=heat]")
    return float(columns.min() + columns.max() + 1) / 2 / width


def accented(epochs: Epochs, canvas: str) -> tuple[np.ndarray, int]:
    """Return the columns of a canvas that are in the accent colour from top to bottom, and its width."""
    pixels = epochs.canvas(canvas).astype(int)
    accent = epochs.root.evaluate("(root) => getComputedStyle(root).getPropertyValue('--accent')").strip("# ")
    colour = [int(accent[place : place + 2], 16) for place in (0, 2, 4)]
    columns = np.flatnonzero((np.abs(pixels - colour).max(axis=-1) < 3).mean(axis=0) > 0.9)
    assert columns.size, "a line from top to bottom"
    return columns, pixels.shape[1]


# --- the slider -----------------------------------------------------------------------------------------------------


def test_the_slider_moves_everything_and_sends_nothing(epochs: Epochs, review: Review) -> None:
    epochs.open(truth="false")
    epochs.root.locator(".heat summary").click()
    expect(epochs.root.locator("[data-slot=heat]")).to_be_visible()
    epochs.expect_epoch(EPOCHS)
    assert_board(epochs, review, EPOCHS)
    sent = len(epochs.sent)
    epochs.grab("epoch")
    for epoch in (1, 3, 2, EPOCHS, 4):
        epochs.drag("epoch", (epoch - 1) / (EPOCHS - 1))
        epochs.expect_epoch(epoch)
        assert_board(epochs, review, epoch)
        assert cursor(epochs) == pytest.approx((epoch - 1) / (EPOCHS - 1), abs=0.01)
        assert framed(epochs) == pytest.approx((epoch - 0.5) / EPOCHS, abs=0.01)
        total = review.metrics.set_index("epoch")["total"][epoch]
        assert f"total, training{float(f'{total:.4g}'):g}" in epochs.shown()["values"]
    assert len(epochs.sent) == sent, "nothing is sent during a drag"
    assert "epoch" not in epochs.address
    epochs.release()
    assert epochs.address == {"run": "runs/first", "epoch": "4", "truth": "false"}
    epochs.page.reload()
    epochs.wait()
    epochs.expect_epoch(4)
    assert_board(epochs, review, 4)


def test_a_dying_layer_is_seen_beside_one_that_is_a_hundred_times_as_strong(epochs: Epochs, home: Path) -> None:
    """The diary's: its weights' spread fell from 0.027 to 0.014."""
    folder = write_noise_run(home / "runs" / "worn", epochs=4, probes=2, size=16, layers=2)
    table = pd.read_csv(folder / "layers.csv")
    table["std"] = [0.027, 2.0, 0.023, 2.0, 0.018, 2.0, 0.014, 2.1]
    table.to_csv(folder / "layers.csv", index=False)
    epochs.open(run="runs/worn", epoch=2)
    epochs.root.locator(".heat summary").click()

    def cell(layer: int, epoch: int) -> np.ndarray:
        pixels = epochs.canvas("[data-slot=heat]").astype(int)
        height, width = pixels.shape[:2]
        return pixels[int((layer + 0.5) * height / 2), int((epoch - 0.5) * width / 4)]

    expect(epochs.root.locator("[data-slot=heat]")).to_be_visible()
    dying, paper = cell(0, 4), cell(0, 1)
    assert dying[2] - dying[0] > 100, "clearly blue"
    assert np.abs(cell(1, 4) - paper).max() < 80, "the strong one has hardly changed"
    epochs.root.get_by_role("button", name="The value itself").click()
    expect(epochs.root.get_by_role("button", name="The value itself")).to_have_attribute("aria-pressed", "true")
    assert np.abs(cell(0, 4) - cell(0, 1)).max() < np.abs(dying - paper).max() / 2, "on one scale for all it drowns"
    assert np.abs(cell(0, 4) - cell(1, 4)).max() > 100


def test_contours_lie_on_the_defects(epochs: Epochs, review: Review) -> None:
    epochs.open()
    drawn = (epochs.board("reconstruction") == CONTOUR).all(axis=-1)
    truth = row(review.truths())
    inner = truth & np.roll(truth, 1, 0) & np.roll(truth, -1, 0) & np.roll(truth, 1, 1) & np.roll(truth, -1, 1)
    np.testing.assert_array_equal(drawn, truth & ~inner)
    epochs.switch("truth")
    assert_board(epochs, review, EPOCHS)


def test_curves_and_table_lead_to_an_epoch(epochs: Epochs, review: Review) -> None:
    epochs.open(truth="false")
    chart = epochs.root.locator("[data-slot=charts] canvas").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    with epochs.rerun():
        epochs.page.mouse.click(box["x"] + 4 + 0.26 * (box["width"] - 8), box["y"] + 40)
    epochs.expect_epoch(2)
    assert epochs.address["epoch"] == "2"
    epochs.settle(3)
    epochs.expect_epoch(3)
    assert_board(epochs, review, 3)


def test_keys_move_the_slider(epochs: Epochs) -> None:
    epochs.open()
    epochs.page.locator("#epoch").focus()
    with epochs.rerun():
        epochs.page.keyboard.press("ArrowLeft")
    epochs.expect_epoch(EPOCHS - 1)
    assert epochs.address["epoch"] == str(EPOCHS - 1)


# --- the player -----------------------------------------------------------------------------------------------------


def test_steps_stop_at_both_ends(epochs: Epochs) -> None:
    epochs.open(epoch=2)
    back, on = (epochs.page.get_by_role("button", name=f"One epoch {way}") for way in ("back", "on"))
    with epochs.rerun():
        back.click()
    epochs.expect_epoch(1)
    back.click()
    epochs.expect_epoch(1)
    with epochs.rerun():
        on.click()
    epochs.expect_epoch(2)
    epochs.settle(EPOCHS)
    on.click()
    epochs.expect_epoch(EPOCHS)


def test_it_plays_loops_pauses_and_sends_only_where_it_stopped(epochs: Epochs, review: Review) -> None:
    epochs.open(epoch=3, truth="false")
    sent = len(epochs.sent)
    epochs.slot("speed").select_option("30")
    epochs.slot("play").click()
    expect(epochs.slot("play")).to_have_text("Pause")
    seen = []
    while len(set(seen)) < EPOCHS or seen[-1] >= seen[-2]:  # every epoch was shown, and it began anew
        seen.append(epochs.epoch)
        assert len(seen) < 500
    assert len(epochs.sent) == sent, "nothing is sent while it plays"
    epochs.slot("play").click()
    stopped = epochs.epoch
    # no fixed wait for a rerun: there is none where it stopped at the epoch that the server knows
    expect(epochs.page).to_have_url(re.compile(rf"[?&]epoch={stopped}(&|$)"))
    epochs.wait()
    epochs.expect_epoch(stopped)
    assert_board(epochs, review, stopped)


# Three ticks of a timer of the page that is as slow as the film at 10 epochs a second.
THREE_TICKS = """() => new Promise((tell) => {
    let left = 3;
    const timer = setInterval(() => --left || (clearInterval(timer), tell()), 100);
})"""


def test_without_a_loop_it_ends_at_the_last_epoch(epochs: Epochs) -> None:
    epochs.open(epoch=1)
    epochs.slot("loop").click()
    epochs.slot("speed").select_option("10")
    with epochs.rerun():
        epochs.slot("play").click()
        expect(epochs.slot("play")).to_have_text("Play")
    epochs.expect_epoch(EPOCHS)
    with epochs.rerun():
        epochs.slot("play").click()  # from the start again
        expect(epochs.slot("play")).to_have_text("Pause")
        epochs.page.locator("#epoch").press("Home")  # a hand on the slider stops it
    expect(epochs.slot("play")).to_have_text("Play")
    epochs.page.evaluate(THREE_TICKS)  # a film that went on would have moved in between, however slow the machine
    epochs.expect_epoch(1)


# --- side by side ---------------------------------------------------------------------------------------------------


def assert_wiped(drawn: np.ndarray, left: np.ndarray, right: np.ndarray, at: int) -> None:
    """Each probe's picture is ``left`` up to a white line at column ``at``, ``right`` after it."""
    for probe in range(PROBES):
        cell = drawn[:, probe * SIZE : (probe + 1) * SIZE]
        np.testing.assert_array_equal(cell[:, :at], left[probe][:, :at])
        assert (cell[:, at] == 255).all()
        np.testing.assert_array_equal(cell[:, at + 1 :], right[probe][:, at + 1 :])


def test_a_wipe_between_two_epochs(epochs: Epochs, review: Review) -> None:
    epochs.open(epoch=1, truth="false")
    assert not epochs.page.locator("#otherEpoch").is_visible()
    epochs.switch("compare")
    expect(epochs.page.locator("#otherEpoch")).to_be_visible()
    first, last = review.reconstructions(1), review.reconstructions(EPOCHS)
    assert_wiped(epochs.board("reconstruction"), first, last, SIZE // 2)
    box = epochs.root.locator("[data-row=reconstruction]").bounding_box()
    assert box
    cell, middle = box["width"] / PROBES, box["y"] + box["height"] / 2
    sent = len(epochs.sent)
    epochs.page.mouse.move(box["x"] + 1.5 * cell, middle)
    epochs.page.mouse.down()
    epochs.page.mouse.move(box["x"] + 1.25 * cell, middle)
    wipe = epochs.shown()["settings"]["wipe"]
    assert wipe == pytest.approx(0.25, abs=0.01)
    assert_wiped(epochs.board("reconstruction"), first, last, round(SIZE * wipe))
    assert len(epochs.sent) == sent
    epochs.release()
    assert epochs.address["compare"] == "true"
    assert float(epochs.address["wipe"]) == wipe
    epochs.grab("otherEpoch")
    epochs.drag("otherEpoch", 0.5)
    epochs.shown()
    assert_wiped(epochs.board("map"), *(COLORMAP[review.maps(epoch)] for epoch in (1, 3)), round(SIZE * wipe))
    epochs.release()
    assert epochs.address["other_epoch"] == "3"


def test_a_wipe_between_two_runs(epochs: Epochs, review: Review, home: Path) -> None:
    other = load_review(home / "runs" / "second")
    epochs.open(run="runs/first", other="runs/second", epoch=4, compare="true", other_epoch=2, truth="false")
    assert_wiped(epochs.board("reconstruction"), review.reconstructions(4), other.reconstructions(2), SIZE // 2)
    assert_wiped(epochs.board("map"), COLORMAP[review.maps(4)], COLORMAP[other.maps(2)], SIZE // 2)
    expect(epochs.slot("otherName")).to_have_text("second")
    assert epochs.page.locator("#otherEpoch").get_attribute("max") == "2"


# --- a run that goes on ---------------------------------------------------------------------------------------------


def test_a_run_that_grows_while_the_page_is_open(epochs: Epochs, home: Path) -> None:
    growing = shutil.copytree(home / "runs" / "first", home / "runs" / "growing")
    cut_off(growing, 3)
    try:
        epochs.open(run="runs/growing", truth="false")
        epochs.expect_epoch(3)
        shutil.copytree(home / "runs" / "first", growing, dirs_exist_ok=True)
        with epochs.rerun():
            epochs.root.locator("[data-switch=truth]").click()  # any release notices it
        epochs.expect_epoch(EPOCHS)
        assert epochs.page.locator("#epoch").get_attribute("max") == str(EPOCHS - 1)
        assert "epoch" not in epochs.address, "who stays at the last epoch has no epoch in the address"
        epochs.settle(2)
        epochs.page.reload()
        epochs.wait()
        epochs.expect_epoch(2)
    finally:
        shutil.rmtree(growing)


# --- exports --------------------------------------------------------------------------------------------------------


def download(epochs: Epochs, label: str) -> bytes:
    with epochs.page.expect_download(timeout=60_000) as waiting:
        epochs.page.get_by_role("button", name=label).click()
    return Path(waiting.value.path()).read_bytes()


def test_exports_open(epochs: Epochs, review: Review) -> None:
    epochs.open()
    for what in ("reconstruction", "anomaly map"):
        with Image.open(io.BytesIO(download(epochs, f"Strip of {what}s .png"))) as picture:
            picture.load()
            assert picture.width > 200 * EPOCHS
    with Image.open(io.BytesIO(download(epochs, "Animation .gif"))) as film:
        assert film.n_frames == EPOCHS
        assert film.width == PROBES * SIZE
    table = pd.read_csv(io.BytesIO(download(epochs, "Scores .csv")), index_col="epoch")
    assert list(table.index) == list(review.epochs)
    np.testing.assert_allclose(table.drop(columns="AUROC"), review.scores())
    np.testing.assert_allclose(table["AUROC"], review.probe_aurocs())
