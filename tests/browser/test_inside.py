"""The Inside page in a real browser: paint changes map and score, switches tell their effect, clicks are followed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

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
