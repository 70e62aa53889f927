"""A home folder with the demo's names for tests of the lesson: an untrained checkpoint and synthetic pictures.

Knows no pytest and no Streamlit.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from tiny_home import PICTURE, write_checkpoint

from pages._ui.lesson.steps import CHECKPOINT, DATASET, STEPS


def make_lesson_home(folder: Path) -> Path:
    """Fill ``folder`` with all that the lesson's steps ask for; return it."""
    write_checkpoint(folder / CHECKPOINT, seed=0)
    rng = np.random.default_rng(0)
    for name in dict.fromkeys(step.picture for step in STEPS):
        picture = rng.normal(130, 12, (*PICTURE, 3))
        mask = np.zeros(PICTURE, bool)
        mask[40:60, 50:90] = "good" not in name
        picture[mask] -= 80
        _save(folder / DATASET / name, picture.clip(0, 255).astype(np.uint8))
        if mask.any():
            truth = folder / DATASET / name.replace("test", "ground_truth")
            _save(truth.with_name(f"{truth.stem}_mask.png"), mask.astype(np.uint8) * 255)
    _save(folder / DATASET / "train/good/000.png", np.full((*PICTURE, 3), 130, np.uint8))
    return folder


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
