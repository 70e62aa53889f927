"""Pictures as one tensor in memory, for training."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from draem_core.data.images import read_image


def load_pictures(paths: Sequence[Path], size: tuple[int, int]) -> Tensor:
    """Return (N, 3, H, W) uint8 RGB, resized bilinearly with antialias to ``size`` = (H, W).

    1000 pictures of 256×256 take 200 MB.

    Raises:
        ImageError: a picture cannot be read.
    """

    def load(path: Path) -> Tensor:
        pixels = torch.from_numpy(read_image(path)).permute(2, 0, 1)[None]
        if tuple(pixels.shape[-2:]) != size:
            pixels = F.interpolate(pixels.float(), size, mode="bilinear", antialias=True).round().clamp(0, 255).byte()
        return pixels[0]

    with ThreadPoolExecutor(max_workers=4) as pool:
        return torch.stack(list(pool.map(load, paths)))
