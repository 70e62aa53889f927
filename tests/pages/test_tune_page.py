"""The Tune page without a browser: what a first visit counts, what is said when something is missing, links, goals."""

import shutil
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from payloads import sent, unpack
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button
from tiny_home import DEFECTS, GOOD

from draem_core import Predictor, load_checkpoint
from draem_core.data.datasets import open_dataset
from draem_core.evaluation.settings_grid import SettingsGrid
from draem_core.evaluation.tuning import TuningSet, count_settings
from draem_core.scoring import run, score_dataset
from pages._ui.components.tuner import TunerSettings
from pages._ui.tune import tune_data

ROOT = Path(__file__).resolve().parents[2]
APP = str(ROOT / "app.py")
ALPHA, TILES = "checkpoints/alpha.safetensors", "datasets/tiles"
IMAGES = GOOD + sum(DEFECTS.values())
RUNS = 60  # of the page while the work goes on; each waits up to 0.6 s for it


@pytest.fixture(scope="module")
def scored_home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that no test changes, so that its dataset is scored and counted once."""
    folder = tmp_path_factory.mktemp("scored") / "home"
    shutil.copytree(tiny_home, folder)
    return folder


@pytest.fixture
def visit(scored_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from serve(scored_home, monkeypatch)


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder that the test may change."""
    folder = tmp_path / "home"
    shutil.copytree(tiny_home, folder)
    yield from serve(folder, monkeypatch)


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a folder the app's home; no other test's cached results are seen."""
    monkeypatch.setenv("DRAEM_HOME", str(folder))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    forget()
    yield folder
    forget()


def forget() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def tuning(scored_home: Path, tmp_path_factory: pytest.TempPathFactory) -> TuningSet:
    return counted(scored_home, tmp_path_factory.mktemp("counted"))


def tune(**query: object) -> AppTest:
    """Run the page under a link until its work is done."""
    at = AppTest.from_file(APP, default_timeout=300).switch_page("pages/2_Tune.py")
    at.query_params.update({name: str(value) for name, value in query.items()})
    return settle(at)


def settle(at: AppTest) -> AppTest:
    for _ in range(RUNS):
        at.run()
        assert not at.exception, at.exception
        if not at.get("progress"):
            return at
    raise AssertionError("the work did not end")


@dataclass(frozen=True)
class Shown:
    """What the tuner was sent: the order of Python, the dataset's facts, and the arrays by name."""

    order: dict
    facts: dict
    arrays: dict[str, np.ndarray]

    @property
    def settings(self) -> TunerSettings:
        return TunerSettings(**self.order["settings"])


def shown(at: AppTest) -> Shown:
    order, payloads = unpack(sent(at, "draem_tuner"))
    facts, packed = unpack(payloads["dataset"])
    return Shown(order, facts, unpack(zlib.decompress(packed["tables"]))[1])


def asked(at: AppTest) -> dict[str, str]:
    """The address after a run."""
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def words(at: AppTest) -> str:
    """Everything the page says outside the tuner."""
    kinds = ("error", "warning", "info", "header", "markdown", "caption")
    return "\n".join(block.value for kind in kinds for block in at.get(kind))


def counted(home: Path, out: Path, checkpoint: str = "alpha", dataset: str = TILES) -> TuningSet:
    """What the library counts on the same dataset, apart from the page."""
    predictor = Predictor(load_checkpoint(home / "checkpoints" / f"{checkpoint}.safetensors"))
    return count_settings(score_dataset(predictor, open_dataset(home / dataset), out), out)


# --- a visit --------------------------------------------------------------------------------------------------------


def test_first_visit_counts_every_setting_without_a_click(visit: Path, tuning: TuningSet) -> None:
    at = tune()
    view = shown(at)
    assert view.facts["title"] == "datasets/tiles"
    assert [image["name"] for image in view.facts["images"]] == [one.name for one in tuning.samples]
    assert all(image["thumbnail"].startswith("data:image/jpeg") for image in view.facts["images"])
    for name, part in (("defectPixels", "defect_pixels"), ("goodPixels", "good_pixels"), ("imageStops", "image_stops")):
        np.testing.assert_array_equal(view.arrays[name], getattr(tuning.grid, part))
    assert view.facts["metrics"][1]["pixel_auroc"] == tuning.figures[1].pixel_auroc
    assert view.settings == TunerSettings()
    assert not at.error
    assert asked(at) == {"checkpoint": ALPHA, "dataset": TILES}


def test_a_second_visit_reads_what_the_first_one_kept(visit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, kept = shown(tune()), stamps(visit)
    forget()
    monkeypatch.setattr(SettingsGrid, "from_maps", refuse)
    again = shown(tune())
    assert stamps(visit) == kept
    assert again.facts == first.facts
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def stamps(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (home / ".cache").rglob("*.np*")}


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("done again")


def test_a_changed_picture_is_noticed(home: Path) -> None:
    before = shown(tune())
    forget()
    shutil.copy(home / TILES / "test/spot/000.png", home / TILES / "test/good/000.png")
    after = shown(tune())
    assert after.facts["digest"] != before.facts["digest"]
    assert not np.array_equal(after.arrays["imageStops"], before.arrays["imageStops"])


def test_a_link_restores_the_view(visit: Path) -> None:
    link = {"checkpoint": "checkpoints/beta.safetensors", "dataset": TILES}
    sliders = {"sensitivity": 0.625, "kernel_size": 5, "min_area": 7, "saved_sensitivity": 0.25, "order": "kind"}
    at = tune(**link, **sliders, zones="true", unsure_sensitivity=0.75)
    assert shown(at).settings == TunerSettings(
        sensitivity=0.625,
        kernel_size=5,
        min_area=7,
        saved_sensitivity=0.25,
        order="kind",
        zones=True,
        unsure_sensitivity=0.75,
    )
    assert asked(at) == link | {name: str(value) for name, value in sliders.items()} | {
        "zones": "true",
        "unsure_sensitivity": "0.75",
    }


def test_junk_in_a_link_is_passed_over(visit: Path) -> None:
    at = tune(sensitivity="nan", kernel_size=4, min_area=-3, order="'><script>", dataset="../../etc", zones="maybe")
    assert shown(at).settings == TunerSettings()
    assert asked(at) == {"checkpoint": ALPHA, "dataset": TILES}


def test_a_setting_between_stops_is_the_nearest_one(visit: Path) -> None:
    at = tune(sensitivity=0.61234, min_area=4000)
    settings = shown(at).settings
    assert settings.sensitivity == pytest.approx(0.61234, abs=5e-4)
    assert settings.min_area != 4000
    assert asked(at)["min_area"] == str(settings.min_area)


# --- what is missing or broken --------------------------------------------------------------------------------------


def test_without_a_dataset_the_page_says_how_to_get_one(home: Path) -> None:
    shutil.rmtree(home / "datasets")
    assert "python -m draem_core demo" in words(tune())


def test_without_a_checkpoint_the_page_says_how_to_get_one(home: Path) -> None:
    shutil.rmtree(home / "checkpoints")
    assert "No checkpoint yet" in words(tune())


def test_without_labels_there_is_nothing_to_tune_and_the_page_says_so(home: Path) -> None:
    at = tune(dataset="datasets/unlabelled")
    assert "No image of this dataset has a label" in words(at)
    assert not [one for one in at.get("bidi_component") if one.proto.component_name.endswith("draem_tuner")]
    at.selectbox(key="dataset").select(TILES)
    assert shown(settle(at)).facts["title"] == "datasets/tiles"


def test_a_corrupt_image_is_named_and_left_out(home: Path, tmp_path: Path) -> None:
    (home / TILES / "test/spot/001.png").write_bytes(b"no picture")
    at = tune()
    assert "spot/001.png is not an image of a known format" in words(at)
    assert len(shown(at).facts["images"]) == IMAGES - 1
    tuning = counted(home, tmp_path)
    np.testing.assert_array_equal(shown(at).arrays["imageStops"], tuning.grid.image_stops)


def test_with_one_class_alone_figures_are_undefined_and_the_page_says_why(home: Path) -> None:
    for kind in DEFECTS:
        shutil.rmtree(home / TILES / "test" / kind)
    at = tune()
    assert shown(at).facts["metrics"][0]["image_auroc"] is None
    assert "defect" in words(at)
    for goal in ("No defect missed", "Few false alarms", "Least cost", "Three zones"):
        at.selectbox(key="goal").select(goal)
        settle(at)
        assert not at.error


def test_a_folder_that_cannot_be_written_is_a_sentence(home: Path) -> None:
    (home / ".cache").write_text("a file where the folder should be")
    at = tune()
    assert "Choose a folder" in words(at)
    assert at.button[-1].label == "Try again"
    (home / ".cache").unlink()
    at.button[-1].click()
    assert shown(settle(at)).facts["title"] == "datasets/tiles"


# --- long work ------------------------------------------------------------------------------------------------------


def button(at: AppTest, label: str) -> Button:
    return next(one for one in at.button if one.label == label)


def test_many_images_are_scored_when_asked_stopped_and_gone_on_with(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, score = threading.Event(), run._predicted

    def slowly(predictor: Predictor, pictures: list) -> Iterator[tuple]:
        assert go.wait(60)
        return score(predictor, pictures)

    monkeypatch.setattr(run, "_predicted", slowly)
    monkeypatch.setattr(tune_data, "_ASK_ABOVE", 3)
    at = AppTest.from_file(APP, default_timeout=300).switch_page("pages/2_Tune.py").run()
    assert f"each of the **{IMAGES} test images** once" in words(at)
    assert not list((home / ".cache").rglob("maps.npy"))
    button(at, "Score the dataset").click().run()
    assert at.get("progress")[0].proto.text.startswith(f"Running the network: 0 of {IMAGES} images")
    another = AppTest.from_file(APP, default_timeout=300).switch_page("pages/2_Tune.py").run()
    assert another.get("progress"), "a second visitor sees the same work"
    button(at, "Stop").click().run()
    go.set()
    settle(at)
    assert "Stopped after" in words(at)
    button(at, "Go on").click().run()
    settle(at)
    assert len(shown(at).facts["images"]) == IMAGES
    np.testing.assert_array_equal(shown(at).arrays["imageStops"], counted(home, tmp_path).grid.image_stops)
    assert len(shown(settle(another)).facts["images"]) == IMAGES


# --- goals and trust ------------------------------------------------------------------------------------------------


def test_a_goal_moves_the_slider_and_the_address(visit: Path, tuning: TuningSet) -> None:
    at = tune(sensitivity=0.111)
    outcomes = [tuning.grid.at(float(stop), 3, 0).image.f1 for stop in tuning.grid.sensitivities]
    at.button(key="use_goal").click()
    chosen = shown(settle(at)).settings
    assert tuning.grid.at(chosen.sensitivity, 3, 0).image.f1 == np.nanmax(outcomes)
    assert asked(at).get("sensitivity", "0.5") == str(chosen.sensitivity)
    assert at.button(key="use_goal").disabled
    assert (chosen.kernel_size, chosen.min_area) == (3, 0)


def test_zones_as_a_goal_miss_nothing_and_alarm_for_nothing(visit: Path, tuning: TuningSet) -> None:
    at = tune(kernel_size=5)
    at.selectbox(key="goal").select("Three zones")
    settle(at)
    at.button(key="use_goal").click()
    chosen, grid = shown(settle(at)).settings, tuning.grid
    assert chosen.zones
    assert grid.at(chosen.sensitivity, 5, 0).image.fp == 0
    assert grid.at(max(chosen.sensitivity, chosen.unsure_sensitivity), 5, 0).image.fn == 0


def test_costs_are_asked_for_and_meant(visit: Path, tuning: TuningSet) -> None:
    at = tune()
    at.selectbox(key="goal").select("Least cost")
    settle(at)
    at.number_input(key="goal_miss").set_value(1.0)
    at.number_input(key="goal_alarm").set_value(50.0)
    settle(at)
    at.button(key="use_goal").click()
    chosen, grid = shown(settle(at)).settings, tuning.grid
    costs = [
        outcome.image.fn + 50 * outcome.image.fp for outcome in (grid.at(float(s), 3, 0) for s in grid.sensitivities)
    ]
    outcome = grid.at(chosen.sensitivity, 3, 0)
    assert outcome.image.fn + 50 * outcome.image.fp == min(costs)


def test_few_images_are_warned_of_and_intervals_given(visit: Path) -> None:
    at = tune()
    assert f"Only {sum(DEFECTS.values())} defect images" in words(at)
    tables = [table.value for table in at.table]
    assert list(tables[0].index) == ["F1", "Precision", "Recall", "False-alarm rate", "AUROC"]
    assert [name.split(" (")[0] for name in tables[1].index] == ["tuned on", "checked on"]


# --- masks and the map's grid, good pictures alone ------------------------------------------------------------------


def test_the_rule_for_masks_is_offered_with_both_figures_and_changes_the_counts(home: Path) -> None:
    mask = np.zeros((1009, 1013), np.uint8)  # sides that no map's side divides
    mask[101:300, 107:502] = 255
    for path in (home / TILES / "ground_truth").rglob("*.png"):
        Image.fromarray(mask).save(path)
    at = tune()
    said = words(at)
    assert "By nearest pixel: pixel AUROC" in said
    assert "; by any coverage: pixel AUROC" in said
    nearest = shown(at).facts["defectTotal"]
    at = settle(at.selectbox(key="mask_downscaling").set_value("any").run())
    assert at.selectbox(key="mask_downscaling").value == "any"
    assert shown(at).facts["defectTotal"] > nearest


def test_without_masks_the_page_gives_the_true_reason(home: Path) -> None:
    shutil.rmtree(home / TILES / "ground_truth")
    at = tune()
    assert shown(at).facts["pixelReason"] == "no NG picture has a mask"
    assert not [box for box in at.selectbox if box.key == "mask_downscaling"]


def test_good_pictures_alone_give_a_threshold(home: Path) -> None:
    for folder in (home / TILES / "test").iterdir():
        if folder.name != "good":
            shutil.rmtree(folder)
    at = tune()
    assert at.selectbox(key="goal").value == "Few false alarms"
    said = words(at)
    assert "of the good images" in said
    assert "how many defects it misses is unknown" in said
    assert "No goal can be set" not in said
