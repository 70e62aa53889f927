"""Diagnosis in words: constructed collapses are named, real ones too, and healthy runs are met with silence."""

import contextlib
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_training import SIZE, good_parts, healthy_run, run_config, test_parts

from draem_core.checkpoints import Checkpoint, load_checkpoint
from draem_core.diagnostics import Evidence, diagnose
from draem_core.inference import Predictor
from draem_core.runs.probes import PROBE_COLUMNS, probe_metrics
from draem_core.runs.review import load_review
from draem_core.training.layers import LAYER_COLUMNS
from draem_core.training.loop import TrainingError, train

EPOCHS = 10


def healthy(**curves):
    """Ten epochs of two good and two defective probes, three layers, falling losses."""
    probes = [
        # epoch, probe, score, map mean, image's spread, reconstruction's mean, its spread, difference, label
        (epoch, probe, (0.2, 0.3, 0.9, 0.8)[probe], 0.01, 0.2, 0.5, 0.19, 0.02, float(probe > 1))
        for epoch in range(1, EPOCHS + 1)
        for probe in range(4)
    ]
    layers = [(epoch, f"layer{n}", 0.03, 0.1, 0.9) for epoch in range(1, EPOCHS + 1) for n in range(3)]
    metrics = {
        "epoch": range(1, EPOCHS + 1),
        "total": np.linspace(1, 0.1, EPOCHS),
        "validation_total": np.linspace(1.1, 0.2, EPOCHS),
        "validation_image_auroc": np.linspace(0.6, 1.0, EPOCHS),
        "test_image_auroc": np.linspace(0.5, 0.97, EPOCHS),
    }
    return Evidence(
        probes=pd.DataFrame(probes, columns=[*PROBE_COLUMNS, "label"]),
        layers=pd.DataFrame(layers, columns=LAYER_COLUMNS),
        metrics=pd.DataFrame({**metrics, **curves}),
    )


def with_probes(**values):
    evidence = healthy()
    return replace(evidence, probes=evidence.probes.assign(**values))


def with_layer(**values):
    evidence = healthy()
    layers = evidence.layers.copy()
    layers.loc[len(layers) - 1, list(values)] = list(values.values())
    return replace(evidence, layers=layers)


def kinds(evidence, epoch=None):
    return [finding.kind for finding in diagnose(evidence, epoch)]


def only(evidence):
    (finding,) = diagnose(evidence)
    return finding


def test_silence_where_all_is_well():
    assert diagnose(healthy()) == ()


def test_silence_where_nothing_is_known():
    nothing = Evidence(
        pd.DataFrame(columns=[*PROBE_COLUMNS, "label"]), pd.DataFrame(columns=LAYER_COLUMNS), pd.DataFrame()
    )
    assert diagnose(nothing) == ()


@pytest.mark.parametrize(("level", "colour"), [(0.02, "black"), (0.45, "even"), (0.98, "white")])
def test_a_constant_reconstruction(level, colour):
    finding = only(with_probes(reconstruction_std=0.004, reconstruction_mean=level))
    assert finding.kind == "reconstruction_constant"
    assert (
        f"one {colour} area: their values spread by 0.004 around {level:.2f}, the images' by 0.200" in finding.evidence
    )
    assert "learning rate" in finding.next_step


def test_a_frame_that_padding_draws_does_not_hide_a_constant_reconstruction():
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    painted = torch.tensor([0.9, 0.7, 0.2])[:, None, None].expand(3, 64, 64).clone()  # the same, whatever is shown
    painted[:, :3], painted[:, -3:], painted[:, :, :3], painted[:, :, -3:] = 0, 0, 0, 0
    row = dict(zip(PROBE_COLUMNS[2:], probe_metrics(image, painted, torch.zeros(64, 64)), strict=True))
    assert 0.2 < row["image_std"] < 0.4
    assert row["reconstruction_std"] == 0
    spreads = {name: row[name] for name in ("image_std", "reconstruction_std")}
    assert only(with_probes(**spreads)).kind == "reconstruction_constant"


def test_images_of_one_colour_have_constant_reconstructions_rightly():
    assert diagnose(with_probes(reconstruction_std=0.0001, image_std=0.001)) == ()


def test_a_map_near_1_on_good_parts():
    finding = only(with_probes(map_mean=0.85))
    assert finding.kind == "map_high_on_good"
    assert "0.85 on average (median of 2 images" in finding.evidence
    assert "focal_alpha must not be 1" in finding.next_step


def test_a_map_that_is_high_on_defects_alone_is_none():
    evidence = healthy()
    anomalous = evidence.probes["label"] == 1
    assert diagnose(replace(evidence, probes=evidence.probes.assign(map_mean=np.where(anomalous, 0.9, 0.01)))) == ()


def test_a_map_near_0_everywhere():
    finding = only(with_probes(score=0.03))
    assert finding.kind == "map_low_everywhere"
    assert "No pixel of 2 defective images reaches 0.1; the highest is 0.030" in finding.evidence


def test_a_low_map_on_good_images_alone_is_right():
    assert diagnose(with_probes(score=0.001, label=0.0)) == ()
    assert diagnose(with_probes(score=0.001, label=math.nan)) == ()


def test_a_diverged_loss():
    finding = only(healthy(total=[1, 0.5, 0.3, 0.2, 0.1, 0.1, 0.4, 0.9, 2.0, 3.0]))
    assert finding.kind == "loss_diverged"
    assert finding.evidence == "The training loss was 0.1000 at epoch 5 and is 2.0000 now."
    assert kinds(healthy(total=[1, 0.5, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 3.0])) == [], (
        "one bad epoch is no divergence"
    )


def test_a_run_that_broke_off_says_where():
    sentence = "The focal loss is not finite at epoch 3, step 2."
    assert only(replace(healthy(), stopped=sentence)).evidence == sentence


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"live_share": 0.0}, "0% of its channels still answer"),
        ({"gradient_norm": 0.0}, "its gradient is 0"),
        ({"std": 0.014}, "its weights' spread fell from 0.0300 to 0.0140"),
    ],
)
def test_a_dead_layer(values, told):
    finding = only(with_layer(**values))
    assert finding.kind == "layer_dead"
    assert finding.evidence == f"1 of 3 layers are dead or dying. layer2: {told}."


def test_overfitting_by_the_validation_loss():
    finding = only(healthy(validation_total=[1, 0.8, 0.6, 0.5, 0.4, 0.45, 0.5, 0.6, 0.6, 0.6]))
    assert finding.kind == "overfitted"
    assert (
        "Since epoch 5 the validation loss rose from 0.4000 to 0.6000, while the training loss fell" in finding.evidence
    )
    assert kinds(healthy(validation_total=[1, 0.8, 0.6, 0.5, 0.4, 0.41, 0.42, 0.4, 0.41, 0.42])) == []
    both = {"validation_total": [1, 0.8, 0.6, 0.5, 0.4, 0.45, 0.5, 0.6, 0.6, 0.6], "total": np.full(EPOCHS, 0.5)}
    assert kinds(healthy(**both)) == [], "a training loss that stands still is no overfitting"


def test_overfitting_by_real_defects():
    finding = only(
        healthy(test_image_auroc=[0.5, 0.7, 0.97, math.nan, 0.9, 0.9, 0.9, 0.89, 0.9, 0.9], validation_image_auroc=0.95)
    )
    assert finding.kind == "overfitted"
    assert "Since epoch 3 the test set's image AUROC fell from 0.970 to 0.897" in finding.evidence


def test_a_misleading_validation():
    finding = only(healthy(test_image_auroc=0.6))
    assert finding.kind == "validation_misleads"
    assert "validation image AUROC 1.000), real ones are not (test 0.600)" in finding.evidence
    assert finding.next_step.startswith("Do not choose by the validation")


def test_as_it_stood_after_an_epoch():
    review = load_review(healthy_run())
    assert "reconstruction_constant" in kinds(review, 1), "grey squares at epoch 1"
    assert kinds(review, 12) == kinds(review) == []


def checkpoint_of(epoch=12):
    return load_checkpoint(load_review(healthy_run()).checkpoints[epoch])


def looked_at(checkpoint):
    parts = test_parts().only([0, 1, 6, 7, 12, 13])
    pictures = list(parts.images.permute(0, 2, 3, 1).numpy())
    predictor = Predictor(checkpoint, device="cpu", precision="float32")
    return Evidence.of_checkpoint(checkpoint, predictor, pictures, [int(label) for label in parts.labels])


def test_a_healthy_checkpoint_is_met_with_silence():
    assert diagnose(looked_at(checkpoint_of())) == ()


def spoilt(change):
    """The healthy checkpoint with something broken in its weights."""
    checkpoint = checkpoint_of()
    with torch.no_grad():
        change(checkpoint.model)
    return Checkpoint(checkpoint.model, checkpoint.card, checkpoint.files)


@pytest.mark.parametrize(("level", "colour"), [(0.0, "black"), (0.5, "even")])
def test_a_checkpoint_that_reconstructs_one_colour(level, colour):
    def paint(model):
        last = model.reconstructive_subnetwork.decoder.fin_out[0]
        last.weight.zero_()
        last.bias.fill_(level)

    findings = {finding.kind: finding for finding in diagnose(looked_at(spoilt(paint)))}
    assert f"one {colour} area" in findings["reconstruction_constant"].evidence


@pytest.mark.parametrize(("bias", "kind"), [((-9.0, 9.0), "map_high_on_good"), ((9.0, -9.0), "map_low_everywhere")])
def test_a_checkpoint_with_a_stuck_map(bias, kind):
    def stick(model):
        last = model.discriminative_subnetwork.decoder_segment.fin_out[0]
        last.weight.zero_()
        last.bias.copy_(torch.tensor(bias))

    assert [finding.kind for finding in diagnose(looked_at(spoilt(stick)))] == [kind]


def test_a_checkpoint_with_a_dead_layer():
    def kill(model):
        norm = model.discriminative_subnetwork.encoder_segment.block6[4]
        norm.weight.zero_()
        norm.bias.fill_(-1)

    (finding,) = (one for one in diagnose(looked_at(spoilt(kill))) if one.kind == "layer_dead")
    assert "discriminative_subnetwork.encoder_segment.block6.3: 0% of its channels still answer" in finding.evidence


@pytest.fixture(scope="module")
def textures():
    return torch.randint(0, 256, (4, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def collapsed(tmp_path, textures, **changes):
    settings = {"epochs": 3, "widths": (4, 4), "validation_share": 0, "test_every": 0, **changes}
    with contextlib.suppress(TrainingError):
        train(run_config(tmp_path, **settings), good_parts(16, seed=2), textures, test=test_parts())
    return {finding.kind: finding for finding in diagnose(load_review(tmp_path))}


def test_a_real_collapse_of_the_map(tmp_path, textures):
    """A focal loss that ignores good pixels, which is what kornia makes of alpha=1."""
    assert "map_high_on_good" in collapsed(tmp_path, textures, focal_alpha=1.0)


def test_a_real_collapse_of_the_reconstruction(tmp_path, textures):
    """Without L2 and SSIM nothing asks for the image."""
    assert "reconstruction_constant" in collapsed(tmp_path, textures, loss_weights={"l2": 0, "ssim": 0})


def test_a_real_divergence(tmp_path, textures, monkeypatch):
    from draem_core.training import losses

    healthy_loss, calls = losses.draem_loss, iter(range(1000))

    def breaking(*tensors, **options):
        loss = healthy_loss(*tensors, **options)
        return loss if next(calls) < 6 else replace(loss, ssim=loss.ssim * math.inf)

    monkeypatch.setattr("draem_core.training.loop.draem_loss", breaking)
    assert "ssim loss is not finite at epoch 2, step 3" in collapsed(tmp_path, textures)["loss_diverged"].evidence
