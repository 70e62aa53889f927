"""anomalib's files of every version: thresholds with their meaning, pre-processing followed or refused."""

import json
from hashlib import blake2b

import numpy as np
import pytest
import torch
from test_checkpoints import lightning, network, prefixed, refused, resize
from torch.nn import functional as F

from draem_core import PostProcess, Predictor, load_checkpoint
from draem_core.apply import open_recipe
from draem_core.errors import RecipeError
from draem_core.evaluation.calibration import normalised_image, normalised_pixel
from draem_core.inference import network_input
from draem_core.inference.resize import resize_picture
from draem_core.inside.ablations import Ablations, predict_ablated
from draem_core.inside.stages import trace
from draem_core.recipe import Computation, Recipe, check_card, load_recipe, recipe_json, save_recipe
from draem_core.scoring.keys import network_key
from draem_core.training.build import new_network
from draem_core.training.config import ConfigError, TrainConfig
from draem_core.types import Calibration

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def saved(path, calibration, prefix=""):
    """Write a state dict as anomalib before 2.0 had it and return its card."""
    values = {prefix + name: torch.tensor(value) for name, value in calibration.items()}
    torch.save({"state_dict": prefixed(network().state_dict(), f"{prefix}model.") | values, "epoch": 9}, path)
    return load_checkpoint(path).card


OF_0 = {
    "image_threshold.value": 0.75,
    "pixel_threshold.value": 0.5,
    "normalization_metrics.min": 0.25,
    "normalization_metrics.max": 1.25,
}
OF_1_2 = {
    "image_threshold.value": 0.75,
    "pixel_threshold.value": 0.5,
    "normalization_metrics.anomaly_maps.min": 0.25,
    "normalization_metrics.anomaly_maps.max": 1.25,
    "normalization_metrics.box_scores.min": 9.0,
    "normalization_metrics.pred_scores.min": 0.5,
    "normalization_metrics.pred_scores.max": 1.0,
}


@pytest.mark.parametrize("prefix", ["", "module.", "lit."])
def test_one_range_of_0_and_1_counts_for_maps_and_scores(tmp_path, prefix):
    calibration = saved(tmp_path / "old.ckpt", OF_0, prefix).calibration
    assert calibration == Calibration(
        image_threshold=0.75, image_min=0.25, image_max=1.25, pixel_threshold=0.5, pixel_min=0.25, pixel_max=1.25
    )
    # (0.625 − 0.5) / (1.25 − 0.25) + 0.5 and (0.625 − 0.75) / 1 + 0.5
    assert (normalised_pixel(0.625, calibration), normalised_image(0.625, calibration)) == (0.625, 0.375)


def test_the_ranges_of_1_2_are_apart(tmp_path):
    card = saved(tmp_path / "old.ckpt", OF_1_2)
    assert card.calibration == Calibration(
        image_threshold=0.75, image_min=0.5, image_max=1.0, pixel_threshold=0.5, pixel_min=0.25, pixel_max=1.25
    )
    assert card.notes == ()  # 1.2 did not normalise DRAEM's input


def test_a_range_that_was_never_measured_is_none(tmp_path):
    never = {"normalization_metrics.min": float("inf"), "normalization_metrics.max": float("-inf")}
    assert saved(tmp_path / "old.ckpt", OF_0 | never).calibration == Calibration(
        image_threshold=0.75, pixel_threshold=0.5
    )


def test_thresholds_on_standardised_scores_are_no_raw_ones(tmp_path):
    cdf = {"image_threshold.value": 0.75, "normalization_metrics.image_mean": 0.5}
    card = saved(tmp_path / "old.ckpt", cdf)
    assert card.calibration is None
    assert any("standardised" in note for note in card.notes)


def test_old_files_may_have_been_normalised_which_a_card_can_say(tmp_path):
    path = tmp_path / "old.ckpt"
    card = saved(path, OF_0)
    assert "normalisation" in card.assumed
    assert any("up to 1.1" in note for note in card.notes)
    normalisation = {"mean": IMAGENET["mean"], "deviation": IMAGENET["std"]}
    path.with_suffix(".json").write_text(json.dumps({"normalisation": normalisation}))
    card = load_checkpoint(path).card
    assert card.normalisation.deviation == (0.229, 0.224, 0.225)
    assert "normalisation" not in card.assumed
    assert card.notes == ()


@pytest.mark.parametrize("value", [torch.empty(2), torch.tensor(1), torch.empty((), device="meta")])
def test_a_threshold_that_is_no_number_is_none(tmp_path, value):
    content = lightning(network())
    content["state_dict"]["post_processor._pixel_threshold"] = value
    torch.save(content, tmp_path / "model.ckpt")
    assert load_checkpoint(tmp_path / "model.ckpt").card.calibration is None


# ---------------------------------------------------------------- the stored pre-processor


def step(kind, **settings):
    return {"class_path": f"torchvision.transforms.v2.{kind}", "init_args": settings}


def opened(tmp_path, *steps):
    torch.save(lightning(network(), steps), tmp_path / "model.ckpt")
    return load_checkpoint(tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    ("mode", "antialias", "expected"),
    [("bicubic", True, "bicubic_antialias"), ("bicubic", False, "bicubic"), ("bilinear", True, "bilinear_antialias")],
)
def test_the_stored_filter_is_taken(tmp_path, mode, antialias, expected):
    card = opened(tmp_path, step("Resize", size=[64, 96], interpolation=mode, antialias=antialias)).card
    assert (card.input_size, card.resize_filter) == ((64, 96), expected)
    assert not {"input_size", "resize_filter"} & set(card.assumed)


@pytest.mark.parametrize("settings", [{"size": 320}, {"size": [320]}, {"size": None, "max_size": 320}])
def test_one_side_is_taken_for_a_square_and_said(tmp_path, settings):
    card = opened(tmp_path, step("Resize", interpolation="bilinear", antialias=True, **settings)).card
    assert card.input_size == (320, 320)
    assert "input_size" in card.assumed
    assert "resize_filter" not in card.assumed
    assert "320" in card.notes[0]
    assert "square" in card.notes[0]
    (tmp_path / "model.json").write_text('{"input_size": [320, 480]}')
    card = load_checkpoint(tmp_path / "model.ckpt").card
    assert (card.input_size, card.notes) == ((320, 480), ())
    assert "input_size" not in card.assumed


@pytest.mark.parametrize(
    ("steps", "phrase"),
    [
        ([step("CenterCrop", size=[224, 224])], "CenterCrop"),
        ([step("Resize", size=[64, 64], interpolation="nearest")], "nearest"),
        ([resize([64, 64], True), resize([32, 32], True)], "Resize twice"),
        ([step("Normalize", mean=[0.5], std=[0.0])], "deviation"),
        ([step("Normalize", mean=[float("nan")] * 3, std=[1.0] * 3)], "mean"),
        ([step("Normalize", mean=[0.5, 0.5], std=[1.0, 1.0])], "mean and std"),
        ([step("Resize", size="big")], "input_size"),
        ([step("Compose", transforms=[resize([64, 64], True)] * 101)], "twice"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path, steps, phrase):
    torch.save(lightning(network(), steps), tmp_path / "model.ckpt")
    refused(tmp_path / "model.ckpt", phrase)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_normalised_pictures_give_the_pipelines_map(tiny_home, tmp_path, order):
    """anomalib's own steps by hand: float in [0, 1], resize, (x − mean) / std, then the network."""
    model = load_checkpoint(tiny_home / "checkpoints" / "alpha.safetensors").model
    steps = [step("Compose", transforms=[resize([64, 96], True)]), step("Normalize", inplace=False, **IMAGENET)]
    torch.save(lightning(model, steps), tmp_path / "model.ckpt")
    checkpoint = load_checkpoint(tmp_path / "model.ckpt")
    if order == "BGR":
        (tmp_path / "model.json").write_text('{"color_order": "BGR"}')
        checkpoint = load_checkpoint(tmp_path / "model.ckpt")
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    resized = F.interpolate(pixels, (64, 96), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(IMAGENET[name])[:, None, None] for name in ("mean", "std"))
    swap = [2, 1, 0] if order == "BGR" else [0, 1, 2]
    seen = ((resized - mean) / std)[:, swap]
    with torch.inference_mode():
        reconstruction, logits = checkpoint.model(seen)
    prediction = Predictor(checkpoint, device="cpu", precision="float32").predict(picture)

    assert torch.equal(network_input(checkpoint.card, prediction.image), seen), "the same to the bit"
    # folded batch-norm rounds otherwise: 2e-5 was seen
    np.testing.assert_allclose(prediction.anomaly_map, logits.softmax(1)[0, 1].numpy(), atol=1e-3)
    np.testing.assert_allclose(prediction.image, resized[0].permute(1, 2, 0).numpy(), atol=1e-6)
    turned_back = reconstruction[:, swap] * std + mean
    np.testing.assert_allclose(prediction.reconstruction, turned_back[0].permute(1, 2, 0).numpy(), atol=1e-4)
    with torch.inference_mode():
        _, plain = checkpoint.model(resized[:, swap])
    assert np.abs(prediction.anomaly_map - plain.softmax(1)[0, 1].numpy()).max() > 0.05, "without it the map differs"


def test_a_normalised_networks_stages_ablations_and_recipe_follow(tiny_home, tmp_path):
    model = load_checkpoint(tiny_home / "checkpoints" / "alpha.safetensors").model
    steps = [resize([64, 96], True), step("Normalize", **IMAGENET)]
    torch.save(lightning(model, steps), tmp_path / "model.ckpt")
    checkpoint = load_checkpoint(tmp_path / "model.ckpt")
    predictor = Predictor(checkpoint, device="cpu", precision="float32")
    picture = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    prediction = predictor.predict(picture)

    traced = trace(predictor, picture)
    np.testing.assert_array_equal(traced.prediction.anomaly_map, prediction.anomaly_map)
    joined = traced.stage("joined").tensor.float().numpy()
    expected = checkpoint.card.normalisation.apply(prediction.image).transpose(2, 0, 1)
    np.testing.assert_allclose(joined[:3], expected, atol=1e-6)
    np.testing.assert_array_equal(traced.stage("image").tensor.numpy(), prediction.image.transpose(2, 0, 1))
    swapped = predict_ablated(predictor, picture, Ablations(pair="image_twice"))
    assert not np.array_equal(swapped.anomaly_map, prediction.anomaly_map)

    recipe = Recipe.of(
        checkpoint.card, PostProcess(0.5, 3), Computation(device="cpu", asked="float32", precision="float32")
    )
    again = load_recipe(save_recipe(recipe, tmp_path / "recipe.json"))
    assert again.checkpoint.normalisation == checkpoint.card.normalisation
    check_card(again, checkpoint.card)
    with pytest.raises(RecipeError, match="normalisation"):
        check_card(again, checkpoint.card.model_copy(update={"normalisation": None}))
    opened = open_recipe(again, tmp_path / "model.ckpt")
    np.testing.assert_array_equal(opened.predictor.predict(picture).anomaly_map, prediction.anomaly_map)
    assert any("normalised by mean 0.485, 0.456, 0.406" in note for note in opened.notes)

    config = TrainConfig(data=tmp_path, out=tmp_path / "run", widths=(8, 4))
    with pytest.raises(ConfigError, match="normalised pictures"):
        new_network(config, torch.device("cpu"), tmp_path / "model.ckpt")


def test_cards_recipes_and_keys_without_normalisation_are_what_they_were(tiny_home):
    checkpoint = load_checkpoint(tiny_home / "checkpoints" / "alpha.safetensors")
    card = checkpoint.card
    assert not {"normalisation", "notes"} & card.model_dump().keys()
    recipe = Recipe.of(card, PostProcess(0.5, 3), Computation(device="cpu", asked="float32", precision="float32"))
    assert b"normalisation" not in recipe_json(recipe)
    predictor = Predictor(checkpoint, device="cpu", precision="float32")
    fields = {"digest", "input_size", "resize_filter", "color_order", "concat_order", "score_rule"}
    before = [1, card.model_dump(mode="json", include=fields), "float32", "cpu"]
    assert network_key(predictor) == blake2b(json.dumps(before, sort_keys=True).encode(), digest_size=16).hexdigest()


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(3, 4), (8, 8), (40, 5)])
def test_bicubic_is_torchs_on_floats(size, antialias):
    picture = (np.arange(5 * 7 * 3) * 37 % 256).astype(np.uint8).reshape(5, 7, 3)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    expected = F.interpolate(pixels, size, mode="bicubic", antialias=antialias)[0].permute(1, 2, 0).numpy()
    resized = resize_picture(picture, size, "bicubic_antialias" if antialias else "bicubic")
    np.testing.assert_allclose(resized, expected, atol=1e-6)


def test_bicubic_overshoots_by_hand():
    # doubling with a = −0.75: the place a quarter before a step from 0 to 1 weighs its four neighbours
    # −0.03515625, 0.26171875, 0.87890625, −0.10546875; what lies beyond the step is 1
    line = np.zeros((1, 8, 3), np.uint8)
    line[:, 4:] = 255
    resized = resize_picture(line, (1, 16), "bicubic")[0, :, 0]
    np.testing.assert_allclose(resized[6:10], [-0.10546875, 0.2265625, 0.7734375, 1.10546875], atol=1e-6)


def test_one_number_is_a_square(tmp_path):
    torch.save(network().state_dict(), tmp_path / "tile.pth")
    (tmp_path / "tile.json").write_text('{"input_size": 384}')
    assert load_checkpoint(tmp_path / "tile.pth").card.input_size == (384, 384)
    for nonsense in ("true", "100", "3.5"):
        (tmp_path / "tile.json").write_text(f'{{"input_size": {nonsense}}}')
        with pytest.raises(Exception, match="input_size"):
            load_checkpoint(tmp_path / "tile.pth")
