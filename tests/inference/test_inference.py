"""The Predictor: same numbers as the network by hand, whatever the picture, the batch or the thread."""

import copy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from draem_core import Card, Checkpoint, DraemError, Predictor, load_checkpoint
from draem_core.errors import NonFiniteError
from draem_core.inference import image_score
from draem_core.inference.resize import resize_picture
from draem_core.methods.draem import Draem

GOLDEN = Path(__file__).resolve().parents[3] / "shared/golden"


def checkpoint(**fields) -> Checkpoint:
    torch.manual_seed(0)
    model = Draem((4, 2), concat_order=fields.get("concat_order", "image_first"))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    card = {
        "name": "small",
        "flavour": "ours",
        "widths": (4, 2),
        "input_size": (64, 32),
        "resize_filter": "bilinear_antialias",
        "color_order": "RGB",
        "concat_order": "image_first",
        "score_rule": "max",
    }
    return Checkpoint(model.eval().requires_grad_(False), Card(**card | fields), files=())


def picture(height: int = 64, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(checkpoint(), device="cpu")


def assert_same(found, expected):
    for field in ("image", "reconstruction", "logits", "anomaly_map"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    assert found.image_score == expected.image_score


@pytest.mark.parametrize("color_order", ["RGB", "BGR"])
@pytest.mark.parametrize("concat_order", ["image_first", "reconstruction_first"])
def test_float32_gives_the_networks_own_numbers(color_order, concat_order):
    chosen = checkpoint(color_order=color_order, concat_order=concat_order)
    prediction = Predictor(chosen, "cpu", "float32").predict(picture())
    flip = [2, 1, 0] if color_order == "BGR" else [0, 1, 2]
    image = torch.from_numpy(picture()).float()[..., flip].permute(2, 0, 1)[None] / 255
    reconstruction, logits = chosen.model(image)
    np.testing.assert_array_equal(prediction.image, picture().astype(np.float32) / 255)
    np.testing.assert_allclose(prediction.reconstruction, reconstruction[0, flip].permute(1, 2, 0), atol=1e-4)
    np.testing.assert_allclose(prediction.logits, logits[0], atol=1e-3)
    np.testing.assert_allclose(prediction.anomaly_map, logits.softmax(dim=1)[0, 1], atol=2e-4)
    assert prediction.image_score == prediction.anomaly_map.max()


def test_arrays_are_as_described(predictor):
    prediction = predictor.predict(picture(100, 50))
    assert prediction.image.shape == prediction.reconstruction.shape == (64, 32, 3)
    assert prediction.logits.shape == (2, 64, 32)
    assert prediction.anomaly_map.shape == (64, 32)
    assert {prediction.image.dtype, prediction.reconstruction.dtype, prediction.logits.dtype} == {np.dtype("float32")}
    assert prediction.anomaly_map.dtype == np.float32
    assert isinstance(prediction.image_score, float)


def test_the_card_chooses_the_resize_filter():
    for resize_filter in ("bilinear", "bilinear_antialias"):
        prediction = Predictor(checkpoint(resize_filter=resize_filter), "cpu").predict(picture(150, 90))
        np.testing.assert_array_equal(prediction.image, resize_picture(picture(150, 90), (64, 32), resize_filter))


def test_image_scores_by_hand():
    anomaly_map = torch.zeros(64, 64)
    anomaly_map[0, 0] = 0.882  # in the corner, where the window lies half outside; outside counts as zeros
    assert image_score(anomaly_map, "max") == pytest.approx(0.882)
    assert image_score(anomaly_map, "max_of_mean21") == pytest.approx(0.882 / 441)
    assert image_score(torch.ones(64, 64), "max_of_mean21") == pytest.approx(1.0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_an_error_unless_asked_for(broken):
    made = Predictor(checkpoint(), "cpu", "float32")
    with made.borrow_network() as network:
        hook = network.register_forward_hook(lambda _, __, outputs: (outputs[0], outputs[1] * broken))
        with pytest.raises(NonFiniteError, match=r"gives no finite numbers for part\.png: .*, or float32 is too short"):
            made.predict(picture(), "part.png")
        with pytest.raises(NonFiniteError, match="for this picture"):
            made.predict_batch([picture()])
        (raw,) = made.predict_batch([picture()], check_finite=False)
        assert not np.isfinite(raw.logits).any()
        hook.remove()
    assert np.isfinite(made.predict(picture()).logits).all()


def test_a_batch_changes_nothing_to_the_last_bit(predictor):
    pictures = [picture(64, 32, seed=1), picture(10, 200, seed=2), picture(1, 1, seed=3), picture(64, 32, seed=4)]
    together, backwards = predictor.predict_batch(pictures), predictor.predict_batch(pictures[::-1])[::-1]
    for alone, first, second in zip(map(predictor.predict, pictures), together, backwards, strict=True):
        assert_same(first, alone)
        assert_same(second, alone)
    assert predictor.predict_batch([]) == []


def test_threads_share_one_predictor(predictor):
    pictures = [picture(64, 32, seed=seed) for seed in range(16)]
    serial = predictor.predict_batch(pictures)
    with ThreadPoolExecutor(max_workers=8) as pool:
        for found, expected in zip(pool.map(predictor.predict, pictures), serial, strict=True):
            assert_same(found, expected)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_any_size_goes_through(predictor, height, width):
    assert np.isfinite(predictor.predict(picture(height, width)).anomaly_map).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((8, 8, 3), np.float32), "not float32 of shape (8, 8, 3)"),
        (np.zeros((8, 8), np.uint8), "not uint8 of shape (8, 8)"),
        (np.zeros((8, 8, 4), np.uint8), "not uint8 of shape (8, 8, 4)"),
        (np.zeros((0, 8, 3), np.uint8), "not uint8 of shape (0, 8, 3)"),
        ([[1, 2, 3]], "not list"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(predictor, wrong, said):
    with pytest.raises(ValueError) as caught:
        predictor.predict(wrong)
    assert said in str(caught.value)
    assert "read_image" in str(caught.value)


def test_the_picture_and_the_checkpoint_stay_as_they_were():
    chosen, shown = checkpoint(), picture()
    weights = copy.deepcopy(chosen.model.state_dict())
    prediction = Predictor(chosen, "cpu").predict(shown)
    prediction.image[:] = 0
    np.testing.assert_array_equal(shown, picture())
    torch.testing.assert_close(dict(chosen.model.state_dict()), dict(weights), rtol=0, atol=0)


def test_unknown_device_and_precision_are_refused_in_a_sentence():
    with pytest.raises(DraemError, match="abacus"):
        Predictor(checkpoint(), device="abacus")
    with pytest.raises(DraemError, match="float8"):
        Predictor(checkpoint(), device="cpu", precision="float8")


def test_memory_that_runs_out_is_told_with_the_next_step(monkeypatch):
    predictor = Predictor(checkpoint(), "cpu")

    def exhausted(image):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(predictor._network, "forward", exhausted)
    with pytest.raises(DraemError, match=r"too small for this network.*take the device 'cpu'"):
        predictor.predict(picture())


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs ../shared/golden")
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_network_of_extreme_logits_keeps_the_upstreams_map(precision):
    predictor = Predictor(load_checkpoint(GOLDEN / "anomalib/model.ckpt"), "cpu", precision)
    shown = np.asarray(Image.open(GOLDEN / "anomalib/input.png").convert("RGB"))
    with np.load(GOLDEN / "anomalib/expected.npz") as expected:
        np.testing.assert_allclose(predictor.predict(shown).anomaly_map, expected["anomaly_map"], atol=2e-2)
    assert predictor.precision == "float32"
