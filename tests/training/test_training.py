"""The training loop on tiny networks: it learns, it resumes to the last bit, it fails in sentences."""

import errno
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_training import healthy_run
from typer.testing import CliRunner

from draem_core.checkpoints import load_checkpoint
from draem_core.commands.command_line import app
from draem_core.commands.train import STOPPED
from draem_core.errors import DraemError
from draem_core.launch.run_lock import lock_owner, run_lock
from draem_core.runs import run_folder
from draem_core.runs.run_folder import RunFolderError
from draem_core.runs.tensorboard import TensorBoardLog
from draem_core.training import layers, losses
from draem_core.training.batches import batches, hold_out, random_crops
from draem_core.training.config import ConfigError, TrainConfig, make_config
from draem_core.training.epoch_state import EpochState
from draem_core.training.labelled import LabelledImages
from draem_core.training.loop import TrainingError, TrainingStopped, train
from draem_core.training.schedule import best_epochs, learning_rate
from draem_core.training.validation import TestMetrics, disagreement, validate

ROOT = Path(__file__).resolve().parents[2]


def config(out, **changes):
    values = {
        "data": Path("made/up"),
        "out": out,
        "epochs": 3,
        "batch_size": 4,
        "widths": (4, 4),
        "input_size": (32, 32),
        "validation_share": 0.0,
        "test_every": 0,
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


EVERYTHING = {
    **{"sspcab": True, "optimizer": "adamw", "cutpaste_share": 0.3, "crop_size": 32, "keep": 1, "probes": 4},
    **{"validation_share": 0.25, "test_every": 2, "patience": 9, "loss_weights": {"l1": 0.5}},
}


def files_of(run):
    """Return the bytes of every file that holds no time and no path."""
    timed = {"config.json", "metrics.csv", "state.pt"}
    found = {path.relative_to(run).as_posix(): path for path in run.rglob("*.*") if path.name not in timed}
    return {name: path.read_bytes() for name, path in found.items() if path.suffix != ".safetensors"}


def curves_of(run):
    return pd.read_csv(run / "metrics.csv").drop(columns="seconds")


def assert_same_run(first, second):
    expected, found = weights_of(first), weights_of(second)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    pd.testing.assert_frame_equal(curves_of(first), curves_of(second), check_exact=True)
    assert files_of(first) == files_of(second)


@pytest.fixture(scope="module")
def labelled(images):
    spoilt = images.clone()
    spoilt[4:, :, 5:15, 5:15] = 0
    masks = np.zeros((8, 32, 32), bool)
    masks[4:, 5:15, 5:15] = True
    kinds = ("good",) * 4 + ("hole",) * 4
    return LabelledImages(tuple("abcdefgh"), kinds, np.arange(8) > 3, spoilt, (*masks[:7], None))


@pytest.mark.parametrize("changes", [{}, EVERYTHING, {"precision": "float16"}], ids=["plain", "everything", "float16"])
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_last_bit(tmp_path, images, textures, labelled, changes):
    def run(out, on_step=None, on_epoch=None):
        train(config(out, **changes), images, textures, test=labelled, on_step=on_step, on_epoch=on_epoch)

    class KilledError(Exception):
        pass

    def kill(report):
        if (report.epoch, report.step) == (3, 1):
            raise KilledError

    run(tmp_path / "whole")
    with pytest.raises(KilledError):
        run(tmp_path / "parts", on_step=kill)
    reports = []
    run(tmp_path / "parts", on_epoch=reports.append)
    assert [report.epoch for report in reports] == [3], "finished epochs are not repeated"
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("changes", [{}, EVERYTHING, {"precision": "float16"}], ids=["plain", "everything", "float16"])
@pytest.mark.parametrize("steps", [1, 5, 6], ids=["in the first epoch", "within one", "after an epoch's last step"])
def test_stopped_after_any_step_it_goes_on_from_there_to_the_last_bit(
    tmp_path, images, textures, labelled, changes, steps
):
    """Killed with -9 later on in that epoch, too."""

    def run(out, **callbacks):
        return train(config(out, **changes, batch_size=3, epochs=4), images, textures, test=labelled, **callbacks)

    run(tmp_path / "whole")
    done = []
    with pytest.raises(TrainingStopped, match=r"Stopped at epoch \d after step \d of [23]"):
        run(tmp_path / "parts", on_step=done.append, stop=lambda: len(done) == steps)
    assert len(done) == steps
    again = []
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "parts", on_step=lambda report: again.append(report) if len(again) < 1 else 1 / 0)
    assert (again[0].epoch, again[0].step) == divmod_from_one(steps, done[0].steps)
    run(tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_asked_to_stop_while_an_epoch_is_evaluated_it_ends_there(tmp_path, images, textures):
    train(config(tmp_path / "whole"), images, textures)
    evaluated, steps = [], []
    with pytest.raises(TrainingStopped, match="Stopped after epoch 1"):
        train(
            config(tmp_path / "parts"),
            images,
            textures,
            on_step=steps.append,
            on_epoch=evaluated.append,
            stop=evaluated.copy,
        )
    assert len(steps) == 2, "no step of the next epoch"
    train(config(tmp_path / "parts"), images, textures)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def divmod_from_one(finished, per_epoch):
    """Return (epoch, step) of the next step, both from 1."""
    epoch, step = divmod(finished, per_epoch)
    return epoch + 1, step + 1


def test_another_seed_is_another_run(tmp_path, images, textures):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        train(config(tmp_path / name, epochs=1, seed=seed), images, textures)
    assert_same_run(tmp_path / "first", tmp_path / "again")
    assert files_of(tmp_path / "first") != files_of(tmp_path / "other")


def test_watching_changes_nothing_that_is_learned(tmp_path, images, textures, labelled):
    train(config(tmp_path / "watched", test_every=1, probes=6), images, textures, test=labelled)
    train(config(tmp_path / "plain", probes=0), images, textures)
    watched, plain = weights_of(tmp_path / "watched"), weights_of(tmp_path / "plain")
    assert all(torch.equal(watched[name], plain[name]) for name in plain)


def test_sspcab_is_trained_by_its_own_loss(tmp_path, images, textures):
    reports = []
    changes = {"sspcab": True, "epochs": 12, "loss_weights": {"sspcab": 5.0}}
    last = train(config(tmp_path, **changes), images, textures, on_epoch=reports.append)
    assert 0 < reports[-1].sspcab < 0.8 * reports[0].sspcab
    first = reports[0]
    assert first.total == pytest.approx(first.l2 + first.ssim + first.focal + 5 * first.sspcab, rel=1e-5)
    assert load_checkpoint(last).card.sspcab


def test_adamw_decays_weights_and_adam_does_not(tmp_path, images, textures):
    def spread(name, **changes):
        train(config(tmp_path / name, epochs=2, **changes), images, textures)
        return pd.read_csv(tmp_path / name / "layers.csv")["std"].mean()

    plain = spread("adam")
    assert spread("none", optimizer="adamw", weight_decay=0) == pytest.approx(plain, rel=1e-6)
    assert spread("decayed", optimizer="adamw", weight_decay=50) < 0.95 * plain  # each of 4 steps takes 1e-3 · 50


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_short_floats_learn_too(tmp_path, images, textures, precision):
    reports = []
    train(config(tmp_path, epochs=8, precision=precision), images, textures, on_epoch=reports.append)
    assert reports[-1].l2 < 0.8 * reports[0].l2


def test_a_float_that_the_device_cannot_train_in_is_refused_in_a_sentence(tmp_path, images, textures, monkeypatch):
    def lacks(*_, **__):
        raise RuntimeError("there is no such float here")

    monkeypatch.setattr("draem_core.training.evaluation.autocast", lacks)
    told = r"cpu cannot train in float16: there is no such float here\. Take --precision auto or float32\."
    with pytest.raises(ConfigError, match=told):
        train(config(tmp_path, precision="float16"), images, textures)


def test_float16_steps_that_overflow_are_left_out(tmp_path, images, textures, monkeypatch):
    healthy, calls = layers.gradient_norms, itertools.count()

    def overflow(model):
        if next(calls) == 1:
            next(model.parameters()).grad[0] = torch.inf
        return healthy(model)

    monkeypatch.setattr("draem_core.training.loop.gradient_norms", overflow)
    steps = []
    train(config(tmp_path, epochs=3, precision="float16"), images, textures, on_step=steps.append)
    finite = [bool(np.isfinite(step.gradient_norm)) for step in steps]
    assert not finite[1], "and perhaps the first ones, while the scale comes down by itself"
    assert finite[-2:] == [True, True]
    last = pd.read_csv(tmp_path / "layers.csv").query("epoch == 3")
    assert last["gradient_norm"].gt(0).all(), "the mean is over the steps that were taken"


def test_held_out_images_are_not_trained_on_and_always_get_the_same_defects(tmp_path, images, textures):
    reports = []
    train(config(tmp_path, validation_share=0.25), images, textures, on_epoch=reports.append)
    assert [report.images for report in reports] == [6, 6, 6]
    model, settings = load_checkpoint(tmp_path / "checkpoints" / "epoch_0003.safetensors").model, config(tmp_path)
    _, held_out = hold_out(images, 0.25, seed=0)
    again = [validate(model, held_out, textures, settings, None, lambda: None) for _ in range(2)]
    assert again[0] == again[1] == reports[-1].validation


def test_hold_out_splits():
    images = torch.arange(10)
    kept, held = hold_out(images, 0.3, seed=4)
    assert (len(kept), len(held)) == (7, 3)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(10))
    assert hold_out(images, 0.0, seed=4)[0] is images
    split = {count: tuple(len(part) for part in hold_out(images[:count], 0.1, seed=4)) for count in (1, 3, 4, 10)}
    assert split == {1: (1, 0), 3: (3, 0), 4: (3, 1), 10: (9, 1)}


def test_batches_share_out_every_image():
    images = torch.arange(10)
    alone = torch.cat(list(batches(images, 4, seed=1)))
    assert sorted(alone.tolist()) == list(range(10))
    shares = [list(batches(images, 2, seed=1, rank=rank, processes=3)) for rank in range(3)]
    assert [[len(part) for part in share] for share in shares] == [[2, 2]] * 3
    assert set(torch.cat([part for share in shares for part in share]).tolist()) == set(range(10))


def test_the_test_set_is_judged_every_so_many_epochs_and_at_the_last(tmp_path, images, textures, labelled):
    reports = []
    train(config(tmp_path, epochs=5, test_every=2), images, textures, test=labelled, on_epoch=reports.append)
    assert [report.epoch for report in reports if report.test] == [2, 4, 5]
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["test_image_auroc"].notna().tolist() == [False, True, False, True, True]
    assert table["test_image_auroc"].iloc[-1] == pytest.approx(reports[-1].test.image_auroc)


def asked(out, **changes):
    """Return a config in which nothing is said of evaluation."""
    given = {
        name: value for name, value in config(out, **changes).model_dump().items() if name in ASKED | changes.keys()
    }
    return TrainConfig.model_validate(given)


ASKED = {"data", "out", "epochs", "batch_size", "widths", "input_size", "learning_rate", "device", "precision"}


def test_without_a_word_of_it_every_epoch_is_judged_on_made_up_and_on_real_defects(
    tmp_path, images, textures, labelled
):
    train(asked(tmp_path, epochs=2), images, textures, test=labelled)
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table[["validation_total", "validation_image_auroc", "test_image_auroc"]].notna().all(axis=None)
    assert table["images"].tolist() == [7, 7], "one of eight is held out"


@pytest.mark.parametrize("said", ["zero", "nothing"])
def test_a_folder_that_was_not_judged_goes_on_so(tmp_path, images, textures, labelled, said):
    """Of the version whose default was 0, and of one that did not know these fields."""
    train(config(tmp_path / "whole", epochs=2), images, textures)
    with pytest.raises(ZeroDivisionError):
        train(config(tmp_path / "run", epochs=2), images, textures, on_epoch=lambda report: 1 / 0)
    if said == "nothing":
        described = json.loads((tmp_path / "run" / "config.json").read_text())
        del described["config"]["validation_share"], described["config"]["test_every"]
        (tmp_path / "run" / "config.json").write_text(json.dumps(described))
    train(asked(tmp_path / "run", epochs=2), images, textures, test=labelled)
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_what_is_not_given_again_stays_as_the_folder_has_it(tmp_path, images, textures):
    train(config(tmp_path, epochs=2, seed=5, keep=1), images, textures)
    continued = run_folder.RunFolder(tmp_path).continued(TrainConfig(data=tmp_path, out=tmp_path, probes=0))
    assert (continued.seed, continued.keep, continued.widths, continued.epochs) == (5, 1, (4, 4), 2)
    assert (continued.data, continued.probes) == (tmp_path, 0), "what may change and is given, does"
    with pytest.raises(ConfigError, match="another seed"):
        run_folder.RunFolder(tmp_path).continued(TrainConfig(data=tmp_path, out=tmp_path, seed=0))


@pytest.mark.parametrize(
    ("schedule", "first", "finished", "then"),
    [("anomalib", 2, 2, 4), ("anomalib", 4, 2, 3), ("original", 5, 4, 8)],
    ids=["a finished one longer", "shorter", "longer before the rate drops"],
)
def test_a_run_made_longer_equals_one_that_always_was(tmp_path, images, textures, schedule, first, finished, then):
    def enough(report):
        if report.epoch == finished < first:
            raise InterruptedError

    train(config(tmp_path / "whole", epochs=then, schedule=schedule), images, textures)
    with suppress(InterruptedError):
        train(config(tmp_path / "run", epochs=first, schedule=schedule), images, textures, on_epoch=enough)
    train(config(tmp_path / "run", epochs=then), images, textures)
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["epochs"] == then


@pytest.mark.parametrize("schedule", ["original", "cosine"])
def test_a_run_whose_rates_would_have_been_others_is_not_made_longer(tmp_path, images, textures, schedule):
    train(config(tmp_path, epochs=3, schedule=schedule), images, textures)
    with pytest.raises(ConfigError, match=rf"{schedule} set the learning rates .* --start-from \S+epoch_0003\.safet"):
        train(config(tmp_path, epochs=5), images, textures)
    with pytest.raises(ConfigError, match="3 finished epochs already"):
        train(config(tmp_path, epochs=2), images, textures)


def test_of_few_images_none_is_held_out(tmp_path, images, textures):
    train(asked(tmp_path, epochs=1), images[:3], textures)
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["images"].tolist() == [3]
    assert table["validation_total"].isna().all()


def test_a_validation_that_misleads_is_told():
    row = {"epoch": 7, "validation_image_auroc": 1.0, "test_image_auroc": 0.6}
    assert "Epoch 7: synthetic anomalies are found (validation image AUROC 1.000), real ones are not" in disagreement(
        row
    )
    assert disagreement({**row, "test_image_auroc": 0.95}) is None
    assert disagreement({**row, "validation_image_auroc": 0.75}) is None, "who finds neither is not misled"
    assert disagreement({**row, "test_image_auroc": None}) is None
    assert disagreement({**row, "test_image_auroc": np.nan}) is None


def test_patience_ends_a_run_that_no_longer_improves(tmp_path, images, textures):
    settings = config(tmp_path, epochs=50, validation_share=0.25, patience=2, learning_rate=1e-9, keep=0)
    last = train(settings, images, textures)
    table = pd.read_csv(tmp_path / "metrics.csv")
    best = int(table["epoch"][table["validation_total"].idxmin()])
    assert len(table) == best + 2 < 50
    assert last.name == f"epoch_{best + 2:04d}.safetensors"
    assert train(settings, images, textures) == last, "a finished run is not trained on"


def test_the_best_epochs_are_kept():
    rows = [
        {"epoch": 1, "validation_total": 0.5, "test_image_auroc": 0.7},
        {"epoch": 2, "validation_total": 0.2, "test_image_auroc": np.nan},
        {"epoch": 3, "validation_total": 0.2, "test_image_auroc": 0.9},
        {"epoch": 4, "validation_total": np.nan, "test_image_auroc": 0.9},
    ]
    assert best_epochs(rows) == {"validation loss": 2, "test image AUROC": 3}
    assert best_epochs([{"epoch": 1}]) == {}


def test_best_checkpoints_stay_beside_the_newest(tmp_path, images, textures, labelled, monkeypatch):
    aurocs = itertools.cycle([0.5, 0.9, 0.6, 0.7])
    monkeypatch.setattr("draem_core.training.loop.evaluate", lambda *_: TestMetrics(next(aurocs), 0.5, 0.5))
    for name, keep_best in (("best", True), ("newest", False)):
        settings = config(tmp_path / name, epochs=4, keep=1, keep_best=keep_best, test_every=1)
        train(settings, images, textures, test=labelled)
    assert [path.stem for path in sorted((tmp_path / "best" / "checkpoints").iterdir())] == ["epoch_0002", "epoch_0004"]
    assert [path.stem for path in (tmp_path / "newest" / "checkpoints").iterdir()] == ["epoch_0004"]


def test_a_run_of_an_older_version_goes_on(tmp_path, images, textures):
    """Its config lacks what came later, its state the scaler, and it has no journals."""
    train(config(tmp_path / "whole"), images, textures)
    train(config(tmp_path / "old", epochs=3), images, textures, on_epoch=lambda report: None)
    whole, old = tmp_path / "whole", tmp_path / "old"
    described = json.loads((old / "config.json").read_text())
    for name in ("sspcab", "optimizer", "loss_weights", "validation_share", "probes", "keep_best", "cutpaste_share"):
        del described["config"][name]
    (old / "config.json").write_text(json.dumps(described))
    for name in ("steps.csv", "layers.csv", "probes.csv"):
        (old / name).unlink()
    shutil.rmtree(old / "probes")
    state = torch.load(old / "state.pt")
    del state["scaler"]
    torch.save(state, old / "state.pt")
    assert train(config(old), images, textures).name == "epoch_0003.safetensors"
    assert torch.equal(*(next(iter(weights_of(run).values())) for run in (whole, old)))


def test_a_full_disk_keeps_the_last_good_state(tmp_path, images, textures, monkeypatch):
    train(config(tmp_path / "whole"), images, textures)
    writing = run_folder.write_atomically

    def full(path, content):
        if path.name == "state.pt" and (tmp_path / "run" / "checkpoints" / "epoch_0002.safetensors").exists():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return writing(path, content)

    monkeypatch.setattr("draem_core.runs.run_folder.write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        train(config(tmp_path / "run"), images, textures)
    monkeypatch.undo()
    reports = []
    train(config(tmp_path / "run"), images, textures, on_epoch=reports.append)
    assert [report.epoch for report in reports] == [2, 3]
    assert_same_run(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (".", r"run/steps\.csv is gone, so the run cannot be written down.*the last saved epoch"),
        ("checkpoints", "checkpoints is gone, so epoch 2 cannot be saved"),
    ],
)
def test_a_folder_that_vanishes_is_told(tmp_path, images, textures, lost, told):
    with pytest.raises(RunFolderError, match=told):
        train(
            config(tmp_path / "run"), images, textures, on_epoch=lambda report: shutil.rmtree(tmp_path / "run" / lost)
        )


def test_two_trainings_never_write_to_one_folder(tmp_path, command):
    """Real processes: the second one ends with a sentence, and the lock goes with the first one, killed."""
    holder = "import sys, time; from pathlib import Path; from draem_core.launch.run_lock import run_lock\n"
    holder += "with run_lock(Path(sys.argv[1])): print(flush=True); time.sleep(600)"
    first = subprocess.Popen([sys.executable, "-c", holder, tmp_path / "run"], cwd=ROOT, stdout=subprocess.PIPE)
    first.stdout.readline()
    second = [sys.executable, *command(tmp_path / "run", "--epochs", "1")]
    done = subprocess.run(second, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 2
    assert f"{tmp_path / 'run'} is being written to by process {first.pid}" in done.stderr
    assert lock_owner(tmp_path / "run") == f"process {first.pid}"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
    first.kill()
    first.wait()
    assert lock_owner(tmp_path / "run") is None
    subprocess.run(second, cwd=ROOT, check=True, capture_output=True, timeout=600)


def test_a_glance_at_the_lock_does_not_keep_a_training_from_it(tmp_path):
    with run_lock(tmp_path):
        pass
    with (tmp_path / "lock").open() as glance:
        fcntl.flock(glance, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (glance, fcntl.LOCK_UN)).start()
        with run_lock(tmp_path):
            assert lock_owner(tmp_path) == f"process {os.getpid()}"
    assert lock_owner(tmp_path / "nowhere") is None


def test_damaged_run_folders_are_told(tmp_path, images, textures):
    train(config(tmp_path, epochs=1), images, textures)
    whole = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(whole[:1000])
    with pytest.raises(RunFolderError, match=r"state\.pt cannot be read"):
        train(config(tmp_path, epochs=1), images, textures)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"config\.json is no training configuration"):
        train(config(tmp_path, epochs=1), images, textures)


def test_leftovers_of_a_kill_are_cleared(tmp_path, images, textures):
    train(config(tmp_path, epochs=1), images, textures)
    leftover = tmp_path / "checkpoints" / ".epoch_0002.safetensors.abc.tmp"
    leftover.write_bytes(b"half")
    with (tmp_path / "steps.csv").open("a") as file:
        file.write("2,1,0.1")
    train(config(tmp_path, epochs=1), images, textures)
    assert not leftover.exists()
    assert len(pd.read_csv(tmp_path / "steps.csv")) == 2


def test_one_last_image_of_32_pixels_is_refused_before_anything_starts(tmp_path, images, textures):
    with pytest.raises(ConfigError, match="last batch of one image"):
        train(config(tmp_path, batch_size=7), images, textures)


def test_a_real_run_finds_real_defects():
    table = pd.read_csv(healthy_run() / "metrics.csv")
    assert table["test_image_auroc"].iloc[-1] >= 0.9
    assert table["test_pixel_auroc"].iloc[-1] >= 0.7
    assert table["total"].iloc[-1] < 0.1 * table["total"].iloc[0]


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
        ({"data": "a", "out": "b", "patience": 3, "validation_share": 0}, "validation_share"),
        ({"data": "a", "out": "b", "loss_weights": {"l2": "x"}}, r"loss_weights\.l2"),
        ({"data": "a", "out": "b", "loss_weights": {"lpips": 1}}, r"loss_weights\.lpips"),
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


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A function (out, *options) → the arguments of a real training process on a small dataset with defects."""
    folder = tmp_path_factory.mktemp("command")
    rng = np.random.default_rng(0)
    for place, count in (("train/good", 8), ("test/good", 2), ("test/hole", 2)):
        (folder / "data" / place).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "data" / place / f"{index}.png")
    file = folder / "run.toml"
    file.write_text("widths = [4, 4]\ninput_size = [32, 32]\nbatch_size = 3\nepochs = 8\nvalidation_share = 0.25\n")

    def arguments(out, *options):
        given = ["--config", str(file), "--threads", "1", "--data", str(folder / "data"), "--out", str(out)]
        return ["-m", "draem_core", "train", *given, *options]

    return arguments


def test_killed_with_9_the_command_goes_on_as_if_nothing_had_happened(tmp_path, command):
    """Real processes, a real kill within an epoch."""
    options = ("--test-every", "1", "--precision", "float32")
    whole = [sys.executable, *command(tmp_path / "whole", *options)]
    subprocess.run(whole, cwd=ROOT, check=True, capture_output=True, timeout=600)
    killed = [sys.executable, *command(tmp_path / "run", *options)]
    steps = tmp_path / "run" / "steps.csv"
    process = subprocess.Popen(killed, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not (steps.exists() and steps.read_text().count("\n") > 7):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)  # in the fourth epoch: two steps each, and the header
    process.wait()
    done = subprocess.run(killed, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "epoch 1  " not in done.stdout, "finished epochs are not repeated"
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_asked_to_stop_the_command_ends_its_step_and_goes_on_from_there(tmp_path, command):
    """SIGTERM, as the Train page's Stop and a shutdown send it, within an epoch of eight steps."""
    options = ("--batch-size", "1", "--validation-share", "0", "--epochs", "2", "--precision", "float32")
    options += ("--input-size", "64", "64")
    whole = [sys.executable, *command(tmp_path / "whole", *options)]
    subprocess.run(whole, cwd=ROOT, check=True, capture_output=True, timeout=600)
    stopped = [sys.executable, *command(tmp_path / "run", *options)]
    steps = tmp_path / "run" / "steps.csv"
    process = subprocess.Popen(stopped, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not (steps.exists() and steps.read_text().count("\n") > 10):
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=600)
    assert process.returncode == STOPPED
    done = re.search(r"Stopped at epoch (\d) after step (\d) of 8\.", said)
    assert done, said
    assert len(pd.read_csv(steps)) == 8 * (int(done[1]) - 1) + int(done[2]), "no step was lost"
    subprocess.run(stopped, cwd=ROOT, check=True, capture_output=True, timeout=600)
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_every_field_is_an_option(monkeypatch):
    seen = []
    monkeypatch.setattr("draem_core.commands.train._train", lambda settings, tensorboard, stop: seen.append(settings))
    given = "--data a --out nowhere --width 8 4 --input-size 64 96 --loss-weight l1=0.5 --loss-weight ssim=0"
    given += " --no-keep-best --clean-share 0.2 --focal-alpha 0.3 --checkpoint-dtype float16 --crop-size 32 --epochs 3"
    done = CliRunner().invoke(app, ["train", *given.split()], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    expected = {"data": "a", "out": "nowhere", "widths": (8, 4), "input_size": (64, 96), "keep_best": False}
    expected |= {"loss_weights": {"l1": 0.5, "ssim": 0}, "clean_share": 0.2, "focal_alpha": 0.3, "crop_size": 32}
    assert seen == [TrainConfig(**expected, checkpoint_dtype="float16", epochs=3)]
    offered = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300"}).output
    named = {"widths": "width", "loss_weights": "loss-weight"}
    missing = [
        name for name in TrainConfig.model_fields if f"--{named.get(name, name.replace('_', '-'))}" not in offered
    ]
    assert not missing
    assert all(field.description for field in TrainConfig.model_fields.values())


def test_two_processes_train_one_network(tmp_path, command):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = ("--device", "cpu", "--precision", "float32", "--epochs", "2", "--batch-size", "3")
    done = subprocess.run(
        [*torchrun, *command(tmp_path / "run", *options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained.") == 1, "one process speaks for all"
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert table["images"].tolist() == [6, 6]
    assert len(pd.read_csv(tmp_path / "run" / "steps.csv")) == 2, "each process takes half of the six images"


def test_tensorboard_is_optional(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DraemError, match=r"pip install tensorboard.*metrics\.csv"):
        TensorBoardLog(tmp_path)


def test_tensorboard_gets_every_figure(tmp_path, images, textures, monkeypatch):
    class Writer:
        def __init__(self, folder):
            self.scalars = {}

        def add_scalar(self, name, value, place):
            self.scalars.setdefault(name, []).append((place, value))

        def flush(self):
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    log = TensorBoardLog(tmp_path)
    settings = config(tmp_path / "run", validation_share=0.25, epochs=2)
    train(settings, images, textures, on_step=log.step, on_epoch=log.epoch)
    scalars = log._writer.scalars
    assert [place for place, _ in scalars["step/loss"]] == [1, 2, 3, 4]
    assert [place for place, _ in scalars["epoch/validation_total"]] == [1, 2]
    assert "epoch/test_image_auroc" not in scalars


def test_an_unfinished_epoch_of_an_older_version_opens():
    older = {"steps": 3, "seen": 12, "chance": torch.Generator().manual_seed(5).get_state(), "device": "cpu"}
    state = EpochState.from_state({"epoch": 1, "midst": older})
    assert (state.steps, state.seen) == (3, 12)
    drawn = torch.rand(2, generator=state.generator(torch.device("cpu"), seed=0))
    assert torch.equal(drawn, torch.rand(2, generator=torch.Generator().manual_seed(5)))
    assert EpochState.from_state({"epoch": 1}).steps == 0
