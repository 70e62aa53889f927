"""A drawn part and a training of it that ends well, for the tests that need a real run."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from draem_core.data.textures import load_textures
from draem_core.training.config import TrainConfig
from draem_core.training.labelled import LabelledImages
from draem_core.training.loop import train

SIZE = 64
KINDS = ("good", "scratch", "stain")
OF_EACH = 6


def good_parts(count: int, seed: int) -> torch.Tensor:
    """Draw (count, 3, 64, 64) uint8: two soft stripes, a little moved each time."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    parts = []
    for _ in range(count):
        grey = 110 + 60 * np.sin(2 * np.pi * (2 * column + 0.1 * rng.uniform())) + 20 * row
        noise = rng.normal(0, 0.5, (3, SIZE, SIZE))
        parts.append(np.clip(np.stack([grey, 0.9 * grey, 0.7 * grey]) + noise, 0, 255))
    return torch.from_numpy(np.stack(parts).astype(np.uint8))


def test_parts() -> LabelledImages:
    """Draw six good parts, six with a bright scratch, six with a dark stain."""
    rng = np.random.default_rng(5)
    images = good_parts(len(KINDS) * OF_EACH, seed=5)
    kinds = [kind for kind in KINDS for _ in range(OF_EACH)]
    masks = np.zeros((len(kinds), SIZE, SIZE), bool)
    for index, kind in enumerate(kinds):
        top, left = rng.integers(8, SIZE - 20, 2)
        if kind == "stain":
            masks[index, top : top + 10, left : left + 12] = True
            images[index, :, torch.from_numpy(masks[index])] = torch.tensor([40, 70, 30], dtype=torch.uint8)[:, None]
        elif kind == "scratch":
            masks[index, top : top + 2, left - 6 : left + 16] = True
            images[index, :, torch.from_numpy(masks[index])] = 240
    names = tuple(f"test/{kind}/{index:03d}.png" for index, kind in enumerate(kinds))
    return LabelledImages(names, tuple(kinds), np.array([kind != "good" for kind in kinds]), images, tuple(masks))


test_parts.__test__ = False  # type: ignore[attr-defined]


def run_config(out: Path, **changes: object) -> TrainConfig:
    """Return the config of the run below, or of one that differs."""
    values: dict[str, object] = {
        **{"data": Path("made/up"), "out": out, "epochs": 12, "batch_size": 4, "widths": (8, 8)},
        **{"input_size": (SIZE, SIZE), "learning_rate": 3e-3, "schedule": "cosine", "clean_share": 0.25},
        **{"rotate_share": 0.0, "validation_share": 0.1, "test_every": 1, "keep": 1, "probes": 6},
        **{"device": "cpu", "precision": "float32"},
    }
    return TrainConfig.model_validate({**values, **changes})


@functools.cache
def healthy_run() -> Path:
    """Train for twelve epochs, once for all tests of a process (about 15 s of CPU); return the run folder."""
    folder = Path(tempfile.mkdtemp(prefix="tiny_training_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out = folder / "healthy"
    train(run_config(out), good_parts(40, seed=1), load_textures(None, (SIZE, SIZE)), test=test_parts())
    return out
