"""The Synthetic page without a browser: what it sends, what a link reproduces, and what it says where things lack."""

import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from payloads import sent, unpack
from PIL import Image
from streamlit.testing.v1 import AppTest
from tiny_home import GRID, PICTURE, predict

from draem_core import Predictor, load_checkpoint, metrics, read_image
from draem_core.data.datasets import open_dataset
from draem_core.data.textures import load_textures
from draem_core.inference.resize import resize_picture
from draem_core.synthesis import synthesise
from draem_core.synthesis.sample import ROTATE_SHARE, SampleOverrides, make_sample
from pages._ui.common import library
from pages._ui.components.mask_areas import histogram, told
from pages._ui.components.sample_grid import shrunk
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.components.synthetic_view import SyntheticSettings, SyntheticView
from pages._ui.components.synthetic_view.drawings import OUTLINE, arrows, outlined, rectangle
from pages._ui.components.synthetic_view.payload import cards_of, pack
from pages._ui.components.synthetic_view.pixel import follow
from pages._ui.components.synthetic_view.settings import FIRST_SEED, SampleSelection, read
from pages._ui.frame.shell import Workspace
from pages._ui.synthetic import views

ROOT = Path(__file__).resolve().parents[2]
ALPHA, TILES = "checkpoints/alpha.safetensors", "datasets/tiles"
GOOD_PICTURE = "test/good/000.png"
TEXTURE_STAGES = (
    *("good", "gradients", "noise", "rotation", "threshold", "mask"),
    *("texture", "change_1", "change_2", "change_3", "beta", "blend"),
)
PATCH_STAGES = ("good", "cut_from", "patch", "recolour", "paste_to", "mask", "paste")
NETWORK_STAGES = ("reconstruction", "anomaly_map", "pred_mask", "comparison")


@pytest.fixture(scope="module")
def shared(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the home that tests read and do not change, so that what is cached of it stays good."""
    return Path(shutil.copytree(tiny_home, tmp_path_factory.mktemp("synthetic") / "home"))


@pytest.fixture
def home(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAEM_HOME", str(shared))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    return shared


@pytest.fixture
def own_home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    shutil.copytree(tiny_home, folder)
    monkeypatch.setenv("DRAEM_HOME", str(folder))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    st.cache_data.clear()
    yield folder
    st.cache_data.clear()


@pytest.fixture(scope="module", autouse=True)
def fresh_caches() -> Iterator[None]:
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def page(**link: object) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page("pages/5_Synthetic.py")
    at.query_params.update({name: str(value) for name, value in link.items()})
    return at.run()


def shown(at: AppTest, component: str = "draem_synthetic") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return unpack(sent(at, component))


def address(at: AppTest) -> dict[str, str]:
    return {name: "".join(at.query_params[name]) for name in at.query_params}


def view_of(home: Path, **changes: Any) -> SyntheticView:
    predictor = library.predictor(home / ALPHA, "cpu", "float32")
    workspace = Workspace(home / ALPHA, predictor, "cpu", "float32", open_dataset(home / TILES))
    sample = next(one for one in open_dataset(home / TILES).samples if one.name == GOOD_PICTURE)
    return views.compute_view(workspace, library.dataset_picture(sample), SyntheticSettings(**changes))


def good_image(home: Path) -> torch.Tensor:
    pixels = resize_picture(read_image(home / TILES / GOOD_PICTURE), GRID, "bilinear_antialias")
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


# --- the page -------------------------------------------------------------------------------------------------------


def test_first_visit_shows_an_anomaly_on_a_good_picture_and_all_its_stages(home: Path) -> None:
    at = page()
    assert not at.exception
    assert not at.error
    assert not at.warning
    facts, _ = shown(at)
    assert tuple(card["key"] for card in facts["cards"]) == (*TEXTURE_STAGES, *NETWORK_STAGES)
    assert facts["answer"]["seed"] == FIRST_SEED
    assert facts["title"] == GOOD_PICTURE
    assert not facts["is_clean"]
    assert address(at)["image"] == GOOD_PICTURE


def test_a_link_reproduces_the_sample(home: Path) -> None:
    asked = {"seed": 8, "coin": "painted", "scale_x": 8, "beta": 0.25, "step": "noise", "change_2": "invert"}
    at = page(**asked)
    assert not at.exception
    facts, arrays = shown(at)
    assert {name: facts["answer"][name] for name in asked} == asked
    assert {name: address(at)[name] for name in asked} == {name: str(value) for name, value in asked.items()}
    assert list(facts["by_hand"]) == ["coin", "scale_x", "change_2", "beta"]
    hand = SampleOverrides(coin="painted", scale_x=8, beta=0.25, change_2="invert")
    expected = make_sample(good_image(home), load_textures(None, GRID), 8, "texture", hand)
    np.testing.assert_array_equal(arrays["blend"], (expected.corrupted * 255).round().byte().permute(1, 2, 0).numpy())


def test_what_a_link_asks_wrongly_is_passed_over(home: Path) -> None:
    at = page(seed=-4, kind="nonsense", scale_x=3, beta="much", textures="/etc", angle=12.5, step="nonsense")
    assert not at.exception
    assert "no folder of textures /etc" in at.error[0].value
    at.button[0].click().run()
    assert not at.error
    assert shown(at)[0]["answer"]["textures"] == ""
    at = page(seed=-4, kind="nonsense", scale_x=3, beta="much", angle=12.5, step="nonsense")
    facts, _ = shown(at)
    assert not at.error
    assert facts["answer"]["seed"] == FIRST_SEED
    assert facts["answer"]["kind"] == "texture"
    assert facts["answer"]["angle"] == 12.5
    assert list(facts["by_hand"]) == ["angle"]


def test_a_picture_with_a_defect_is_told_and_left(home: Path) -> None:
    at = page(image="test/scratch/000.png")
    assert "defect of its own" in at.warning[0].value
    at.button[0].click().run()
    assert not at.warning
    assert shown(at)[0]["title"] == GOOD_PICTURE


def test_without_a_dataset_and_without_a_checkpoint_the_next_step_is_told(own_home: Path) -> None:
    shutil.rmtree(own_home / "datasets")
    at = page()
    assert not at.exception
    assert "No dataset found" in at.info[0].value
    assert any("one good picture" in one.value for one in at.caption)
    shutil.rmtree(own_home / "checkpoints")
    st.cache_data.clear()
    at = page()
    assert not at.exception
    assert at.header[0].value == "No checkpoint yet"


def test_in_chinese_every_word_is_there(home: Path) -> None:
    for kind in ("texture", "cutpaste"):
        at = page(lang="zh-Hant", kind=kind, coin="painted")
        assert not at.exception
        facts, _ = shown(at)
        for card in facts["cards"]:
            assert re.search("[\u4e00-\u9fff]", card["title"] + card["sentence"]), card["key"]
    assert "種子" in shown(at, "draem_sample_grid")[0]["told"]


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_cutpaste_has_its_own_stages(home: Path) -> None:
    view = view_of(home, seed=3, kind="cutpaste", coin="painted")
    assert tuple(card.key for card in cards_of(view)) == (*PATCH_STAGES, *NETWORK_STAGES)


def test_a_clean_sample_says_so_and_leaves_undefined_what_is(home: Path) -> None:
    view = view_of(home, seed=3, coin="clean")
    cards = {card.key: card for card in cards_of(view)}
    assert list(cards) == ["good", "mask", "blend", *NETWORK_STAGES]
    assert math.isnan(view.pixel_auroc)
    assert "undefined: no pixel is anomalous" in " ".join(cards["anomaly_map"].facts)
    np.testing.assert_array_equal(cards["blend"].picture, cards["good"].picture)
    assert cards["mask"].facts == ("0 of 6,144 px = 0.00%",)


def test_the_networks_part_is_the_predictors_on_this_picture(home: Path) -> None:
    view = view_of(home, seed=3, coin="painted", sensitivity=0.25, kernel_size=1)
    shown = (view.sample.corrupted * 255).round().byte().permute(1, 2, 0).numpy()
    expected = Predictor(load_checkpoint(home / ALPHA), device="cpu", precision="float32").predict(shown)
    np.testing.assert_array_equal(view.prediction.anomaly_map, expected.anomaly_map)
    truth = view.sample.mask.numpy()
    found = expected.anomaly_map > np.float32(0.75)
    assert view.pixel_auroc == metrics.pixel_auroc([expected.anomaly_map], [truth])
    assert view.counts.iou == pytest.approx((found & truth).sum() / (found | truth).sum())
    facts = " ".join(fact for card in cards_of(view) for fact in card.facts)
    assert f"{view.pixel_auroc:.4f}" in facts
    assert f"IoU {view.counts.iou:.4f}" in facts
    assert f"image score {expected.image_score:.4f}" in facts


def test_both_names_of_beta_are_told(home: Path) -> None:
    beta = next(card for card in cards_of(view_of(home, seed=3, coin="painted", beta=0.35)) if card.key == "beta")
    assert "picture's share β = 0.350" in beta.facts
    assert "texture's share 1 − β = 0.650" in beta.facts


def test_every_control_sets_what_it_names(home: Path) -> None:
    for kind in ("texture", "cutpaste"):
        for card in cards_of(view_of(home, seed=3, kind=kind, coin="painted")):
            for control in card.controls:
                value = {"range": control.low, "steps": 8, "seed": 5, "select": None}[control.kind]
                if control.kind == "select":
                    value = control.values[-1]
                held = read({control.name: value}, LiveSettings())
                assert getattr(held, control.name) == value
                moved = {
                    one.name: one
                    for other in cards_of(view_of(home, seed=3, kind=kind, coin="painted", **{control.name: value}))
                    for one in other.controls
                }[control.name]
                assert moved.by_hand == (value != "")
                assert moved.value == pytest.approx(value) if isinstance(value, float) else moved.value == value


def test_a_folder_of_textures_is_offered_and_used(own_home: Path) -> None:
    folder = own_home / "datasets" / "red"
    folder.mkdir()
    Image.new("RGB", (20, 20), (255, 0, 0)).save(folder / "red.png")
    view = view_of(own_home, seed=3, coin="painted", textures="datasets/red")
    assert "datasets/red" in view.sources.folders
    source = next(card for card in cards_of(view) if card.key == "texture").picture
    assert (source == (255, 0, 0)).all()


def test_the_payload_carries_orders_and_clicks(home: Path) -> None:
    facts, arrays = unpack(pack(view_of(home), revision=4, click=9))
    assert (facts["revision"], facts["click"]) == (4, 9)
    assert list(arrays) == [card["key"] for card in facts["cards"] if card["has_picture"]]


# --- the sample grid --------------------------------------------------------------------------------------------


def test_the_wall_hangs_what_training_makes_of_each_seed(home: Path) -> None:
    at = page(seed=30)
    facts, arrays = shown(at, "draem_sample_grid")
    assert facts["first"] == 24
    assert len(facts["labels"]) == 24
    textures = load_textures(None, GRID)
    for place in (0, 6, 23):
        seed = 24 + place
        generator = torch.Generator().manual_seed(seed)
        batch = synthesise(good_image(home)[None], textures, generator, rotate_share=ROTATE_SHARE)
        mask = batch.anomaly_mask[0, 0].numpy() > 0
        expected = (batch.corrupted[0] * 255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(arrays["pictures"][place], outlined(expected, mask))
        assert facts["labels"][place] in ("clean", f"{mask.mean():.1%}")


def test_areas_in_bars_and_words() -> None:
    facts = told(np.array([0.0, 0.0, 0.01, 0.2]), 0.1)
    assert "less than 0.50% of the pixels; 50.0% are empty" in facts["told"]
    assert "75.0% of all training samples" in facts["told"], "half are drawn clean, and half of the others"
    counts, ends = histogram(np.array([0.0, 0.0, 0.011, 0.2]))
    assert sum(counts) == 4
    assert counts[0] == 2
    assert ends[0] == 0
    assert ends[-1] == pytest.approx(0.2)


def test_a_thumbnail_is_small_and_keeps_its_shape() -> None:
    sample = make_sample(torch.rand(3, 256, 512), torch.zeros(1, 3, 256, 512, dtype=torch.uint8), 3, "texture")
    assert shrunk(sample).picture.shape == (64, 128, 3)


# --- drawings -------------------------------------------------------------------------------------------------------


def test_an_outline_is_the_masks_inner_edge() -> None:
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    drawn = outlined(np.zeros((7, 7, 3), np.uint8), mask)
    edge = mask.copy()
    edge[2:5, 2:5] = False
    np.testing.assert_array_equal((drawn == OUTLINE).all(axis=2), edge)


def test_an_arrow_points_where_its_gradient_points(home: Path) -> None:
    stages = view_of(home, seed=3, coin="painted", scale_x=2, scale_y=1).sample.texture
    assert stages is not None
    draw = stages.draw.noise
    drawn = arrows(draw, (64, 96)).split("M")[1::2]  # each arrow is its shaft, then its head
    assert len(drawn) == 2 * 3
    for row in range(2):
        for column in range(3):
            start, tip = ([float(one) for one in at.split()] for at in drawn[row * 3 + column].split("L"))
            angle = float(draw.directions[0, row * draw.side + column])
            assert start == pytest.approx([column * 48, row * 64])
            assert math.atan2(tip[1] - start[1], tip[0] - start[0]) % (2 * math.pi) == pytest.approx(angle, abs=0.02)


def test_a_rectangle_covers_the_patchs_pixels(home: Path) -> None:
    view = view_of(home, seed=5, kind="cutpaste", coin="painted", piece_height=10, piece_width=20, piece_turn=0.0,
                   to_row=30, to_column=40)  # fmt: skip
    assert view.sample.patch is not None
    draw = view.sample.patch.draw
    assert rectangle(draw, draw.target[0]) == "M30.5 25.5L50.5 25.5L50.5 35.5L30.5 35.5Z"
    assert np.argwhere(view.truth).min(axis=0).tolist() == [25, 30]
    assert np.argwhere(view.truth).max(axis=0).tolist() == [35, 50]


# --- one pixel ------------------------------------------------------------------------------------------------------


def followed(view: SyntheticView) -> dict[str, str]:
    return dict(follow(view) or [])


def test_a_followed_pixel_tells_each_stages_number_and_works_the_blend_out(home: Path) -> None:
    plain = view_of(home, seed=3, coin="painted", beta=0.25)
    row, column = (int(at) for at in np.argwhere(plain.truth)[0])
    view = view_of(home, seed=3, coin="painted", beta=0.25, at_row=row, at_column=column)
    assert view.sample.texture is not None
    told = followed(view)
    assert told["Pixel"] == f"row {row}, column {column}"
    assert "so M = 1" in told["Perlin noise"]
    x = float(view.sample.image[0, row, column])
    t = float(view.sample.texture.steps[-1][0, row, column])
    assert told["β·x + (1 − β)·t"].startswith(f"R: 0.250·{x:.3f} + 0.750·{t:.3f} = {0.25 * x + 0.75 * t:.3f}; G")
    assert f"{view.prediction.anomaly_map[row, column]:.4f}: anomalous and" in told["Anomaly map"]
    good = followed(replace(view, settings=replace(view.settings, at_row=0, at_column=0)))
    assert ("so M = 0" in good["Perlin noise"]) is not bool(view.truth[0, 0])


def test_a_followed_pixel_of_a_patch_tells_where_it_was(home: Path) -> None:
    put = {"piece_turn": 0.0, "from_row": 10, "from_column": 20, "to_row": 30, "to_column": 50, "turn": 0.0}
    view = view_of(home, seed=5, kind="cutpaste", coin="painted", at_row=30, at_column=50, **put)
    colours = ", ".join(f"{float(value):.3f}" for value in good_image(home)[:, 10, 20])
    assert f"shows what was at row 10, column 20, ({colours})" in followed(view)["Mask M"]


def test_no_pixel_is_followed_outside_of_the_picture(home: Path) -> None:
    assert follow(view_of(home, seed=3)) is None
    assert follow(view_of(home, seed=3, at_row=10_000, at_column=0)) is None
    with pytest.raises(ValueError, match="at_row is -2"):
        SampleSelection(at_row=-2)


def test_settings_read_back_as_they_are_written() -> None:
    with pytest.raises(ValueError, match="seed is -1"):
        SampleSelection(seed=-1)
    rule = LiveSettings(0.25)
    settings = SyntheticSettings.joined(
        rule, SampleSelection(5, "cutpaste"), SampleOverrides(to_row=3, brightness=1.25)
    )
    assert read(vars(settings), rule) == settings
    assert (settings.rule, settings.selection.seed, settings.hand.to_row) == (rule, 5, 3)
    assert read({"step": "piece"}, rule).step == "patch"  # the stage's name in earlier links
    assert read({"step": ["piece"]}, rule).step == "['piece']"  # whatever a browser sends


def test_fixture_pictures_are_of_another_size_than_the_grid(home: Path) -> None:
    assert PICTURE != GRID, "or the resize goes untested"
    assert predict(home, "alpha", GOOD_PICTURE).anomaly_map.shape == GRID
