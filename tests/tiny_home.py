"""A home folder of its own for tests of the app: two small untrained checkpoints and two small datasets.

Nothing bundled is needed, and what a test uploads stays in the test's folder. Knows no pytest and no Streamlit.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from draem_core import Card, Predictor, load_checkpoint, read_image, save_checkpoint
from draem_core.methods.draem import Draem
from draem_core.types import Prediction

WIDTHS = (8, 4)
GRID = (64, 96)  # the maps' height and width
PICTURE = (90, 135)  # the pictures'
FIRST_DEFECT = "test/scratch/000.png"  # what Explore opens with
DEFECTS = {"scratch": 3, "spot": 2}  # kind → pictures
GOOD = 2


def make_home(folder: Path) -> Path:
    """Fill ``folder`` with checkpoints/{alpha,beta}.safetensors and datasets/{tiles,unlabelled}; return it."""
    for seed, name in enumerate(("alpha", "beta")):
        write_checkpoint(folder / "checkpoints" / f"{name}.safetensors", seed)
    tiles, rng = folder / "datasets" / "tiles", np.random.default_rng(0)
    for number in range(GOOD):
        _write_picture(tiles / "train" / "good" / f"{number:03}.png", rng)
        _write_picture(tiles / "test" / "good" / f"{number:03}.png", rng)
        _write_picture(folder / "datasets" / "unlabelled" / f"{number:03}.png", rng)
    for kind, count in DEFECTS.items():
        for number in range(count):
            mask = np.zeros(PICTURE, bool)
            top, left = rng.integers(5, 50), rng.integers(5, 60)
            mask[top : top + (6 if kind == "scratch" else 25), left : left + (60 if kind == "scratch" else 25)] = True
            _write_picture(tiles / "test" / kind / f"{number:03}.png", rng, mask)
            _save(tiles / "ground_truth" / kind / f"{number:03}_mask.png", mask.astype(np.uint8) * 255)
    return folder


def write_checkpoint(path: Path, seed: int, scale: float = 1.0) -> Path:
    """Write an untrained network whose maps spread over [0, 1]; a huge ``scale`` makes its numbers overflow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    card = Card(
        name=path.stem,
        flavour="ours",
        widths=WIDTHS,
        input_size=GRID,
        resize_filter="bilinear_antialias",
        color_order="RGB",
        concat_order="image_first",
        score_rule="max",
    )
    return save_checkpoint(path, _network(seed, scale), card)


def predict(home: Path, checkpoint: str, picture: str | bytes) -> Prediction:
    """What ``checkpoints/<checkpoint>.safetensors`` says of a picture of ``datasets/tiles``, or of a file's bytes."""
    source = home / "datasets" / "tiles" / picture if isinstance(picture, str) else picture
    predictor = Predictor(load_checkpoint(home / "checkpoints" / f"{checkpoint}.safetensors"), device="cpu")
    return predictor.predict(read_image(source))


@torch.no_grad()
def _network(seed: int, scale: float) -> Draem:
    torch.manual_seed(seed)
    model = Draem(WIDTHS)
    pictures = torch.rand(2, 3, *GRID)
    for _ in range(30):  # settles batch-norm's averages: without that the signal dies out on its way
        _, logits = model.train()(pictures)
    _, logits = model.eval()(pictures)
    margin = logits[:, 1] - logits[:, 0]
    last = model.discriminative_subnetwork.decoder_segment.fin_out[0]
    last.weight *= 2 / margin.std()
    last.bias *= 2 / margin.std()
    last.bias[1] -= 2 * margin.mean() / margin.std() + 1
    last.weight *= scale
    return model


def _write_picture(path: Path, rng: np.random.Generator, defect: np.ndarray | None = None) -> None:
    height, width = PICTURE
    ramp = np.linspace(90, 160, width)[None, :, None] + rng.uniform(-20, 20, 3)
    pixels = ramp + rng.normal(0, 12, (height, width, 3))
    if defect is not None:
        pixels[defect] -= 70
    _save(path, np.clip(pixels, 0, 255).astype(np.uint8))


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
