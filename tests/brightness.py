"""A dataset and a stand-in for the network whose maps a reader knows: the brightness of the picture.

Knows no pytest.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from draem_core.types import Card, Prediction

SIDE = 32
CARD = Card(
    name="invented",
    flavour="ours",
    widths=(4, 4),
    input_size=(SIDE, SIDE),
    resize_filter="bilinear_antialias",
    color_order="RGB",
    concat_order="image_first",
    score_rule="max",
    digest="d1",
)


class BrightnessPredictor:
    """The map is the red channel over 255; ``seen`` holds the pictures' means in the order they came."""

    precision = "float32"
    device = torch.device("cpu")

    def __init__(self, card: Card = CARD) -> None:
        self.card = card
        self.seen: list[float] = []

    def predict(self, picture: np.ndarray, name: str = "this picture") -> Prediction:
        assert picture.shape == (SIDE, SIDE, 3)
        self.seen.append(float(picture.mean()))
        brightness = picture[..., 0].astype(np.float32) / 255
        nothing = np.zeros((SIDE, SIDE, 3), np.float32)
        logits = np.zeros((2, SIDE, SIDE), np.float32)
        return Prediction(nothing, nothing, logits, brightness, float(brightness.max()))


def make_category(root: Path, good: int = 5, spots: int = 4) -> Path:
    """Write ``good`` pictures of noise, to train and to test, and ``spots`` with a brighter square and its mask."""
    rng = np.random.default_rng(0)
    for index in range(good):
        for split in ("train", "test"):
            write_picture(root / split / "good" / f"{index}.png", rng)
    for index in range(spots):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[5 : 12 + index % 10, 8:20] = 255
        write_picture(root / "test" / "spot" / f"{index}.png", rng, mask)
        save(root / "ground_truth" / "spot" / f"{index}_mask.png", mask)
    return root


def write_picture(path: Path, rng: np.random.Generator, mask: np.ndarray | None = None) -> None:
    """Write 32×32 noise below 120, brighter by 80 where the mask is."""
    pixels = rng.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
    if mask is not None:
        pixels[mask > 0] += 80
    save(path, pixels)


def save(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels, making folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
