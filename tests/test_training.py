"""The training loop on tiny networks: it learns, it resumes to the last bit, it fails in sentences."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from draem_core.checkpoints import load_checkpoint
from draem_core.training import layers, losses
from draem_core.training.batches import random_crops
from draem_core.training.config import ConfigError, TrainConfig, make_config
from draem_core.training.loop import TrainingError, train
from draem_core.training.schedule import learning_rate

ROOT = Path(__file__).resolve().parents[1]


def config(out, **changes):
    values = {
        "data": Path("made/up"),
        "out": out,
        "epochs": 3,
        "batch_size": 4,
        "widths": (4, 4),
        "input_size": (32, 32),
    }
    return TrainConfig(**{**values, "learning_rate": 1e-3, "device": "cpu", "precision": "float32", **changes})


@pytest.fixture(scope="module")
def images():
    rows = torch.linspace(40, 200, 32)[:, None].expand(32, 32)
    noise = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 30
    return (rows + noise).clamp(0, 255).byte()


@pytest.fixture(scope="module")
def textures():
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def weights_of(folder):
    (checkpoint,) = sorted((folder / "checkpoints").glob("*.safetensors"))[-1:]
    return load_checkpoint(checkpoint).model.state_dict()


def test_it_learns(tmp_path, images, textures):
    reports = []
    train(config(tmp_path, epochs=25), images, textures, on_epoch=reports.append)
    assert reports[-1].total < 0.6 * reports[0].total
    assert reports[-1].l2 < 0.3 * reports[0].l2


def test_the_run_folder_tells_the_story(tmp_path, images, textures):
    steps = []
    last = train(config(tmp_path, keep=2), images, textures, on_step=steps.append)
    names = [path.name for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert names == ["epoch_0002.safetensors", "epoch_0003.safetensors"]
    assert last.name == names[-1]
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(table["total"], table["l2"] + table["ssim"] + table["focal"], rtol=1e-5)
    assert json.loads((tmp_path / "config.json").read_text())["config"]["epochs"] == 3
    assert [(step.epoch, step.step, step.steps) for step in steps] == [(e, s, 2) for e in (1, 2, 3) for s in (1, 2)]
    assert steps[-1].seconds_left == pytest.approx(0, abs=1e-9)
    card = load_checkpoint(last).card
    assert (card.widths, card.input_size, card.training["epoch"]) == ((4, 4), (32, 32), 3)


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_last_bit(tmp_path, images, textures):
    train(config(tmp_path / "whole"), images, textures)

    class KilledError(Exception):
        pass

    def kill(report):
        if (report.epoch, report.step) == (3, 1):
            raise KilledError

    with pytest.raises(KilledError):
        train(config(tmp_path / "parts"), images, textures, on_step=kill)
    reports = []
    train(config(tmp_path / "parts"), images, textures, on_epoch=reports.append)
    assert [report.epoch for report in reports] == [3], "finished epochs are not repeated"
    whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    columns = ["epoch", "l2", "ssim", "focal", "total", "learning_rate"]
    curves = [pd.read_csv(tmp_path / name / "metrics.csv")[columns] for name in ("whole", "parts")]
    pd.testing.assert_frame_equal(*curves)


def test_crops_are_parts_of_their_own_image():
    images = torch.arange(2 * 3 * 8 * 10).view(2, 3, 8, 10)
    crops = random_crops(images, (4, 5), torch.Generator().manual_seed(0))
    assert crops.shape == (2, 3, 4, 5)
    for image, crop in zip(images, crops, strict=True):
        row, column = divmod(int(crop[0, 0, 0]) - int(image[0, 0, 0]), 10)
        assert torch.equal(crop, image[:, row : row + 4, column : column + 5])
    assert random_crops(images, (8, 10), torch.Generator()) is images


def test_it_trains_on_crops(tmp_path, images, textures):
    last = train(config(tmp_path, input_size=(64, 64), crop_size=32, epochs=1), images.repeat(1, 1, 2, 2), textures)
    assert load_checkpoint(last).card.input_size == (64, 64)


def test_a_run_may_begin_with_other_weights(tmp_path, images, textures):
    first = train(config(tmp_path / "first", epochs=20), images, textures)
    reports = {}
    for name, start in (("fresh", None), ("tuned", first)):
        seen = reports.setdefault(name, [])
        train(config(tmp_path / name, epochs=1, start_from=start), images, textures, on_epoch=seen.append)
    assert reports["tuned"][0].l2 < 0.5 * reports["fresh"][0].l2
    with pytest.raises(ConfigError, match=r"epoch_0020\.safetensors cannot be started from: .*\(4, 4\)"):
        train(config(tmp_path / "wide", widths=(8, 4), start_from=first), images, textures)


def test_another_config_does_not_overwrite_a_run(tmp_path, images, textures):
    train(config(tmp_path, epochs=1), images, textures)
    with pytest.raises(ConfigError, match="another learning_rate"):
        train(config(tmp_path, epochs=1, learning_rate=5e-3), images, textures)


@pytest.mark.parametrize("part", ["l2", "ssim", "focal"])
def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_part(tmp_path, images, textures, monkeypatch, part):
    healthy, calls = losses.draem_loss, itertools.count()

    def broken(*tensors, **options):
        loss = healthy(*tensors, **options)
        return loss if next(calls) < 3 else replace(loss, **{part: getattr(loss, part) * torch.nan})

    monkeypatch.setattr("draem_core.training.loop.draem_loss", broken)
    with pytest.raises(TrainingError, match=f"The {part} loss is not finite at epoch 2, step 2"):
        train(config(tmp_path), images, textures)
    assert f"The {part} loss" in (tmp_path / "stopped.txt").read_text()
    assert all(tensor.isfinite().all() for tensor in weights_of(tmp_path).values()), "the last good epoch is kept"
    monkeypatch.undo()
    train(config(tmp_path), images, textures)
    assert not (tmp_path / "stopped.txt").exists(), "a run that goes on is no longer stopped"
    assert pd.read_csv(tmp_path / "metrics.csv")["epoch"].tolist() == [1, 2, 3]


def test_a_gradient_or_weight_that_is_not_finite_stops_too(tmp_path, images, textures, monkeypatch):
    def poison(model):
        next(model.parameters()).grad[0] = torch.nan
        return healthy(model)

    healthy = layers.gradient_norms
    monkeypatch.setattr("draem_core.training.loop.gradient_norms", poison)
    named = r"gradient of reconstructive_subnetwork\.encoder\.block1\.0\.weight is not finite at epoch 1, step 1"
    with pytest.raises(TrainingError, match=named):
        train(config(tmp_path), images, textures)
    monkeypatch.undo()
    monkeypatch.setattr("draem_core.training.loop.first_broken", lambda model: "some.layer")
    with pytest.raises(TrainingError, match=r"weights some\.layer are not finite after epoch 1"):
        train(config(tmp_path), images, textures)
    assert not (tmp_path / "state.pt").exists()


def test_schedules(tmp_path):
    original = config(tmp_path, epochs=10, schedule="original")
    rates = [learning_rate(original, epoch) for epoch in range(1, 11)]
    np.testing.assert_allclose(rates, [1e-3] * 8 + [2e-4, 4e-5])
    anomalib = config(tmp_path, epochs=700, schedule="anomalib")
    np.testing.assert_allclose([learning_rate(anomalib, epoch) for epoch in (400, 401, 601)], [1e-3, 1e-4, 1e-5])
    cosine = [learning_rate(config(tmp_path, epochs=100, schedule="cosine"), epoch) for epoch in range(1, 101)]
    assert cosine[:3] == sorted(cosine[:3])
    assert cosine[3:] == sorted(cosine[3:], reverse=True)
    assert cosine[-1] < 1e-6


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"data": "a"}, "out"),
        ({"data": "a", "out": "b", "epochs": 0}, "epochs"),
        ({"data": "a", "out": "b", "input_size": (250, 256)}, "divide by 32"),
        ({"data": "a", "out": "b", "crop_size": 100}, "crop_size"),
        ({"data": "a", "out": "b", "schedule": "linear"}, "schedule"),
        ({"data": "a", "out": "b", "spelt_wrong": 1}, "spelt_wrong"),
    ],
)
def test_a_wrong_config_names_the_field(values, named):
    with pytest.raises(ConfigError, match=named):
        make_config(values)


def test_options_win_over_the_config_file(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('data = "a"\nout = "b"\nepochs = 5\nwidths = [8, 4]\n')
    settings = make_config({"epochs": 7, "seed": None}, file)
    assert (settings.epochs, settings.widths, settings.seed) == (7, (8, 4), 0)
    file.write_text("not toml at all")
    with pytest.raises(ConfigError, match=r"c\.toml"):
        make_config({}, file)


def test_the_command_survives_kill_9(tmp_path):
    """A real process, a real kill: the same command goes on and ends with every epoch in the metrics."""
    good = tmp_path / "data" / "train" / "good"
    (tmp_path / "data" / "test" / "good").mkdir(parents=True)
    good.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(8):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(good / f"{index}.png")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "data" / "test" / "good" / "0.png")
    file = tmp_path / "run.toml"
    file.write_text("widths = [4, 4]\ninput_size = [32, 32]\nbatch_size = 4\nepochs = 12\n")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "draem_core", "train", "--config", str(file), "--threads", "1"]
    command += ["--data", str(tmp_path / "data"), "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = len(pd.read_csv(out / "metrics.csv"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(out / "metrics.csv")["epoch"].tolist() == list(range(1, 13))
    assert f"epoch {before}  " not in done.stdout, "finished epochs are not repeated"
