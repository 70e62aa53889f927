"""Anomaly sources: the textures that are blended into good images while training.

A folder of pictures, or with none the pictures that scikit-image ships and patterns drawn here, so that
training works offline. Knows nothing of how they are blended.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from draem_core.data.images import IMAGE_SUFFIXES, read_image
from draem_core.errors import DatasetError, ImageError
from draem_core.formatting import is_text

MAX_TEXTURES = 2000  # 2000 pictures of 256×256 take 400 MB
CROPS_PER_PICTURE = 6
PATTERNS = 64
BUILT_IN = (
    *("astronaut", "brick", "camera", "cat", "cell", "coffee", "coins", "grass", "gravel"),
    *("immunohistochemistry", "moon", "page", "retina", "rocket", "text", "hubble_deep_field"),
)


def load_textures(folder: Path | None, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return the anomaly sources, (N, 3, H, W) uint8 on the CPU.

    Args:
        folder: searched with its sub-folders for pictures; at most 2000 are used, drawn by ``seed``. Links out of it
            and names that are no UTF-8 are left out.
            None takes the built-in ones.
        size: (H, W) that every texture is resized to.
        seed: draws crops and patterns.

    Raises:
        DatasetError: the folder holds no readable picture.
    """
    rng = np.random.default_rng(seed)
    pictures = _built_in(rng) if folder is None else _from_folder(folder, rng)
    resized = [np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)) for picture in pictures]
    if not resized:
        raise DatasetError(f"{folder} holds no readable picture. Name a folder of textures, or leave it out.")
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous()


def _from_folder(folder: Path, rng: np.random.Generator) -> Iterator[Image.Image]:
    root = folder.resolve()
    pictures = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and is_text(path))
    files = sorted(path for path in pictures if not path.is_symlink() or path.resolve().is_relative_to(root))
    for index in sorted(rng.permutation(len(files))[:MAX_TEXTURES]):
        try:
            yield Image.fromarray(read_image(files[index]))
        except ImageError:
            continue  # one bad texture among many is no reason to stop


def _built_in(rng: np.random.Generator) -> Iterator[Image.Image]:
    for name in BUILT_IN:
        pixels = np.asarray(getattr(skimage.data, name)())
        picture = Image.fromarray(pixels.astype(np.uint8)).convert("RGB")
        for _ in range(CROPS_PER_PICTURE):
            side = int(min(picture.size) * rng.uniform(0.3, 1.0))
            left, top = (int(rng.integers(0, whole - side + 1)) for whole in picture.size)
            yield picture.crop((left, top, left + side, top + side))
    for index in range(PATTERNS):
        yield Image.fromarray(_pattern(rng, kind=index % 4))


def _pattern(rng: np.random.Generator, kind: int, side: int = 256) -> np.ndarray:
    """Draw stripes, checks, cloud or flat colour between two random colours, (side, side, 3) uint8."""
    row, column = np.mgrid[0:side, 0:side] / side
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 40)
    along = (row * np.sin(angle) + column * np.cos(angle)) * period
    across = (row * np.cos(angle) - column * np.sin(angle)) * period
    if kind == 0:
        share = 0.5 + 0.5 * np.sin(2 * np.pi * along)
    elif kind == 1:
        share = (np.floor(along) + np.floor(across)) % 2
    elif kind == 2:
        cells = rng.integers(4, 64)
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
        share = np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)) / 255
    else:
        share = np.clip(0.5 + 0.1 * rng.standard_normal((side, side)), 0, 1)
    first, second = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    texture: np.ndarray = (first + (second - first) * share[..., None]).astype(np.uint8)
    return texture
