"""Stages are what the layers make of the stage before, and the prediction is the one without hooks, bit for bit."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from small_networks import SIZE, noise_picture, small_checkpoint, small_predictor
from torch.nn import functional as F

from draem_core import PostProcess, Predictor
from draem_core.inference import image_score
from draem_core.inside.loss_pictures import loss_pictures
from draem_core.inside.pixel import follow, softmax_steps
from draem_core.inside.stages import Stage, mask_stages, trace
from draem_core.training.losses import draem_loss

NAMES = [
    "image",
    *(f"reconstructive.encoder.block{depth}" for depth in range(1, 6)),
    *(f"reconstructive.decoder.{part}{depth}" for depth in range(1, 5) for part in ("up", "db")),
    *("reconstruction", "difference", "joined"),
    *(f"discriminative.encoder.block{depth}" for depth in range(1, 7)),
    *("discriminative.decoder.up_b", "discriminative.decoder.db_b"),
    *(f"discriminative.decoder.{part}{depth}" for depth in range(1, 5) for part in ("up", "db")),
    *("logits", "probabilities", "anomaly_map"),
]
ORDERS = [(color, concat) for color in ("RGB", "BGR") for concat in ("image_first", "reconstruction_first")]


def close(found, expected):
    torch.testing.assert_close(found.float(), expected.float(), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def traced():
    return trace(small_predictor(), noise_picture())


def test_stages_come_in_the_order_of_the_data(traced):
    assert [stage.name for stage in traced.stages] == NAMES
    assert traced.stage("joined").shape == (6, *SIZE)
    assert traced.stage("reconstructive.encoder.block5").shape == (64, SIZE[0] // 16, SIZE[1] // 16)
    assert traced.stage("discriminative.encoder.block6").shape == (32, SIZE[0] // 32, SIZE[1] // 32)
    for stage in traced.stages:
        assert stage.range[0] < stage.range[1], f"{stage.name} is dead: this test would show nothing"


def test_the_prediction_is_the_one_without_hooks():
    predictor, picture = small_predictor(), noise_picture(1)
    plain, traced, again = predictor.predict(picture), trace(predictor, picture).prediction, predictor.predict(picture)
    for found in (traced, again):
        for field in ("image", "reconstruction", "logits", "anomaly_map"):
            np.testing.assert_array_equal(getattr(found, field), getattr(plain, field))


@pytest.mark.parametrize(("color_order", "concat_order"), ORDERS)
def test_each_stage_is_what_its_layers_make_of_the_one_before(color_order, concat_order):
    fields = {"color_order": color_order, "concat_order": concat_order}
    model = small_checkpoint(**fields).model
    traced = trace(small_predictor(**fields), noise_picture(2))
    at = {stage.name: stage.tensor[None].float() for stage in traced.stages}
    first, second = model.reconstructive_subnetwork, model.discriminative_subnetwork

    def in_rgb(pixels):
        return pixels.flip(1) if color_order == "BGR" else pixels

    for network, encoder, entered, depths in (
        ("reconstructive", first.encoder, in_rgb(at["image"]), 5),
        ("discriminative", second.encoder_segment, at["joined"], 6),
    ):
        for depth in range(1, depths + 1):
            name = f"{network}.encoder.block{depth}"
            above = F.max_pool2d(at[f"{network}.encoder.block{depth - 1}"], 2) if depth > 1 else entered
            close(at[name], getattr(encoder, f"block{depth}")(above))
    chain = ["reconstructive.encoder.block5", *(name for name in NAMES if name.startswith("reconstructive.decoder"))]
    for before, after in pairwise(chain):
        close(at[after], getattr(first.decoder, after.rpartition(".")[2])(at[before]))
    close(at["reconstruction"], in_rgb(first.decoder.fin_out(at[chain[-1]])))

    close(at["difference"], (at["image"] - at["reconstruction"]).abs())
    close(at["joined"], model.join(in_rgb(at["image"]), in_rgb(at["reconstruction"])))

    below = "discriminative.encoder.block6"
    for depth, level in zip((5, 4, 3, 2, 1), ("_b", "1", "2", "3", "4"), strict=True):
        up, db = f"discriminative.decoder.up{level}", f"discriminative.decoder.db{level}"
        close(at[up], getattr(second.decoder_segment, f"up{level}")(at[below]))
        skip = at[f"discriminative.encoder.block{depth}"]
        close(at[db], getattr(second.decoder_segment, f"db{level}")(torch.cat((at[up], skip), dim=1)))
        below = db
    close(at["logits"], second.decoder_segment.fin_out(at[below]))
    close(at["probabilities"].sum(dim=1), torch.ones(1, *SIZE))
    close(at["anomaly_map"][0], torch.from_numpy(traced.prediction.anomaly_map)[None])


def test_a_logit_by_hand(traced):
    last = small_checkpoint().model.discriminative_subnetwork.decoder_segment.fin_out[0]
    features = traced.stage("discriminative.decoder.db4").tensor.float().numpy()
    row, column = 20, 11
    patch = features[:, row - 1 : row + 2, column - 1 : column + 2]
    by_hand = (last.weight[1].numpy() * patch).sum() + float(last.bias[1])
    assert traced.stage("logits").channel(1)[row, column] == pytest.approx(by_hand, abs=1e-4)


def test_channels_strongest_first():
    values = torch.tensor([[[1.0, 1.0]], [[0.0, -6.0]], [[2.0, 4.0]], [[3.0, 3.0]]])
    stage = Stage("some", "", values)
    assert stage.shape == (4, 1, 2)
    assert stage.range == (-6, 4)
    assert stage.strongest() == [1, 2, 3, 0]  # 3, 3 and 3 keep their order, then 1
    assert stage.channel(2).tolist() == [[2, 4]]
    with pytest.raises(ValueError, match="channels 0 to 3, not 4"):
        stage.channel(4)


def test_an_unknown_stage_is_said(traced):
    with pytest.raises(ValueError, match="there is no stage 'nowhere'; there are image, "):
        traced.stage("nowhere")


def test_short_floats_are_kept_as_they_are_computed():
    predictor = Predictor(small_checkpoint(), device="cpu", precision="bfloat16")
    traced = trace(predictor, noise_picture())
    assert traced.stage("reconstructive.encoder.block3").tensor.dtype == torch.bfloat16
    assert traced.stage("reconstructive.encoder.block3").channel(0).dtype == np.float32
    assert traced.stage("logits").tensor.dtype == torch.float32


def test_masks_by_hand():
    anomaly_map = np.zeros((30, 40), np.float32)
    anomaly_map[3:6, 3:6] = 0.9
    anomaly_map[10:20, 10:20] = 0.8
    anomaly_map[25, 1:30] = 0.7  # a line, which opening removes
    stages = {stage.name: stage for stage in mask_stages(anomaly_map, PostProcess(0.5, kernel_size=3, min_area=10))}
    assert {name: int(stage.tensor.sum()) for name, stage in stages.items() if name != "window_mean"} == {
        "above_threshold": 9 + 100 + 29,
        "opened": 9 + 100,
        "pred_mask": 100,
    }
    highest = stages["window_mean"].range[1]
    assert highest == pytest.approx(image_score(torch.from_numpy(anomaly_map), "max_of_mean21"))
    assert highest == pytest.approx((9 * 0.9 + 100 * 0.8 + 21 * 0) / 441, rel=0.2)
    assert stages["above_threshold"].range == (0, 1)
    with pytest.raises(ValueError, match="NaN"):
        mask_stages(np.full((4, 4), np.nan, np.float32), PostProcess())


def test_a_pixel_is_followed_to_the_cells_that_hold_it(traced):
    samples = {sample.stage: sample for sample in follow(traced, 50, 17)}
    assert list(samples) == NAMES
    assert (samples["reconstructive.encoder.block2"].row, samples["reconstructive.encoder.block2"].column) == (25, 8)
    assert (samples["discriminative.encoder.block6"].row, samples["discriminative.encoder.block6"].column) == (1, 0)
    assert samples["joined"].values.shape == (6,)
    np.testing.assert_array_equal(samples["image"].values, traced.prediction.image[50, 17])
    np.testing.assert_array_equal(samples["logits"].values, traced.prediction.logits[:, 50, 17])
    steps = softmax_steps(*samples["logits"].values.tolist())
    assert steps.probability == pytest.approx(traced.prediction.anomaly_map[50, 17], abs=1e-6)
    for outside in ((64, 0), (0, 32), (-1, 0)):
        with pytest.raises(ValueError, match="outside the map of 64 rows and 32 columns"):
            follow(traced, *outside)


def test_softmax_in_numbers():
    steps = softmax_steps(0.0, np.log(3))
    assert steps.good_exponential == pytest.approx(1 / 3)
    assert steps.anomalous_exponential == 1
    assert steps.total == pytest.approx(4 / 3)
    assert steps.probability == pytest.approx(0.75)
    assert softmax_steps(1000, -1000).probability == 0
    assert softmax_steps(-1000, 1000).probability == 1


def test_loss_pictures_average_to_the_loss(traced):
    prediction = traced.prediction
    rng = np.random.default_rng(0)
    clean, mask = rng.random((*SIZE, 3), dtype=np.float32), rng.random(SIZE) < 0.2
    pictures = loss_pictures(prediction, clean, mask)
    loss = draem_loss(
        torch.from_numpy(clean).permute(2, 0, 1)[None],
        torch.from_numpy(prediction.reconstruction).permute(2, 0, 1)[None],
        torch.from_numpy(mask)[None, None],
        torch.from_numpy(prediction.logits)[None],
    )
    for name in ("l2", "ssim", "focal"):
        picture = getattr(pictures, name)
        assert picture.shape == SIZE
        assert picture.dtype == np.float32
        assert picture.mean() == pytest.approx(float(getattr(loss, name)), rel=1e-4)
    error = prediction.reconstruction[5, 7] - clean[5, 7]
    assert pictures.l2[5, 7] == pytest.approx((error**2).mean(), rel=1e-4)
