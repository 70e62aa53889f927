"""Scoring a dataset: what is written, what is skipped, and metrics that agree with scikit-learn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from brightness import CARD, BrightnessPredictor, make_category, save
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

from draem_core import Predictor, load_checkpoint
from draem_core.checkpoints import save_checkpoint
from draem_core.commands import command_line
from draem_core.data.datasets import open_dataset
from draem_core.errors import DatasetError
from draem_core.methods.draem import Draem
from draem_core.scoring import METRIC_NAMES, measure, score_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def category(tmp_path):
    """Five good pictures of noise, four with a brighter square; one of the good ones is broken."""
    root = make_category(tmp_path / "thing")
    (root / "test/good/4.png").write_bytes(b"not a picture")
    return root


@pytest.fixture
def scored(category, tmp_path):
    progress = []
    result = score_dataset(
        BrightnessPredictor(),
        open_dataset(category),
        tmp_path / "out",
        batch_size=3,
        on_progress=lambda *report: progress.append(report),
    )
    assert progress == [(0, 9), (3, 9), (6, 9), (9, 9)]
    return result


def test_a_broken_picture_is_named_and_skipped(scored):
    assert [problem for problem in scored.problems if "4.png" in problem]
    assert len(scored.samples) == 8
    assert scored.maps.shape == (8, 32, 32)


def test_figures_agree_with_scikit_learn(scored):
    truth = np.zeros((8, 32, 32), bool)
    for index in range(4):
        truth[4 + index, 5 : 12 + index, 8:20] = True
    labels = np.array([0] * 4 + [1] * 4)
    pixels, values = np.asarray(scored.maps).ravel(), scored.metrics
    assert values["pixel_auroc"] == pytest.approx(roc_auc_score(truth.ravel(), pixels), abs=1e-9)
    assert values["pixel_ap"] == pytest.approx(average_precision_score(truth.ravel(), pixels), abs=1e-9)
    assert values["image_auroc"] == pytest.approx(roc_auc_score(labels, scored.scores))
    assert values["per_defect"]["spot"]["images"] == 4
    assert values["per_defect"]["spot"]["pixel_auroc"] == pytest.approx(values["pixel_auroc"]), "the only kind"
    assert values["images"] == 8
    assert values["undefined"] == {}


def test_what_is_written_can_be_read_back(scored, tmp_path):
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert table["file"].tolist()[:2] == ["test/good/0.png", "test/good/1.png"]
    np.testing.assert_allclose(table["image_score"], scored.scores)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == scored.metrics
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "maps.npy")[:8], scored.maps)


def test_without_defects_metrics_are_undefined_with_a_reason(category):
    good = [sample for sample in open_dataset(category).test if sample.label == 0]
    values = measure(good, np.random.default_rng(0).random((5, 32, 32)).astype(np.float32), np.arange(5.0))
    assert all(values[name] is None for name in METRIC_NAMES)
    assert "every image is good" in values["undefined"]["image"]
    assert "every pixel is good" in values["undefined"]["pixel"]


def test_a_dataset_without_a_readable_picture_is_an_error(category, tmp_path):
    for path in category.glob("test/*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match="no test image"):
        score_dataset(BrightnessPredictor(), open_dataset(category), tmp_path / "out")


def test_the_command(category, tmp_path):
    torch.manual_seed(0)
    checkpoint = save_checkpoint(tmp_path / "tiny.safetensors", Draem((4, 4)).eval(), CARD)
    command = [sys.executable, "-m", "draem_core", "score", "--checkpoint", str(checkpoint)]
    command += ["--data", str(category), "--out", str(tmp_path / "out")]
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert "4.png" in done.stdout.replace("\n", ""), "the broken picture is named"
    assert set(METRIC_NAMES) <= set(json.loads((tmp_path / "out" / "metrics.json").read_text()))
    failed = run([*command[:-1], str(tmp_path / "out2"), "--data", str(tmp_path / "nowhere")])
    assert failed.returncode == 2
    assert "nowhere" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_command_names_the_rule_for_masks_and_the_metrics_of_both(category, tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[8:19, 8:19] = 255  # 6 × 6 pixels of the map are touched, 5 × 5 centres lie inside
    for path in (category / "ground_truth/spot").iterdir():
        save(path, mask)
    checkpoint = save_checkpoint(tmp_path / "tiny.safetensors", Draem((4, 4)).eval(), CARD)
    command = ["score", "--checkpoint", str(checkpoint), "--data", str(category), "--out", str(tmp_path / "out")]
    for rule, other in (("nearest", "any"), ("any", "nearest")):
        done = CliRunner().invoke(command_line.app, [*command, "--mask-downscaling", rule])
        assert done.exit_code == 0, done.output
        values = json.loads((tmp_path / "out/metrics.json").read_text())
        assert (values["mask_downscaling"], values["other_mask_downscaling"]["rule"]) == (rule, other)
        both = f"aupro {values['aupro']:.4f} ({values['other_mask_downscaling']['aupro']:.4f})"
        assert f"by mask downscaling {rule} (and by {other})" in done.output
        assert both in done.output
    assert CliRunner().invoke(command_line.app, [*command, "--mask-downscaling", "bilinear"]).exit_code == 2


def test_ctrl_c_says_how_to_go_on(category, tmp_path, monkeypatch):
    def interrupted(*_, on_progress, **__):
        on_progress(3, 9)
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "score_dataset", interrupted)
    checkpoint = save_checkpoint(tmp_path / "tiny.safetensors", Draem((4, 4)).eval(), CARD)
    arguments = ["score", "--checkpoint", str(checkpoint), "--data", str(category), "--out", str(tmp_path / "out")]
    stopped = CliRunner().invoke(command_line.app, arguments)
    assert stopped.exit_code == 130
    assert "Stopped after 3 of 9 images. The same command goes on from there." in stopped.output


def test_names_that_are_no_plain_words(tmp_path):
    """Formulas are no formulas in the CSV, and as they are in the table; nothing is written outside ``out``."""
    names = ["=1+1.png", "@a 'b' \"c\".png", "[red]größe 日本.png", "line\nbreak.png", "up..png"]
    for name in names:
        save(tmp_path / "flat" / name, np.full((32, 32, 3), 9, np.uint8))
    score_dataset(BrightnessPredictor(), open_dataset(tmp_path / "flat"), tmp_path / "out")
    assert sorted(pd.read_parquet(tmp_path / "out/scores.parquet")["file"]) == sorted(names)
    in_csv = pd.read_csv(tmp_path / "out/scores.csv")["file"]
    assert sorted(in_csv) == sorted(["'=1+1.png", "'@a 'b' \"c\".png", *names[2:]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat", "out"]


def test_pictures_of_one_pixel_and_of_mixed_sizes(tmp_path):
    for index, size in enumerate([(1, 1), (1, 70), (33, 31), (200, 300)]):
        save(tmp_path / f"mixed/test/good/{index}.png", np.full((*size, 3), 9, np.uint8))
    checkpoint = save_checkpoint(tmp_path / "tiny.safetensors", Draem((4, 4)).eval(), CARD)
    predictor = Predictor(load_checkpoint(checkpoint), device="cpu", precision="float32")
    result = score_dataset(predictor, open_dataset(tmp_path / "mixed"), tmp_path / "out")
    assert result.maps.shape == (4, 32, 32)
    assert result.problems == (
        "1 picture is reduced more than 8 times, up to 9.38 times a side, to the map's 32 × 32 grid, where small "
        "defects vanish: test/good/3.png.",
    )


def run(command):
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False, env=environment)
