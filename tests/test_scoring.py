"""Scoring a dataset: what is written, what is skipped, and figures that agree with scikit-learn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from draem_core.checkpoints import save_checkpoint
from draem_core.data.datasets import open_dataset
from draem_core.errors import DatasetError
from draem_core.models import Draem
from draem_core.scoring import METRIC_NAMES, measure, score_dataset
from draem_core.types import Card, Prediction

ROOT = Path(__file__).resolve().parents[1]
CARD = Card(
    name="made up",
    flavour="ours",
    widths=(4, 4),
    input_size=(32, 32),
    resize_filter="bilinear_antialias",
    color_order="RGB",
    concat_order="image_first",
    score_rule="max",
)


class BrightnessPredictor:
    """A stand-in whose map is the picture's brightness, so that a reader knows every value."""

    card = CARD
    precision = "float32"
    device = torch.device("cpu")

    def predict_batch(self, pictures):
        assert all(picture.shape == (32, 32, 3) for picture in pictures)
        maps = [picture[..., 0].astype(np.float32) / 255 for picture in pictures]
        nothing = np.zeros((32, 32, 3), np.float32)
        return [Prediction(nothing, nothing, np.zeros((2, 32, 32), np.float32), m, float(m.max())) for m in maps]


@pytest.fixture
def category(tmp_path):
    """Five good pictures of noise, four with a brighter square; one of each is broken."""
    rng = np.random.default_rng(0)
    for folder in ("train/good", "test/good", "test/spot", "ground_truth/spot"):
        (tmp_path / "thing" / folder).mkdir(parents=True)
    for index in range(5):
        for split in ("train", "test"):
            pixels = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"thing/{split}/good/{index}.png")
    for index in range(4):
        pixels, mask = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8), np.zeros((32, 32), np.uint8)
        mask[5 : 12 + index, 8:20] = 255
        pixels[mask > 0] += 80
        Image.fromarray(pixels).save(tmp_path / f"thing/test/spot/{index}.png")
        Image.fromarray(mask).save(tmp_path / f"thing/ground_truth/spot/{index}_mask.png")
    (tmp_path / "thing/test/good/4.png").write_bytes(b"not a picture")
    return tmp_path / "thing"


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
    pixels, figures = np.asarray(scored.maps).ravel(), scored.metrics
    assert figures["pixel_auroc"] == pytest.approx(roc_auc_score(truth.ravel(), pixels), abs=1e-9)
    assert figures["pixel_ap"] == pytest.approx(average_precision_score(truth.ravel(), pixels), abs=1e-9)
    assert figures["image_auroc"] == pytest.approx(roc_auc_score(labels, scored.scores))
    assert figures["per_defect"]["spot"]["images"] == 4
    assert figures["per_defect"]["spot"]["pixel_auroc"] == pytest.approx(figures["pixel_auroc"]), "the only kind"
    assert figures["images"] == 8
    assert figures["undefined"] == {}


def test_what_is_written_can_be_read_back(scored, tmp_path):
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert table["file"].tolist()[:2] == ["test/good/0.png", "test/good/1.png"]
    np.testing.assert_allclose(table["image_score"], scored.scores)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == scored.metrics
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "maps.npy")[:8], scored.maps)


def test_without_defects_figures_are_undefined_with_a_reason(category):
    good = [sample for sample in open_dataset(category).test if sample.label == 0]
    figures = measure(good, np.random.default_rng(0).random((5, 32, 32)).astype(np.float32), np.arange(5.0))
    assert all(figures[name] is None for name in METRIC_NAMES)
    assert "every image is good" in figures["undefined"]["image"]
    assert "every pixel is good" in figures["undefined"]["pixel"]


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


def run(command):
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False, env=environment)
