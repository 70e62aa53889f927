"""The guided lesson: its steps fit the pages, its words fit its numbers, and the numbers are the model's own."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from lesson_home import make_lesson_home
from streamlit.testing.v1 import AppTest
from tiny_home import GRID, PICTURE

from draem_core import PostProcess, Predictor, load_checkpoint, read_image
from draem_core.data.datasets import open_dataset
from draem_core.inside.ablations import difference_map
from draem_core.synthesis.sample import SampleOverrides
from pages._ui import texts
from pages._ui.common import library
from pages._ui.components.inside_view.painting import Painting, layer_size, read_painting
from pages._ui.components.inside_view.stroke import Stroke, painted
from pages._ui.components.inside_view.words import words_of
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.components.synthetic_view import SyntheticSettings, SyntheticView
from pages._ui.components.synthetic_view.payload import cards_of
from pages._ui.frame.shell import Workspace
from pages._ui.inside.views import compute_view as compute_inside_view
from pages._ui.lesson import answers, navigation
from pages._ui.lesson.answers import INSIDE, SYNTHETIC, InsideScene, SyntheticScene
from pages._ui.lesson.steps import CHECKPOINT, DATASET, DEFECT, GOOD, STEPS, InsideStep, SyntheticStep
from pages._ui.synthetic.views import compute_view as compute_synthetic_view
from pages._ui.texts.catalogue import names_in, read_languages

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = read_languages(texts.FOLDER)
KEYS = [step.key for step in STEPS]
INSIDE_STEPS = [step for step in STEPS if isinstance(step, InsideStep)]
SYNTHETIC_STEPS = [step for step in STEPS if isinstance(step, SyntheticStep)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Only read from, so that what the pages cached of it serves all tests."""
    st.cache_data.clear()
    st.cache_resource.clear()
    yield make_lesson_home(tmp_path_factory.mktemp("lesson"))
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def home(served: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAEM_HOME", str(served))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    return served


def workspace_of(home: Path) -> Workspace:
    predictor = Predictor(load_checkpoint(home / CHECKPOINT), device="cpu")
    return Workspace(home / CHECKPOINT, predictor, "cpu", "auto", open_dataset(home / DATASET))


def scene_of(home: Path, name: str, painting: Painting | None = None, rule: LiveSettings | None = None) -> InsideScene:
    """What the Inside page shows of one of the lesson's pictures."""
    workspace = workspace_of(home)
    assert workspace.dataset is not None
    picture, good = (
        library.dataset_picture(next(one for one in workspace.dataset.samples if one.name == wanted))
        for wanted in (name, GOOD)
    )
    view = compute_inside_view(workspace, picture, painting or Painting(), rule or LiveSettings())
    truth = library.gt_mask(picture, GRID)
    unpainted = workspace.predictor.predict(picture.pixels)
    return InsideScene(view, truth, (20, 30), workspace.predictor.predict(good.pixels), unpainted)


def synthetic_scene(home: Path, settings: SyntheticSettings) -> SyntheticScene:
    workspace = workspace_of(home)
    assert workspace.dataset is not None
    picture = library.dataset_picture(next(one for one in workspace.dataset.samples if one.name == GOOD))

    def view_with(changed: SyntheticSettings) -> SyntheticView:
        return compute_synthetic_view(workspace, picture, changed)

    return SyntheticScene(view_with(settings), view_with)


def painted_scene(home: Path) -> InsideScene:
    step = next(step for step in INSIDE_STEPS if step.stroke)
    assert step.stroke is not None
    pixels = read_image(home / DATASET / step.picture)
    painting = read_painting(painted(step.stroke, pixels, "it"), "it", layer_size(pixels))
    return scene_of(home, step.picture, painting)


# --- steps and words ------------------------------------------------------------------------------------------------


def test_about_ten_steps_each_with_its_own_words() -> None:
    assert 9 <= len(STEPS) <= 14
    assert len(set(KEYS)) == len(KEYS)
    assert {step.page for step in STEPS} == {"inside", "synthetic"}
    assert set(INSIDE) == {step.key for step in INSIDE_STEPS}
    assert set(SYNTHETIC) == {step.key for step in SYNTHETIC_STEPS}


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_every_step_asks_before_it_answers(code: str, key: str) -> None:
    told = LANGUAGES[code].texts
    assert re.search("[?？]|sentences|四句話", told[f"lesson.step.{key}.question"])
    for part in ("title", "answer", "hand"):
        assert told[f"lesson.step.{key}.{part}"].strip()
    assert names_in(told[f"lesson.step.{key}.answer"]), "an answer without a number of the model"
    assert told[f"lesson.step.{key}.answer"].count("**") % 2 == 0
    assert len(told[f"lesson.step.{key}.question"]) < 260


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_result_is_typed_in(code: str) -> None:
    """Numbers in the words are settings that one may try; a result would have decimals or thousands."""
    for key in KEYS:
        for part in ("question", "answer", "hand"):
            bare = re.sub(r"\{[^}]*\}", "", LANGUAGES[code].texts[f"lesson.step.{key}.{part}"])
            assert not [number for number in re.findall(r"\d[\d.,]*\d", bare) if number != "0.5"], (key, part)


def test_every_steps_files_stage_and_settings_exist(home: Path) -> None:
    samples = {sample.name for sample in open_dataset(home / DATASET).samples}
    scene = scene_of(home, DEFECT)
    stages = {stage.name for stage in scene.view.stages}
    for step in STEPS:
        assert step.picture in samples
        assert (ROOT / navigation.FILES[step.page]).exists()
    for step in INSIDE_STEPS:
        assert step.selection.stage in stages
        assert words_of(step.selection.stage).title
    keys = {card.key for card in cards_of(synthetic_scene(home, SYNTHETIC_STEPS[0].settings).view)}
    for step in SYNTHETIC_STEPS:
        assert step.settings.step in keys


@pytest.mark.skipif(not (ROOT / DATASET).exists(), reason="the demo is not drawn: python -m draem_core demo")
def test_the_demo_has_every_picture() -> None:
    samples = {sample.name: sample for sample in open_dataset(ROOT / DATASET).samples}
    assert (ROOT / CHECKPOINT).exists()
    for step in STEPS:
        assert samples[step.picture].label == (0 if "good" in step.picture else 1)


# --- numbers --------------------------------------------------------------------------------------------------------


def test_every_text_gets_all_the_numbers_that_it_names_and_no_number_is_idle(home: Path) -> None:
    for step in STEPS:
        if isinstance(step, SyntheticStep):
            found = SYNTHETIC[step.key](synthetic_scene(home, step.settings))
        else:
            found = INSIDE[step.key](painted_scene(home) if step.stroke else scene_of(home, step.picture))
        assert found is not None, step.key
        for code in LANGUAGES:
            named = set()
            for part in ("question", "answer"):
                template = LANGUAGES[code].texts[f"lesson.step.{step.key}.{part}"]
                named |= names_in(template)
                template.format(**found)
            assert named == set(found), (step.key, code)


@pytest.mark.parametrize("key", [step.key for step in INSIDE_STEPS])
def test_another_picture_has_other_numbers(home: Path, key: str) -> None:
    first, second = (
        INSIDE[key](painted_scene(home) if key == "paint" and name == DEFECT else other(home, key, name))
        for name in (DEFECT, "test/corrosion/010.png")
    )
    assert first != second


def other(home: Path, key: str, name: str) -> InsideScene:
    """A scene of a picture; with paint elsewhere for the step that tells of paint."""
    if key != "paint":
        return scene_of(home, name)
    pixels = read_image(home / DATASET / name)
    stroke = Stroke("#000000", 0.1, ((0.6, 0.6), (0.8, 0.8)))
    return scene_of(home, name, read_painting(painted(stroke, pixels, "it"), "it", layer_size(pixels)))


def test_scores_and_counts_are_the_predictions_own(home: Path) -> None:
    scene = scene_of(home, DEFECT)
    predictor = Predictor(load_checkpoint(home / CHECKPOINT), device="cpu")
    expected = predictor.predict(read_image(home / DATASET / DEFECT))
    found = answers.defect(scene)
    assert found is not None
    assert found["score"] == pytest.approx(expected.image_score, abs=1e-3)
    assert found["before"] == pytest.approx(predictor.predict(read_image(home / DATASET / GOOD)).image_score, abs=1e-3)
    assert found["flagged"] == np.count_nonzero(PostProcess().apply(scene.prediction.anomaly_map))
    told = answers.reconstruction(scene)
    assert told is not None
    where, difference = scene.truth, difference_map(scene.prediction)
    assert where is not None
    assert told["inside"] == pytest.approx(difference[where].mean(), rel=1e-5)
    assert told["ratio"] == pytest.approx(difference[where].mean() / difference[~where].mean(), rel=1e-4)
    assert told["bottleneck"] == " × ".join(map(str, scene.view.stage("reconstructive.encoder.block5").shape))


def test_softmax_is_that_of_the_followed_pixel(home: Path) -> None:
    scene = scene_of(home, DEFECT)
    found = answers.softmax(scene)
    assert found is not None
    good, anomalous = scene.prediction.logits[:, 20, 30]
    assert (found["good"], found["anomalous"]) == pytest.approx((good, anomalous))
    expected = torch.softmax(torch.tensor([good, anomalous]), 0)[1]
    assert found["probability"] == pytest.approx(float(expected), abs=1e-6)
    assert answers.softmax(replace(scene, pixel=None)) is None
    assert answers.softmax(replace(scene, pixel=(GRID[0], 0))) is None


def test_the_masks_numbers_follow_the_sensitivity(home: Path) -> None:
    low, high = (answers.mask(scene_of(home, DEFECT, rule=LiveSettings(sensitivity))) for sensitivity in (0.5, 0.9))
    assert low is not None
    assert high is not None
    assert (low["high_hits"], low["high_false"]) == (high["hits"], high["false"])
    assert high["hits"] >= low["hits"]


def test_cost_of_half_a_defect() -> None:
    """Median of the defect's 0.2, 0.4, 0.6 is 0.4; two good pixels reach it."""
    where = np.array([[1, 1, 1, 0, 0, 0]], bool)
    assert answers._cost_of_half(np.array([[0.2, 0.4, 0.6, 0.4, 0.5, 0.3]]), where) == 2


def test_without_a_defect_there_is_nothing_to_tell(home: Path) -> None:
    scene = scene_of(home, GOOD)
    without: tuple[Callable[[InsideScene], object], ...] = (
        answers.reconstruction, answers.difference, answers.mask, answers.paint, answers.limit,
    )  # fmt: skip
    assert [tell(scene) for tell in without] == [None] * 5
    assert answers.defect(replace(scene, good=None)) is None
    clean = synthetic_scene(home, replace(SYNTHETIC_STEPS[0].settings, coin="clean"))
    assert (answers.noise(clean), answers.blend(clean), answers.faint(clean)) == (None, None, None)


def test_a_faint_sample_is_told_beside_the_same_one_as_it_was_drawn(home: Path) -> None:
    drawn = SyntheticSettings.joined(LiveSettings(), SYNTHETIC_STEPS[0].settings.selection, SampleOverrides())
    found = answers.faint(synthetic_scene(home, replace(drawn, beta=0.9)))
    plain = answers.blend(synthetic_scene(home, drawn))
    assert found is not None
    assert plain is not None
    assert found["beta"] == pytest.approx(0.9)
    assert found["texture"] == pytest.approx(0.1)
    assert (found["before_score"], found["before_beta"]) == (plain["score"], plain["beta"])


# --- the prepared stroke --------------------------------------------------------------------------------------------


def test_a_prepared_stroke_is_what_a_browser_would_send() -> None:
    pixels = np.zeros((*PICTURE, 3), np.uint8)
    answer = painted(Stroke("#ff8000", 0.1, ((0.2, 0.5), (0.8, 0.5))), pixels, "it")
    painting = read_painting(answer, "it", layer_size(pixels))
    assert painting.layer is not None
    assert painting.strokes == tuple(answer["strokes"])  # type: ignore[arg-type]
    np.testing.assert_array_equal(painting.layer[45, 60], [255, 128, 0, 255])
    width = PICTURE[1]
    thick = 0.1 * width
    area = 0.6 * width * thick + np.pi * thick**2 / 4  # a bar with round ends
    assert painting.layer[..., 3].sum() / 255 == pytest.approx(area, rel=0.06)


# --- the page -------------------------------------------------------------------------------------------------------


def page(lesson: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page("pages/4_Inside.py")
    at.query_params.update({"lesson": lesson, **query})
    return at.run()


def card(at: AppTest) -> dict:
    """The data of the lesson's panel."""
    mounted = [one for one in at.get("bidi_component") if one.proto.component_name.endswith("draem_lesson")]
    return json.loads(mounted[0].proto.json) if mounted else {}


def test_a_link_opens_a_step_with_its_picture_and_stage(home: Path) -> None:
    at = page("4")
    assert not at.exception
    assert not at.error
    shown = card(at)
    assert (shown["step"], shown["count"], shown["answer"]) == (4, len(STEPS), None)
    link = {name: "".join(value) for name, value in at.query_params.items()}
    assert link["lesson"] == "4"
    assert link["image"] == STEPS[3].picture
    assert link["stage"] == "difference"


def test_the_answer_is_told_when_asked_for_and_the_link_wins_over_what_was_chosen(home: Path) -> None:
    at = page("2", image="test/good/007.png", stage="logits", sensitivity="0.1")
    assert "".join(at.query_params["image"]) == DEFECT
    assert "sensitivity" not in at.query_params
    assert card(at)["answer"] is None
    at.session_state["_lesson_answered"] = 2
    told = card(at.run())["answer"]
    expected = Predictor(load_checkpoint(home / CHECKPOINT), device="cpu").predict(read_image(home / DATASET / DEFECT))
    assert f"{expected.image_score:.3f}" in told
    at.query_params["lesson"] = "3"
    shown = card(at.run())
    assert (shown["step"], shown["answer"]) == (3, None)


def test_the_lesson_speaks_chinese(home: Path) -> None:
    shown = card(page("1", lang="zh-Hant"))
    assert shown["title"] == LANGUAGES["zh-Hant"].texts["lesson.step.good.title"]
    assert shown["words"]["ask"] == "顯示答案"


@pytest.mark.parametrize("wrong", ["0", "99", "-1", "two", "²", ""])
def test_a_wrong_step_is_no_lesson(home: Path, wrong: str) -> None:
    at = page(wrong)
    assert not at.exception
    assert card(at) == {}


def test_without_the_demo_the_page_says_what_to_do(tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAEM_HOME", str(tiny_home))
    library.checkpoint_files.clear()
    library.dataset_folders.clear()
    at = page("3")
    assert not at.exception
    assert card(at) == {}
    told = " ".join(one.value for one in at.warning)
    assert CHECKPOINT in told
    assert DATASET in told
    assert "python -m draem_core demo" in told
