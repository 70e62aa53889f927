"""The Inside page in a real browser: paint changes map and score, switches tell their effect, clicks are followed."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tiny_home import FIRST_DEFECT

pytestmark = pytest.mark.browser

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
        self.slot("easel").scroll_into_view_if_needed()
        self.page.mouse.move(*self.easel_point(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.easel_point(*point), steps=6)
        self.page.mouse.up()
        self.wait_for_result()

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
    tab.page.click("[data-tool=brush]")
    tab.stroke((0.2, 0.2), (0.7, 0.6))
    assert tab.picture("anomaly_map") != drawn
    assert tab.slot("score").inner_text() != score
    tab.slot("undo").click()
    tab.wait_for_result()
    assert tab.picture("anomaly_map") == drawn
    expect(tab.slot("score")).to_have_text(score)
    tab.page.click("[data-tool=patch]")
    tab.stroke((0.5, 0.5))
    assert tab.picture("anomaly_map") != drawn


def test_paint_stays_with_its_picture_and_so_does_undo(tab: Inside) -> None:
    tab.page.click("[data-tool=brush]")
    tab.stroke((0.2, 0.2), (0.7, 0.6))
    first = tab.picture("anomaly_map")
    tab.page.click("[data-tool=texture]")
    tab.stroke((0.3, 0.8), (0.6, 0.9))
    painted, layer = tab.picture("anomaly_map"), tab.layer()
    expect(tab.slot("kept")).to_be_visible()

    tab.pick(1)
    expect(tab.slot("title")).to_have_text("test/good/001.png", timeout=PATIENCE)
    expect(tab.slot("undo")).to_be_disabled()
    assert tab.layer() != layer
    tab.page.click("[data-tool=follow]")
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


def test_a_switch_says_what_it_changes(tab: Inside) -> None:
    main = tab.page.locator("[data-testid=stMain]")
    expect(main).to_contain_text("Nothing is switched yet", timeout=PATIENCE)
    tab.page.get_by_text("x and x", exact=True).click()
    expect(main).to_contain_text("Switched: sees x and x", timeout=PATIENCE)
    expect(main).to_contain_text("A pixel of the map moves by")
    tab.page.get_by_role("button", name="Compare over all").click()
    expect(main).to_contain_text("Over 7 test images", timeout=PATIENCE)
