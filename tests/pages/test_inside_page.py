"""The Inside page without a browser: what it sends, what paint does to the picture, and what is refused."""

import base64
import io
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from payloads import sent, unpack
from PIL import Image
from streamlit.testing.v1 import AppTest
from tiny_home import FIRST_DEFECT, GRID, PICTURE, predict

from draem_core import Predictor, load_checkpoint, metrics, read_image
from draem_core.data.datasets import open_dataset, read_mask
from draem_core.errors import Cancelled
from draem_core.inside.ablations import Ablations, difference_map, predict_ablated
from draem_core.inside.over_dataset import ABLATED, AS_IT_IS, DIFFERENCE, compare_over_dataset
from draem_core.inside.stages import trace
from pages._ui.common import library
from pages._ui.common.jobs import Jobs
from pages._ui.components.inside_view.brushes import Brushes, make_brushes
from pages._ui.components.inside_view.painting import LAYER_SIDE, Painting, layer_size, read_painting
from pages._ui.components.inside_view.payload import pack
from pages._ui.components.inside_view.settings import InsideSettings, StageSelection
from pages._ui.components.inside_view.view import InsideView
from pages._ui.components.inside_view.words import words_of
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.frame.shell import Workspace
from pages._ui.inside import views
from pages._ui.inside.auroc import _files

ROOT = Path(__file__).resolve().parents[2]
ALPHA, TILES = "checkpoints/alpha.safetensors", "datasets/tiles"
NO_BRUSHES = Brushes({}, ())


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    shutil.copytree(tiny_home, folder)
    monkeypatch.setenv("DRAEM_HOME", str(folder))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield folder
    st.cache_data.clear()
    st.cache_resource.clear()


def view_of(home: Path, painting: Painting, rule: LiveSettings | None = None) -> InsideView:
    checkpoint = home / ALPHA
    dataset = open_dataset(home / TILES)
    workspace = Workspace(checkpoint, Predictor(load_checkpoint(checkpoint), device="cpu"), "cpu", "auto", dataset)
    sample = next(one for one in dataset.samples if one.name == FIRST_DEFECT)
    return views.compute_view(workspace, library.dataset_picture(sample), painting, rule or LiveSettings())


def painted_square(size: tuple[int, int] = PICTURE) -> Painting:
    """A black square, 20 × 20 pixels of the layer, opaque."""
    layer = np.zeros((*size, 4), np.uint8)
    layer[10:30, 40:60, 3] = 255
    return Painting(layer, stroke=3)


# --- the page -------------------------------------------------------------------------------------------------------


def test_first_visit_and_a_link(home: Path) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page("pages/4_Inside.py")
    at.query_params.update({"stage": "logits", "row": "5", "column": "7", "sensitivity": "0.25", "kernel_size": "1"})
    at.run()
    assert not at.exception
    assert not at.error
    facts, _ = unpack(sent(at, "draem_inside"))
    expected = predict(home, "alpha", FIRST_DEFECT)
    assert facts["title"] == FIRST_DEFECT
    assert facts["score"] == pytest.approx(expected.image_score, abs=1e-3)
    assert facts["opened"] == {"stage": "logits", "channels": facts["opened"]["channels"]}
    assert sorted(facts["opened"]["channels"]) == [0, 1]
    assert facts["pixel"]["values"]["logits"] == pytest.approx(expected.logits[:, 5, 7], abs=0.05)
    link = {name: "".join(at.query_params[name]) for name in ("image", "stage", "row", "sensitivity")}
    assert link == {"image": FIRST_DEFECT, "stage": "logits", "row": "5", "sensitivity": "0.25"}
    assert "Without the discriminator" in "".join(one.value for one in at.markdown)


@pytest.mark.parametrize(("asked", "shown"), [("900", 900), ("1000000", GRID[0] * GRID[1])])
def test_a_links_minimum_area_is_taken_up_to_the_whole_map(home: Path, asked: str, shown: int) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page("pages/4_Inside.py")
    at.query_params.update({"min_area": asked})
    at.run()
    assert at.number_input(key="inside_area").value == shown
    assert "".join(at.query_params["min_area"]) == str(shown)


def test_wrong_links_are_passed_over() -> None:
    with pytest.raises(ValueError, match="row is -2"):
        InsideSettings(row=-2)
    assert InsideSettings.joined(LiveSettings(0.25), StageSelection("logits", 1, 2, 3)) == InsideSettings(
        sensitivity=0.25, stage="logits", channel=1, row=2, column=3
    )


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_cards_tell_the_traces_own_numbers(home: Path) -> None:
    view = view_of(home, Painting())
    facts, _ = unpack(pack(view, StageSelection("discriminative.encoder.block3", row=9, column=20), NO_BRUSHES, 0))
    traced = trace(Predictor(load_checkpoint(home / ALPHA), device="cpu"), view.pixels)
    cards = {card["name"]: card for card in facts["stages"]}
    for stage in traced.stages:
        assert tuple(cards[stage.name]["shape"]) == stage.shape
        assert tuple(cards[stage.name]["range"]) == stage.range
    here = traced.stage("discriminative.encoder.block3").tensor[cards["discriminative.encoder.block3"]["channel"], 2, 5]
    assert facts["pixel"]["values"]["discriminative.encoder.block3"] == [float(here)]
    assert facts["pixel"]["cell"] == [2, 5]
    softmax = facts["pixel"]["softmax"]
    assert softmax["probability"] == pytest.approx(float(traced.prediction.anomaly_map[9, 20]), abs=1e-6)
    assert facts["flagged"] == view.rule.apply(traced.prediction.anomaly_map).sum()
    assert list(cards)[-4:] == ["above_threshold", "opened", "pred_mask", "window_mean"]


def test_pictures_are_indices_into_the_stages_colours(home: Path) -> None:
    view = view_of(home, Painting())
    facts, arrays = unpack(pack(view, StageSelection(), NO_BRUSHES, 0))
    expected = np.minimum(255, (view.trace.prediction.anomaly_map * 256).astype(int))
    np.testing.assert_array_equal(arrays["stage anomaly_map"], expected)
    assert arrays["picture"].shape == (*view.pixels.shape[:2], 3)
    stages = [f"stage {card['name']}" for card in facts["stages"]]
    assert list(arrays) == ["picture", *stages, *(f"channel {one}" for one in facts["opened"]["channels"])]


def test_a_pixel_outside_and_a_strange_stage_are_no_harm(home: Path) -> None:
    view = view_of(home, Painting())
    facts, _ = unpack(pack(view, StageSelection("nonsense", 99, 10_000, 0), NO_BRUSHES, 0))
    assert facts["pixel"] is None
    assert facts["opened"]["stage"] == "anomaly_map"


def test_every_stage_has_its_words(home: Path) -> None:
    for stage in view_of(home, Painting()).stages:
        words = words_of(stage.name)
        assert words.title
        assert words.sentence.endswith(".")


# --- paint ----------------------------------------------------------------------------------------------------------


def test_paint_changes_the_picture_where_it_is_and_the_map(home: Path) -> None:
    plain, painted = view_of(home, Painting()), view_of(home, painted_square())
    assert plain.painted is plain.pixels
    assert (painted.painted[10:30, 40:60] == 0).all()
    outside = np.ones(PICTURE, bool)
    outside[10:30, 40:60] = False
    np.testing.assert_array_equal(painted.painted[outside], painted.pixels[outside])
    assert painted.trace.prediction.image_score != plain.trace.prediction.image_score
    np.testing.assert_array_equal(painted.clean, plain.trace.prediction.image)
    assert painted.truth.shape == GRID
    assert painted.truth.sum() == pytest.approx(20 * 20 * GRID[0] * GRID[1] / (PICTURE[0] * PICTURE[1]), rel=0.15)
    assert not plain.truth.any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (512, 511), (3000, 1000)])
def test_layer_is_as_large_as_the_picture_up_to_a_limit(size: tuple[int, int]) -> None:
    height, width = layer_size(np.zeros((*size, 3), np.uint8))
    assert 1 <= min(height, width) <= max(height, width) <= LAYER_SIDE
    if max(size) <= LAYER_SIDE:
        assert (height, width) == size
    on = Painting(np.full((height, width, 4), 255, np.uint8)).on(np.zeros((*size, 3), np.uint8))
    assert on.shape == (*size, 3)
    assert (on == 255).all()


def test_strokes_come_back_for_the_browser_to_draw_and_undo() -> None:
    strokes = [{"tool": "brush", "size": 3, "points": [[1, 2]]}, {"tool": "clear", "points": []}]
    answer = {"of": "picture", "layer": "", "stroke": 2, "strokes": strokes}
    assert read_painting(answer, "picture", PICTURE).strokes == tuple(strokes)
    assert read_painting(answer, "another", PICTURE).strokes == ()
    assert read_painting(answer | {"strokes": "text"}, "picture", PICTURE).strokes == ()


def as_url(layer: np.ndarray, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.fromarray(layer).save(buffer, kind)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_a_layer_comes_back_from_the_browser() -> None:
    layer = painted_square().layer
    assert layer is not None
    read = read_painting({"of": "picture", "layer": as_url(layer), "stroke": 3}, "picture", PICTURE)
    assert read.stroke == 3
    assert read.layer is not None
    np.testing.assert_array_equal(read.layer, layer)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        {},
        {"of": "another", "layer": as_url(np.full((*PICTURE, 4), 255, np.uint8)), "stroke": 1},
        {"of": "picture", "layer": as_url(np.full((5, 5, 4), 255, np.uint8)), "stroke": 1},
        {"of": "picture", "layer": as_url(np.full((*PICTURE, 3), 255, np.uint8), "BMP"), "stroke": 1},
        {"of": "picture", "layer": "data:image/png;base64,####", "stroke": 1},
        {"of": "picture", "layer": "data:image/png;base64,aGVsbG8=", "stroke": math.inf},
        {"of": "picture", "layer": 5, "stroke": "x"},
        {"of": "picture", "layer": as_url(np.zeros((*PICTURE, 4), np.uint8)), "stroke": 1},
    ],
)
def test_what_is_no_layer_of_this_picture_paints_nothing(answer: object) -> None:
    read = read_painting(answer, "picture", PICTURE)
    assert read.layer is None
    assert read.digest == ""


def test_brushes_are_small_and_always_the_same() -> None:
    brushes = make_brushes()
    assert brushes == make_brushes()
    assert len(brushes.shapes) == 6
    assert sum(map(len, (*brushes.textures.values(), *brushes.shapes))) < 200_000


# --- over the dataset -----------------------------------------------------------------------------------------------


def test_aurocs_over_the_dataset(home: Path) -> None:
    predictor = Predictor(load_checkpoint(home / ALPHA), device="cpu")
    samples = open_dataset(home / TILES).test
    steps: list[tuple[int, int]] = []
    found = compare_over_dataset(
        predictor, samples, Ablations("swapped"), on_progress=lambda done, total: steps.append((done, total))
    )
    predictions = [predictor.predict(read_image(one.path)) for one in samples]
    labels = np.array([one.label for one in samples])
    truths = [mask for one in samples if (mask := read_mask(one, GRID)) is not None]
    maps = {
        AS_IT_IS: [one.anomaly_map for one in predictions],
        DIFFERENCE: [np.clip(difference_map(one), 0, 1) for one in predictions],
    }
    assert set(found.metrics) == {AS_IT_IS, DIFFERENCE, ABLATED}
    assert steps[-1] == (len(samples), len(samples))
    for name, of_name in maps.items():
        scores = np.array([one.max() for one in of_name])
        assert found.metrics[name].image_auroc == pytest.approx(metrics.image_auroc(scores, labels))
        assert found.metrics[name].pixel_auroc == pytest.approx(metrics.pixel_auroc(of_name, truths), abs=1e-3)
    with pytest.raises(Cancelled, match="after 0 of"):
        compare_over_dataset(predictor, samples, cancelled=lambda: True)


def test_a_comparison_outlives_the_opening_of_its_dataset_and_not_a_change_of_a_picture(home: Path) -> None:
    once, again = (_files(open_dataset(home / "datasets" / "tiles")) for _ in range(2))
    jobs: Jobs[int] = Jobs()
    job = jobs.start("key", once, lambda progress: 1)
    assert job.wait(120)
    assert jobs.get("key", again) is job
    os.utime(open_dataset(home / "datasets" / "tiles").test[0].path, (1, 1))
    assert jobs.get("key", _files(open_dataset(home / "datasets" / "tiles"))) is None


def test_aurocs_by_another_predictor(home: Path) -> None:
    """The page passes the same checkpoint in another precision; another checkpoint's metrics are easier to tell."""
    plain, other = (Predictor(load_checkpoint(home / f"checkpoints/{name}.safetensors")) for name in ("alpha", "beta"))
    samples = open_dataset(home / TILES).test
    found = compare_over_dataset(plain, samples, Ablations("image_twice"), ablated_predictor=other).metrics
    maps = [predict_ablated(other, read_image(one.path), Ablations("image_twice")).anomaly_map for one in samples]
    truths = [mask for one in samples if (mask := read_mask(one, GRID)) is not None]
    assert found[ABLATED].pixel_auroc == pytest.approx(metrics.pixel_auroc(maps, truths), abs=1e-3)
    assert abs(found[ABLATED].pixel_auroc - found[AS_IT_IS].pixel_auroc) > 0.01
    assert found[AS_IT_IS] == compare_over_dataset(plain, samples).metrics[AS_IT_IS]
    assert ABLATED in compare_over_dataset(plain, samples[:2], ablated_predictor=other).metrics
