"""The Inside page in a real browser: paint changes map and score and stays, ablations and losses tell the truth."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from tiny_home import FIRST_DEFECT, GRID, predict

from draem_core import PostProcess, Predictor, load_checkpoint, read_image
from draem_core.figure import classic_row, figure_bytes
from draem_core.inside.ablations import Ablations, change, predict_ablated
from draem_core.training.losses import draem_loss
from draem_core.types import Prediction
from pages._ui.components.inside_view.painting import Painting, layer_size, read_painting

pytestmark = pytest.mark.browser

ALPHA = "checkpoints/alpha.safetensors"
PATIENCE = 120_000  # ms, for a busy machine


class Inside:
    """One browser tab on the Inside page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}/Inside")
        expect(self.slot("score")).not_to_be_empty(timeout=PATIENCE)

    def slot(self, name: str) -> Locator:
        return self.page.locator(f"[data-slot={name}]")

    def card(self, stage: str) -> Locator:
        return self.page.locator(f'.card[data-stage="{stage}"]')

    def easel_point(self, u: float, v: float) -> tuple[float, float]:
        box = self.slot("easel").bounding_box()
        assert box is not None
        return box["x"] + u * box["width"], box["y"] + v * box["height"]

    def stroke(self, *points: tuple[float, float]) -> None:
        """Draw through points in shares of the picture and wait for the result."""
        self.settle()
        self.slot("easel").scroll_into_view_if_needed()
        self.page.mouse.move(*self.easel_point(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.easel_point(*point), steps=6)
        self.page.mouse.up()
        self.wait_for_result()

    def settle(self) -> None:
        """Wait until the page runs no more: until then it may still move under the pointer."""
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)

    def wait_for_result(self) -> None:
        # the component lies in a shadow root, which document.querySelector does not look into
        self.page.locator(".draem-inside").evaluate(
            """(root, patience) => new Promise((resolve, reject) => {
                const started = performance.now();
                const look = () => {
                    const { draemInside } = root;
                    if (draemInside.sent() > 0 && draemInside.stroke() === draemInside.sent()) resolve();
                    else if (performance.now() - started > patience) reject(new Error("the stroke got no answer"));
                    else setTimeout(look, 20);
                };
                look();
            })""",
            PATIENCE,
        )

    def shown(self, name: str) -> str:
        """The exact number behind a slot, which shows it with four decimals."""
        return str(self.page.locator(".draem-inside").evaluate(f"(root) => root.draemInside.{name}()"))

    def pick(self, index: int) -> None:
        """Choose a picture of the strip."""
        self.page.locator(".filmstrip .frame").nth(index).click()

    def layer(self) -> str:
        """What is painted, as a PNG's data URL."""
        return str(self.slot("layer").evaluate("(canvas) => canvas.toDataURL()"))

    def picture(self, result: str) -> str:
        return str(self.page.locator(f"[data-result={result}] canvas").evaluate("(canvas) => canvas.toDataURL()"))


@pytest.fixture
def tab(url: str, page: Page) -> Iterator[Inside]:
    page.set_viewport_size({"width": 1500, "height": 1000})
    opened = Inside(page, url)
    yield opened
    assert not opened.errors


def test_paint_changes_map_and_score_and_undo_brings_them_back(tab: Inside) -> None:
    score, drawn = tab.slot("score").inner_text(), tab.picture("anomaly_map")
    tab.page.click("button[data-tool=brush]")
    tab.stroke((0.2, 0.2), (0.7, 0.6))
    assert tab.picture("anomaly_map") != drawn
    assert tab.slot("score").inner_text() != score
    tab.slot("undo").click()
    tab.wait_for_result()
    assert tab.picture("anomaly_map") == drawn
    expect(tab.slot("score")).to_have_text(score)
    tab.page.click("button[data-tool=patch]")
    tab.stroke((0.5, 0.5))
    assert tab.picture("anomaly_map") != drawn


def test_paint_stays_with_its_picture_and_so_does_undo(tab: Inside) -> None:
    tab.page.click("button[data-tool=brush]")
    tab.stroke((0.2, 0.2), (0.7, 0.6))
    first = tab.picture("anomaly_map")
    tab.page.click("button[data-tool=texture]")
    tab.stroke((0.3, 0.8), (0.6, 0.9))
    painted, layer = tab.picture("anomaly_map"), tab.layer()
    expect(tab.slot("kept")).to_be_visible()

    tab.pick(1)
    expect(tab.slot("title")).to_have_text("test/good/001.png", timeout=PATIENCE)
    expect(tab.slot("undo")).to_be_disabled()
    assert tab.layer() != layer
    tab.page.click("button[data-tool=follow]")
    tab.page.mouse.click(*tab.easel_point(0.25, 0.5))  # an answer without a stroke is shown here, too
    expect(tab.slot("pixel")).to_contain_text("row 32, column 24", timeout=PATIENCE)
    tab.pick(2)
    expect(tab.slot("title")).to_have_text(FIRST_DEFECT, timeout=PATIENCE)
    expect(tab.slot("kept")).to_be_visible()
    assert (tab.layer(), tab.picture("anomaly_map")) == (layer, painted)

    tab.page.get_by_role("link", name="Tune").click()
    expect(tab.page).to_have_url(re.compile("/Tune"), timeout=PATIENCE)
    tab.page.get_by_role("link", name="Inside").click()
    expect(tab.slot("title")).to_have_text(FIRST_DEFECT, timeout=PATIENCE)
    expect(tab.slot("undo")).to_be_enabled(timeout=PATIENCE)
    assert (tab.layer(), tab.picture("anomaly_map")) == (layer, painted)
    tab.slot("undo").click()
    tab.wait_for_result()
    assert tab.picture("anomaly_map") == first
    tab.slot("clear").click()
    tab.wait_for_result()
    tab.slot("undo").click()  # clearing is taken back as a stroke is
    tab.wait_for_result()
    assert tab.picture("anomaly_map") == first


def test_the_keyboard_paints_and_follows_and_every_tool_has_a_name(tab: Inside) -> None:
    for name in ("Follow a pixel", "Brush", "Texture", "Perlin patch", "Eraser", "Undo", "Clear"):
        expect(tab.page.get_by_role("button", name=name, exact=True)).to_have_count(1)
    tab.page.get_by_role("button", name="Brush", exact=True).press("Enter")
    expect(tab.page.get_by_label("Colour", exact=True)).to_be_visible()
    expect(tab.page.get_by_role("slider", name="Size of the brush in pixels")).to_be_visible()
    easel, drawn = tab.page.get_by_role("application", name="The picture:"), tab.picture("anomaly_map")
    easel.focus()
    for _ in range(3):
        tab.page.keyboard.press("Shift+ArrowLeft")
    expect(tab.slot("announce")).to_have_text("Pixel in row 32, column 30")  # 24 / 128 left of the middle, 48
    tab.page.keyboard.press("Enter")
    tab.wait_for_result()
    assert tab.picture("anomaly_map") != drawn
    tab.page.keyboard.press("Control+z")
    tab.wait_for_result()
    assert tab.picture("anomaly_map") == drawn
    tab.page.get_by_role("button", name="Follow a pixel", exact=True).press("Enter")
    easel.focus()
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    expect(tab.slot("pixel")).to_contain_text("row 32, column 48", timeout=PATIENCE)
    block = tab.page.locator('.block[data-stage="discriminative.encoder.block4"]')
    block.press(" ")
    expect(block).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    expect(block).to_be_focused()  # the drawing was made anew


def test_a_click_follows_a_pixel_and_a_block_opens_its_stage(tab: Inside) -> None:
    expect(tab.slot("pixel")).to_be_hidden()
    x, y = tab.easel_point(0.25, 0.5)
    tab.page.mouse.click(x, y)
    expect(tab.slot("pixel")).to_contain_text("row 32, column 24", timeout=PATIENCE)  # of 64 × 96
    expect(tab.card("logits").locator(".value")).to_contain_text("here:")
    expect(tab.slot("pixel")).to_contain_text("softmax")
    tab.page.locator('.block[data-stage="discriminative.encoder.block2"]').click()
    expect(tab.card("discriminative.encoder.block2")).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    expect(tab.slot("pixel")).to_contain_text("cell (16, 12)")
    channel = tab.page.locator(".channel").nth(2)
    channel.click()
    expect(tab.page.locator(".channel").nth(2)).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)


# --- below the stages -----------------------------------------------------------------------------------------------


ABLATIONS = [  # what to press, before that what to take back, and what it means
    ("x and x", "", "sees x and x", Ablations("image_twice")),
    ("x̂ and x, swapped", "", "sees x̂ and x, swapped", Ablations("swapped")),
    ("1", "x and x̂", "skip 1 zero", Ablations(skips_off=(1,))),
    ("5", "1", "skip 5 zero", Ablations(skips_off=(5,))),
]


def test_each_switch_says_what_it_changes_in_map_and_score(tab: Inside, home: Path) -> None:
    main = tab.page.locator("[data-testid=stMain]")
    expect(main).to_contain_text("Nothing is ablated yet", timeout=PATIENCE)
    predictor = Predictor(load_checkpoint(home / ALPHA), device="cpu")
    picture = read_image(home / "datasets" / "tiles" / FIRST_DEFECT)
    for press, first, told, ablations in ABLATIONS:
        if first:
            main.get_by_text(first, exact=True).click()
            expect(main).to_contain_text("Nothing is ablated yet", timeout=PATIENCE)
        main.get_by_text(press, exact=True).click()
        expect(main).to_contain_text(f"Ablated: {told}", timeout=PATIENCE)
        found = change(predictor.predict(picture), predict_ablated(predictor, picture, ablations))
        expect(main).to_contain_text(f"Score {found.score_before:.4f} → {found.score_after:.4f}")
        expect(main).to_contain_text(f"moves by {found.mean_move:.4f} on average, by {found.largest_move:.4f} at most")
        expect(main.locator(".picture-row img")).to_have_count(2 + 3 + 3)


def test_precisions_and_ablations_are_compared_over_the_dataset(tab: Inside) -> None:
    main = tab.page.locator("[data-testid=stMain]")
    tab.page.get_by_text("Compute in ").click()
    expect(main).to_contain_text("Ablated: in ", timeout=PATIENCE)
    tab.settle()
    tab.page.get_by_role("button", name="Compare over all").click()
    expect(main).to_contain_text("Over 7 test images", timeout=PATIENCE)
    expect(main.get_by_test_id("stTable").locator("tbody tr")).to_have_count(3)
    tab.page.get_by_text("Compute in ").click()  # nothing is ablated: another comparison, of two ways
    tab.settle()
    tab.page.get_by_role("button", name="Compare over all").click()
    expect(main.get_by_test_id("stTable").locator("tbody tr")).to_have_count(2, timeout=PATIENCE)


def painted_by(tab: Inside, home: Path) -> tuple[Painting, Prediction, np.ndarray]:
    """What lies on the first defect's picture, what the network says of it, and the picture on the network's grid."""
    pixels = read_image(home / "datasets" / "tiles" / FIRST_DEFECT)
    painting = read_painting({"of": "", "layer": tab.layer()}, "", layer_size(pixels))
    predictor = Predictor(load_checkpoint(home / ALPHA), device="cpu")
    return painting, predictor.predict(painting.on(pixels)), predictor.predict(pixels).image


def test_losses_are_those_of_training(tab: Inside, home: Path) -> None:
    tab.page.get_by_text("Losses", exact=True).click()
    main = tab.page.locator("[data-testid=stMain]")
    expect(main).to_contain_text("Nothing is painted", timeout=PATIENCE)
    tab.page.click("button[data-tool=brush]")
    tab.stroke((0.2, 0.2), (0.7, 0.6))
    painting, prediction, clean = painted_by(tab, home)
    truth = painting.mask(GRID)
    as_tensor = lambda pixels: torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]  # noqa: E731
    loss = draem_loss(
        as_tensor(clean),
        as_tensor(prediction.reconstruction),
        torch.from_numpy(truth)[None, None],
        torch.from_numpy(prediction.logits)[None],
    )
    expect(main).to_contain_text(f"{np.count_nonzero(truth):,} pixels painted", timeout=PATIENCE)
    for name, part in (("L2", loss.l2), ("1 − SSIM", loss.ssim), ("Focal", loss.focal)):
        shown = tab.page.locator(".picture-row figcaption strong").filter(has_text=f"{name}, mean").inner_text()
        assert float(shown.split()[-1]) == pytest.approx(float(part), abs=1e-4)
    assert float(main.get_by_text("Sum of the three means").locator("strong").inner_text()) == pytest.approx(
        float(loss.total), abs=2e-4
    )


def test_downloads_are_the_figures_that_they_say(tab: Inside, home: Path) -> None:
    tab.page.click("button[data-tool=brush]")
    tab.stroke((0.2, 0.2), (0.7, 0.6))
    tab.card("reconstructive.encoder.block2").click()
    tab.page.get_by_text("Figures", exact=True).click()
    main = tab.page.locator("[data-testid=stMain]")
    expect(main).to_contain_text("Opened stage (reconstructive.encoder.block2)", timeout=PATIENCE)

    def downloaded(index: int) -> tuple[str, bytes]:
        with tab.page.expect_download() as waiting:
            tab.page.get_by_test_id("stDownloadButton").nth(index).locator("button").click()
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()

    files = dict(downloaded(index) for index in range(6))
    stem = FIRST_DEFECT.removesuffix(".png").replace("/", "_")
    ends = ("reconstructive.encoder.block2", "stages", "row")
    assert sorted(files) == sorted(f"{stem}_{end}.{kind}" for end in ends for kind in ("png", "svg"))
    painting, prediction, _ = painted_by(tab, home)
    picture = painting.on(read_image(home / "datasets" / "tiles" / FIRST_DEFECT))
    expected = classic_row(picture, prediction, PostProcess(), gt_mask=painting.mask(GRID))
    np.testing.assert_allclose(
        pixels_of(files[f"{stem}_row.png"]), pixels_of(figure_bytes(expected, ".png")), atol=3
    )  # of 255
    texts = {end: texts_of(files[f"{stem}_{end}.svg"]) for end in ends}
    assert {"Original", "Reconstruction", "Anomaly map", "Mask", "Overlay", "truth outlined"} <= texts["row"]
    assert "reconstructive.encoder.block2, 16 × 32 × 48" in texts[ends[0]]
    assert {"encoder.block6", "anomaly_map", "pred_mask", "window_mean"} <= texts["stages"]


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as opened:
        assert opened.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        return np.asarray(opened.convert("RGB"), int)


def texts_of(svg: bytes) -> set[str | None]:
    return {one.text for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


# --- pictures of all kinds ------------------------------------------------------------------------------------------


def picture_file(kind: str) -> bytes:
    """A PNG that is unlike the dataset's."""
    rng = np.random.default_rng(0)
    pixels = {
        "one_pixel": np.full((1, 1, 3), 200, np.uint8),
        "a_line": rng.integers(0, 256, (1, 700, 3), np.uint8),
        "a_column": rng.integers(0, 256, (700, 1, 3), np.uint8),
        "huge": np.repeat(np.repeat(rng.integers(0, 256, (40, 60, 3), np.uint8), 100, axis=0), 100, axis=1),
        "grey": rng.integers(0, 256, (50, 70), np.uint8),
        "with_alpha": rng.integers(0, 256, (50, 70, 4), np.uint8),
        "grey_16_bit": rng.integers(0, 65536, (50, 70)).astype(np.uint16),
    }[kind]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


KINDS = ("one_pixel", "a_line", "a_column", "huge", "grey", "with_alpha", "grey_16_bit")


def test_uploads_of_all_kinds_go_through_as_in_explore_and_can_be_painted_on(tab: Inside, home: Path) -> None:
    tab.page.get_by_role("radio", name="Upload").click()
    field = tab.page.locator("[data-testid=stMain] [data-testid=stFileUploader] input[type=file]")
    files = [{"name": f"{kind}.png", "mimeType": "image/png", "buffer": picture_file(kind)} for kind in KINDS]
    files.append({"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"})
    field.set_input_files(files)  # type: ignore[arg-type]
    tab.page.click("button[data-tool=brush]", timeout=PATIENCE)
    for number, kind in enumerate(KINDS, start=1):
        tab.page.get_by_text(f"{number}. {kind}.png", exact=True).click()
        expect(tab.slot("title")).to_have_text(f"{kind}.png", timeout=PATIENCE)
        expected = predict(home, "alpha", picture_file(kind))  # as Explore shows it
        assert float(tab.shown("score")) == pytest.approx(expected.image_score, abs=2e-3)
        box = tab.slot("easel").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 20
        assert max(box["width"], box["height"]) <= 800
        tab.page.click("button[data-tool=brush]")
        tab.stroke((0.3, 0.3), (0.8, 0.8))
        assert float(tab.shown("score")) != pytest.approx(expected.image_score, abs=1e-5)
    tab.page.get_by_text("8. broken.png", exact=True).click()
    expect(tab.page.get_by_test_id("stAlert")).to_contain_text("broken.png", timeout=PATIENCE)
