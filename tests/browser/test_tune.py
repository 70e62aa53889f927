"""The Tune page in a real browser: every number at every setting, goals, zones, flips, recipes, links, many people.

The numbers are compared with masks made one by one (``Truth``), not with the tables that the page is made of.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import pandas as pd
import pytest
from machinery import ROOT
from playwright.sync_api import Browser, expect
from tiny_home import DEFECTS, GOOD
from tune_driver import Truth, Tune

from draem_core.evaluation import goals
from draem_core.evaluation.settings_grid import SettingsGrid

pytestmark = pytest.mark.browser

SIZE = {"width": 1500, "height": 1400}
ALPHA, TILES = "checkpoints/alpha.safetensors", "datasets/tiles"
IMAGES = GOOD + sum(DEFECTS.values())


@pytest.fixture(scope="module")
def truths(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Truth]:
    return {name: Truth.of(home, name, tmp_path_factory.mktemp(name)) for name in ("alpha", "beta")}


@pytest.fixture
def truth(truths: dict[str, Truth]) -> Truth:
    return truths["alpha"]


@pytest.fixture
def tab(url: str, browser: Browser) -> Iterator[Callable[[], Tune]]:
    """Open tabs of different visitors; at the end none may have asked another machine or met an error."""
    tabs: list[Tune] = []

    def one_more() -> Tune:
        tabs.append(Tune(browser.new_context(viewport=SIZE).new_page(), url))  # type: ignore[arg-type]
        return tabs[-1]

    yield one_more
    for tune in tabs:
        tune.page.context.close()
        assert tune.hosts == {"127.0.0.1"}
        assert not tune.complaints
        assert not tune.errors


@pytest.fixture
def tune(tab: Callable[[], Tune]) -> Tune:
    return tab()


def assert_as_python_has_it(tune: Tune, truth: Truth) -> dict:
    """Compare every number and every flip on the page with the library's; return the settings."""
    shown = tune.shown()
    settings, texts = shown["settings"], shown["texts"]
    expected = truth.texts(settings)
    assert {name: texts[name] for name in expected} == expected, settings
    changed = truth.flips(settings)
    assert shown["flips"] == changed, settings
    assert texts["flipsHead"].startswith(f"{len(changed)} verdict" if changed else "No verdict"), settings
    right = sum(("OK → NG" in words) == words.endswith("defect") for words in changed)
    assert texts["flipsSummary"] == (f"{right} right now, {len(changed) - right} wrong now" if changed else "")
    readout = shown["readout"]
    assert readout["threshold"] == np.float32(1 - settings["sensitivity"])
    assert str(readout["image"]["tp"]) == texts["ngDefect"]
    return settings


# --- numbers --------------------------------------------------------------------------------------------------------


def test_first_visit_shows_every_number(tune: Tune, truth: Truth) -> None:
    tune.open()
    assert assert_as_python_has_it(tune, truth)["sensitivity"] == 0.5
    expect(tune.slot("title")).to_have_text("datasets/tiles")
    expect(tune.slot("facts")).to_have_text(f"{IMAGES} images: {GOOD} good, {sum(DEFECTS.values())} defect")
    assert tune.address == {"checkpoint": ALPHA, "dataset": TILES}
    expect(tune.page.get_by_text("Collect at least 20 before")).to_be_visible()


def test_drags_move_every_number_and_send_nothing(tune: Tune, truth: Truth) -> None:
    tune.open()
    rng = np.random.default_rng(1)
    sent, seen = len(tune.sent), set()
    for slider in ("sensitivity", "kernel", "area"):
        tune.grab(slider)
        for share in (*rng.random(8), 0, 1, {"sensitivity": 0.6, "kernel": 0.2, "area": 0.15}[slider]):
            tune.drag(slider, share)
            settings = assert_as_python_has_it(tune, truth)
            seen.add((settings["sensitivity"], settings["kernel_size"], settings["min_area"]))
        assert len(tune.sent) == sent, "nothing is sent during a drag"
        tune.release()
        assert_as_python_has_it(tune, truth)
        sent = len(tune.sent)
    assert len(seen) > 25
    settings = tune.call("settings")
    assert tune.address == {
        "checkpoint": ALPHA,
        "dataset": TILES,
        "sensitivity": str(settings["sensitivity"]),
        "kernel_size": str(settings["kernel_size"]),
        "min_area": str(settings["min_area"]),
    }


@pytest.mark.parametrize("logit", [False, True])
def test_the_line_in_the_histogram_is_dragged_itself(tune: Tune, truth: Truth, logit: bool) -> None:
    tune.open(logit_scale=str(logit).lower())
    sent = len(tune.sent)
    box = tune.root.locator(".scatter").bounding_box()
    assert box
    tune.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    tune.page.mouse.down()
    for share in (0.1, 0.35, 0.61, 0.93, 0, 1, 0.55):
        tune.page.mouse.move(box["x"] + share * box["width"], box["y"] + 60)
        settings = assert_as_python_has_it(tune, truth)
        place = np.log(settings["sensitivity"] / (1 - settings["sensitivity"])) / 32 + 0.5 if logit else None
        assert (place if logit and 0 < share < 1 else settings["sensitivity"] if not logit else share) == pytest.approx(
            share, abs=0.01
        )
        line = tune.root.locator(".scatter .cut:not(.unsure)").bounding_box()
        assert line
        assert line["x"] + line["width"] / 2 == pytest.approx(box["x"] + share * box["width"], abs=3)
    assert len(tune.sent) == sent
    tune.release()
    assert float(tune.address["sensitivity"]) == tune.call("settings")["sensitivity"]


def test_typed_settings_snap_to_what_was_counted(tune: Tune, truth: Truth) -> None:
    tune.open()
    rng = np.random.default_rng(2)
    for _ in range(25):
        tune.type(sensitivity=rng.random(), kernel=int(rng.integers(1, 32)), area=int(rng.integers(0, 300)))
        assert_as_python_has_it(tune, truth)
    for sensitivity in (1e-9, 1 - 1e-7, 0.00049, 0.99951):
        tune.type(sensitivity=sensitivity)
        assert_as_python_has_it(tune, truth)


def test_a_link_to_a_setting_between_stops_means_the_nearest_everywhere(tune: Tune, truth: Truth) -> None:
    tune.open(min_area=4000, sensitivity=0.61234)
    settings = assert_as_python_has_it(tune, truth)
    assert (settings["min_area"], settings["sensitivity"]) == (3870, 0.612) or settings["min_area"] != 4000
    assert tune.address["min_area"] == str(settings["min_area"])
    assert tune.address["sensitivity"] == str(settings["sensitivity"])
    tune.grab("kernel")
    tune.drag("kernel", 0.2)
    tune.release()
    assert tune.address["kernel_size"] == str(tune.call("settings")["kernel_size"]) == "7"


# --- zones, flips, gallery ------------------------------------------------------------------------------------------


def test_three_zones(tune: Tune, truth: Truth) -> None:
    tune.open(sensitivity=0.55)
    tune.switch("zones")
    tune.grab("unsure")
    sent = len(tune.sent)
    for share in (0.6, 0.75, 0.9, 0.2, 0.85):
        tune.drag("unsure", share)
        settings = assert_as_python_has_it(tune, truth)
        assert settings["unsure_sensitivity"] == pytest.approx(max(share, 0.55), abs=0.01)
    assert len(tune.sent) == sent
    tune.release()
    assert (tune.address["zones"], tune.address["sensitivity"]) == ("true", "0.55")
    tune.grab("sensitivity")
    tune.drag("sensitivity", 0.95)
    settings = assert_as_python_has_it(tune, truth)
    assert settings["unsure_sensitivity"] == settings["sensitivity"], "NG pushes unsure before it"
    tune.release()
    box = tune.root.locator(".scatter").bounding_box()
    assert box
    tune.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 40)
    tune.page.mouse.down()
    assert assert_as_python_has_it(tune, truth)["sensitivity"] == pytest.approx(0.3, abs=0.01)
    tune.release()
    tune.page.mouse.move(box["x"] + 0.97 * box["width"], box["y"] + 40)
    tune.page.mouse.down()
    assert assert_as_python_has_it(tune, truth)["unsure_sensitivity"] == pytest.approx(0.97, abs=0.01)
    tune.release()
    assert tune.address["sensitivity"] == str(tune.call("settings")["sensitivity"])


def test_without_zones_the_unsure_threshold_stays_where_it_was(tune: Tune) -> None:
    tune.open()
    tune.grab("sensitivity")
    for share in (0.99, 0.4):
        tune.drag("sensitivity", share)
    assert tune.call("settings")["unsure_sensitivity"] == 0.8
    tune.release()


def test_the_saved_setting_is_what_flips_are_counted_against(tune: Tune, truth: Truth) -> None:
    tune.open(sensitivity=0.7, kernel_size=1)
    before = assert_as_python_has_it(tune, truth)
    assert truth.flips(before)
    tune.press("Compare with the present setting")
    expect(tune.slot("flipsHead")).to_have_text("No verdict differs from the saved setting")
    tune.grab("sensitivity")
    tune.drag("sensitivity", 0.1)
    settings = assert_as_python_has_it(tune, truth)
    assert (settings["saved_sensitivity"], settings["saved_kernel_size"]) == (0.7, 1)
    assert truth.flips(settings)
    tune.release()
    assert (tune.address["saved_sensitivity"], tune.address["saved_kernel_size"]) == ("0.7", "1")


def test_the_gallery_in_its_orders(tune: Tune, truth: Truth) -> None:
    tune.open(sensitivity=0.6, kernel_size=5)
    grid = SettingsGrid.from_maps(truth.maps, truth.masks, truth.labels, kernel_sizes=[5], min_areas=[0])
    firsts = grid.image_stops[0, 0].astype(int)
    names = [sample.name for sample in truth.samples]

    def order_of(key: Callable[[int], object]) -> list[str]:
        return [names[i] for i in sorted(range(IMAGES), key=key)]  # type: ignore[arg-type, type-var]

    def shown() -> list[str]:
        return [words.partition(":")[0] for words in tune.shown()["gallery"]]

    flagged = truth.flagged(0.6, 5, 0)
    stop = grid.place(0.6, 5, 0)[0]
    wrong = flagged != truth.labels
    distance = np.abs(firsts - stop - 0.5)
    assert shown() == order_of(lambda i: (not wrong[i], -distance[i] if wrong[i] else distance[i], i))
    tune.press("By score")
    assert shown() == order_of(lambda i: (firsts[i], i))
    tune.press("By kind")
    assert sorted(shown()) == sorted(names)
    kinds = [name.split("/")[1] for name in shown()]
    assert kinds == sorted(kinds)
    tune.press("Erased regions")
    tune.grab("kernel")
    tune.drag("kernel", 1)
    tune.release()
    shown_now, texts = shown(), tune.shown()["texts"]
    assert (len(shown_now) == 0) == (texts["erased"] == "0")
    assert tune.address["order"] == "erased"


def open_tile(tune: Tune, number: int) -> str:
    """Click a tile of the gallery and return its picture's name once Explore shows it."""
    tile = tune.root.locator("[data-slot=gallery] li:not([hidden]) button").nth(number)
    name = (tile.get_attribute("aria-label") or "").partition(":")[0]
    tile.click()
    expect(tune.page.locator(".draem-viewer [data-slot=title]")).to_have_text(name)
    expect(tune.page).to_have_url(re.compile(f"/Explore.*image={quote_plus(name)}"))
    return name


def follow(tune: Tune, page: str) -> None:
    """Take a link of the sidebar, which says nothing of the setting."""
    tune.page.locator("[data-testid=stSidebar]").get_by_role("link").filter(has_text=page).click()
    if page == "Tune":
        tune.wait()
    else:
        expect(tune.slot("verdictWord")).not_to_be_empty()


def viewer_settings(tune: Tune) -> dict:
    return tune.page.locator(".draem-viewer").evaluate("(root) => root.draemViewer.settings()")


def test_a_click_opens_the_picture_in_explore_with_the_same_setting(tune: Tune) -> None:
    tune.open(sensitivity=0.7, kernel_size=5, order="score")
    seen = set()
    for number in (3, 0, 5):  # after the first, Explore has a picture of its own to forget
        seen.add(open_tile(tune, number))
        settings = viewer_settings(tune)
        assert (settings["sensitivity"], settings["kernel_size"]) == (0.7, 5)
        follow(tune, "Tune")
    assert len(seen) == 3


def test_a_click_at_the_first_moment_is_not_lost(tab: Callable[[], Tune]) -> None:
    """While the page still runs, and while another visitor keeps the server busy, a click leads where it should."""
    other = tab()
    other.open(checkpoint="checkpoints/beta.safetensors")
    for number in range(4):
        tune = tab()
        other.page.goto(f"{tune.url}/Tune?kernel_size={2 * number + 3}", wait_until="commit")
        tune.page.goto(f"{tune.url}/Tune?sensitivity=0.7&kernel_size=5&order=score", wait_until="commit")
        expect(tune.slot("ngDefect")).not_to_be_empty()
        open_tile(tune, number)
        settings = viewer_settings(tune)
        assert (settings["sensitivity"], settings["kernel_size"]) == (0.7, 5)
        tune.page.close()


# --- goals, recipes, links ------------------------------------------------------------------------------------------


def choose_goal(tune: Tune, name: str) -> None:
    box = tune.page.get_by_role("combobox", name="Goal")
    if box.input_value() == name:
        return
    box.click()
    with tune.rerun():
        tune.page.get_by_role("option", name=name, exact=True).click()


GOALS = {
    "Best F1": goals.best_f1,
    "No defect missed": goals.full_recall,
    "Few false alarms": lambda *trial: goals.at_most_false_alarms(*trial, 0.02),
    "Least cost": lambda *trial: goals.least_cost(*trial, 10, 1),
    "Three zones": lambda *trial: goals.zones(*trial, 0, 0),
}


def test_each_goal_moves_the_slider_to_the_stop_it_names(tune: Tune, truth: Truth) -> None:
    tune.open(kernel_size=5, sensitivity=0.123)
    grid = SettingsGrid.from_maps(truth.maps, truth.masks, truth.labels, kernel_sizes=[5], min_areas=[0])
    for name, work_out in GOALS.items():
        found = work_out(grid.postprocessed_scores(5, 0), grid.image_labels, grid.sensitivities)
        choose_goal(tune, name)
        assert not isinstance(found, goals.NoOperatingPoint)
        expect(tune.page.get_by_text(found.reason[:40])).to_be_visible()
        button = tune.page.get_by_role("button", name="Use it", exact=True)
        if button.is_enabled():
            tune.press("Use it")
        settings = assert_as_python_has_it(tune, truth)
        assert (settings["sensitivity"], settings["kernel_size"]) == (found.sensitivity, 5), name
        if name == "Three zones":
            assert (settings["zones"], settings["unsure_sensitivity"]) == (True, found.unsure_sensitivity)
        expect(button).to_be_disabled()


def download(tune: Tune, label: str, folder: Path) -> Path:
    with tune.page.expect_download() as started:
        tune.page.get_by_role("button", name=label, exact=True).click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_a_recipe_goes_out_comes_back_and_means_the_same_without_the_app(
    tune: Tune, truth: Truth, home: Path, tmp_path: Path
) -> None:
    tune.open(sensitivity=0.58, kernel_size=5, min_area=6, zones="true", unsure_sensitivity=0.66)
    asked = assert_as_python_has_it(tune, truth)
    verdicts = {words.partition(":")[0]: words.split(": ")[1].split(",")[0] for words in tune.shown()["gallery"]}
    path = download(tune, "Recipe", tmp_path)
    recipe = json.loads(path.read_text())
    assert (recipe["sensitivity"], recipe["kernel_size"], recipe["min_area"]) == (0.58, 5, 6)
    texts = tune.shown()["texts"]
    for name in ("image_f1", "image_precision", "image_recall", "image_auroc", "pixel_f1", "pixel_auroc", "aupro"):
        shown = texts[name.replace("_", "-")]
        value = recipe["measured"][0]["figures"][name]
        assert shown == ("–" if value is None else f"{value:.4f}"), name

    tune.grab("sensitivity")
    tune.drag("sensitivity", 0.9)
    tune.release()
    tune.switch("zones")
    tune.page.get_by_text("Open a recipe").click()
    with tune.rerun():
        tune.page.locator("[data-testid=stMain] input[type=file]").set_input_files(path)
    tune.press("Use this recipe")
    back = assert_as_python_has_it(tune, truth)
    for name in ("sensitivity", "kernel_size", "min_area", "zones", "unsure_sensitivity"):
        assert back[name] == asked[name]
    expect(tune.slot("flipsHead")).to_have_text("No verdict differs from the saved setting")

    out = tmp_path / "verdicts"
    weights = home / "checkpoints/alpha.safetensors"
    folder = home / "datasets/tiles/test"
    command = [sys.executable, "-m", "draem_core", "apply", path, folder, "--out", out, "--checkpoint", weights]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    table = pd.read_csv(out / "verdicts.csv")
    applied = {
        f"test/{Path(file).relative_to(folder) if Path(file).is_absolute() else file}": zone
        for file, zone in zip(table["file"], table["zone"], strict=True)
    }
    assert {"/".join(name.split("/")[-3:]): zone for name, zone in applied.items()} == verdicts


@pytest.mark.parametrize("label", ["Report .html", "Verdicts .csv", "Verdicts .json", "Masks .zip"])
def test_downloads(tune: Tune, tmp_path: Path, label: str) -> None:
    tune.open()
    path = download(tune, label, tmp_path)
    assert path.stat().st_size > 100
    assert path.name.startswith("datasets_tiles_")


def test_a_recipe_of_another_checkpoint_is_refused(tune: Tune, tmp_path: Path) -> None:
    tune.open()
    path = download(tune, "Recipe", tmp_path)
    tune.open(checkpoint="checkpoints/beta.safetensors")
    tune.page.get_by_text("Open a recipe").click()
    with tune.rerun():
        tune.page.locator("[data-testid=stMain] input[type=file]").set_input_files(path)
    expect(tune.page.get_by_role("alert").filter(has_text="made for the checkpoint alpha")).to_be_visible()
    expect(tune.page.get_by_role("button", name="Use this recipe")).to_have_count(0)


def test_a_reload_restores_the_view(tune: Tune, truth: Truth) -> None:
    tune.open(kernel_size=5, zones="true", unsure_sensitivity=0.9, by_kind="true", order="kind", logit_scale="true")
    tune.grab("sensitivity")
    tune.drag("sensitivity", 0.53)
    tune.release()
    before = assert_as_python_has_it(tune, truth)
    with tune.rerun():
        tune.page.reload()
    assert assert_as_python_has_it(tune, truth) == before


def test_settings_are_carried_between_the_pages(tune: Tune, truth: Truth) -> None:
    tune.open("/Tune", sensitivity=0.4)
    tune.grab("sensitivity")
    tune.drag("sensitivity", 0.65)
    tune.release()
    first = tune.call("settings")["sensitivity"]
    follow(tune, "Explore")
    assert viewer_settings(tune)["sensitivity"] == first
    tune.page.locator("#kernelNumber").fill("7")
    tune.page.locator("#kernelNumber").press("Enter")
    expect(tune.page).to_have_url(re.compile("kernel_size=7"))
    follow(tune, "Tune")
    settings = assert_as_python_has_it(tune, truth)
    assert (settings["sensitivity"], settings["kernel_size"]) == (first, 7)
    follow(tune, "Explore")
    assert (viewer_settings(tune)["sensitivity"], viewer_settings(tune)["kernel_size"]) == (first, 7)


# --- several people -------------------------------------------------------------------------------------------------


def test_four_visitors_get_their_own_numbers(tab: Callable[[], Tune], truths: dict[str, Truth]) -> None:
    visitors = [(tab(), name, kernel) for name, kernel in (("alpha", 1), ("beta", 1), ("alpha", 7), ("beta", 5))]
    for tune, name, kernel in visitors:
        tune.open(checkpoint=f"checkpoints/{name}.safetensors", kernel_size=kernel)
    for turn in range(3):
        for place, (tune, _, _) in enumerate(visitors):
            tune.grab("sensitivity")
            tune.drag("sensitivity", 0.35 + 0.1 * place + 0.05 * turn)
        for tune, name, _ in visitors:
            assert_as_python_has_it(tune, truths[name])
            tune.page.mouse.up()
    for place, (tune, name, kernel) in enumerate(visitors):
        tune.wait()
        settings = assert_as_python_has_it(tune, truths[name])
        assert settings["kernel_size"] == kernel
        assert settings["sensitivity"] == pytest.approx(0.45 + 0.1 * place, abs=0.01)
        expect(tune.page).to_have_url(re.compile(f"sensitivity={settings['sensitivity']}"))
        assert tune.address["checkpoint"] == f"checkpoints/{name}.safetensors"
