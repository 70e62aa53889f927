"""The guided lesson in a real browser: begun by the link, led by keys, answered when asked, kept by a reload."""

import re
import time
from collections.abc import Iterator

import pytest
from lesson_home import make_lesson_home
from machinery import ROOT, start_server
from playwright.sync_api import Locator, Page, expect

from pages._ui import texts
from pages._ui.lesson.steps import STEPS
from pages._ui.texts.catalogue import read_languages

pytestmark = pytest.mark.browser

PATIENCE = 180_000  # ms, for a busy machine
ENGLISH, CHINESE = (read_languages(texts.FOLDER)[code].texts for code in ("en", "zh-Hant"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = make_lesson_home(tmp_path_factory.mktemp("served") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAEM_HOME", str(home))
        patch.delenv("DRAEM_DATA", raising=False)
        process, served = start_server(ROOT / "app.py", home / "server.log")
    yield served
    process.terminate()
    process.wait(10)


class Lesson:
    """One browser tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)

    def open(self, address: str) -> None:
        self.page.goto(f"{self.url}/{address}")

    def slot(self, name: str) -> Locator:
        return self.page.locator(f".panel [data-slot={name}]")

    def expect_step(self, number: int, words: dict[str, str] | None = None) -> None:
        """Wait for a step; it is there with its question, and no answer yet."""
        told = words or ENGLISH
        expect(self.slot("title")).to_have_text(told[f"lesson.step.{STEPS[number - 1].key}.title"])
        expect(self.page).to_have_url(re.compile(rf"[?&]lesson={number}(&|$)"))
        expect(self.slot("question")).not_to_be_empty()

    def expect_nothing_asked(self) -> None:
        """The card asks the server for no other step; it is marked as busy in the very event that asks."""
        assert "busy" not in (self.page.locator(".panel").get_attribute("class") or "").split()

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)


@pytest.fixture
def tab(url: str, page: Page) -> Iterator[Lesson]:
    page.set_viewport_size({"width": 1500, "height": 1000})
    opened = Lesson(page, url)
    yield opened
    assert not opened.errors


def test_begun_in_the_sidebar_led_by_keys_and_left(tab: Lesson) -> None:
    tab.open("Inside")
    expect(tab.page.locator("[data-testid=stSidebar]")).to_contain_text("Guided lesson")
    tab.page.get_by_role("link", name="Guided lesson").click()
    tab.expect_step(1)
    current = tab.page.locator("[data-testid=stSidebar] a[aria-current=page]")
    expect(current).to_have_count(1)
    expect(current).to_contain_text("Lesson")
    expect(tab.slot("back")).to_be_disabled()
    expect(tab.slot("told")).to_be_hidden()
    tab.press("Space")
    expect(tab.slot("answer")).to_contain_text("the image score")
    tab.press("PageDown")
    tab.expect_step(2)
    expect(tab.slot("told")).to_be_hidden()
    tab.press("ArrowRight")
    tab.expect_step(3)
    expect(tab.page.locator('.card[data-stage="reconstruction"]')).to_have_attribute("aria-pressed", "true")
    tab.press("PageUp")
    tab.expect_step(2)
    tab.press("ArrowLeft")
    tab.expect_step(1)
    tab.slot("leave").click()
    expect(tab.page.locator(".panel")).to_have_count(0)
    expect(tab.page).not_to_have_url(re.compile("lesson="))
    assert tab.page.evaluate("document.documentElement.classList.contains('in-lesson')") is False


def test_a_reload_keeps_step_and_language_and_hides_the_answer(tab: Lesson) -> None:
    tab.open("Inside?lesson=6&lang=zh-Hant")
    tab.expect_step(6, dict(CHINESE))
    expect(tab.slot("ask")).to_have_text("顯示答案")
    tab.press("Enter")
    expect(tab.slot("answer")).to_contain_text("開運算")
    tab.page.reload()
    tab.expect_step(6, dict(CHINESE))
    expect(tab.slot("told")).to_be_hidden()
    assert tab.page.evaluate("document.documentElement.lang") == "zh-Hant"


def test_the_language_is_switched_within_the_lesson(tab: Lesson) -> None:
    tab.open("Inside?lesson=3")
    tab.expect_step(3)
    tab.page.get_by_role("combobox", name="Language").click()
    tab.page.get_by_role("option", name="繁體中文").click()
    tab.expect_step(3, dict(CHINESE))
    expect(tab.page.locator('.card[data-stage="reconstruction"] .name')).to_have_text("重建影像 x̂")
    expect(tab.page).to_have_url(re.compile("lang=zh-Hant"))


def test_keys_stay_with_a_field_that_has_the_focus(tab: Lesson) -> None:
    tab.open("Inside?lesson=2")
    tab.expect_step(2)
    tab.page.locator("[data-slot=easel]").focus()
    tab.press("ArrowRight")  # the easel moves its brush
    tab.expect_nothing_asked()
    tab.expect_step(2)
    tab.page.get_by_role("combobox", name="Checkpoint").focus()
    tab.press("ArrowRight")
    tab.expect_nothing_asked()
    tab.expect_step(2)


def test_it_goes_on_from_page_to_page(tab: Lesson) -> None:
    paint = next(place for place, step in enumerate(STEPS, 1) if step.key == "paint")
    tab.open(f"Inside?lesson={paint}")
    tab.expect_step(paint)
    tab.press("Space")
    expect(tab.slot("answer")).to_contain_text("painted")
    expect(tab.page.locator("[data-slot=undo]")).to_be_enabled()  # the prepared stroke may be taken back
    tab.press("ArrowRight")
    tab.expect_step(paint + 1)
    expect(tab.page).to_have_url(re.compile("/Synthetic"))
    tab.press("Space")
    expect(tab.slot("answer")).to_contain_text("lattice cells")
    tab.press("ArrowLeft")
    tab.expect_step(paint)
    expect(tab.page).to_have_url(re.compile("/Inside"))


def test_another_page_ends_the_lesson_and_the_sidebar_goes_on_with_it(tab: Lesson) -> None:
    tab.open("Inside?lesson=4")
    tab.expect_step(4)
    tab.page.locator("[data-testid=stSidebar]").get_by_role("link", name="Explore").click()
    expect(tab.page.locator(".panel")).to_have_count(0)
    tab.page.get_by_role("link", name="Lesson: on from step 4").click()
    tab.expect_step(4)


def test_the_card_covers_nothing_of_the_page(tab: Lesson) -> None:
    tab.open("Inside?lesson=1")
    tab.expect_step(1)
    tab.page.locator("[data-testid=stMain]").evaluate("(main) => main.scrollTo({ top: 0 })")
    for viewport in ({"width": 480, "height": 900}, {"width": 1920, "height": 1080}):
        tab.page.set_viewport_size(viewport)
        deadline = time.monotonic() + PATIENCE / 1000
        while not _stands_clear(tab.page, viewport["width"]):  # the page is laid out anew
            assert time.monotonic() < deadline, f"the card covers the page at {viewport}"
            tab.page.wait_for_timeout(50)


def _stands_clear(page: Page, width: int) -> bool:
    """Tell whether the lesson's panel ends above the pictures and within the window, to a pixel."""
    panel = page.locator(".panel").bounding_box()
    first = page.get_by_role("radiogroup", name="Pictures from").bounding_box()
    if panel is None or first is None:
        return False
    return panel["y"] + panel["height"] <= first["y"] + 1 and panel["x"] + panel["width"] <= width + 1
