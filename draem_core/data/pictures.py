"""Pictures as one tensor in memory, for training."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from draem_core.data.depth import depth_note
from draem_core.data.images import read_with_highest


def load_pictures(
    paths: Sequence[Path], size: tuple[int, int], on_note: Callable[[str], object] = lambda note: None
) -> Tensor:
    """Return (N, 3, H, W) uint8 RGB, resized bilinearly with antialias to ``size`` = (H, W).

    1000 pictures of 256×256 take 200 MB. ``on_note`` gets a sentence where all are read too dark (see `depth_note`).

    Raises:
        ImageError: a picture cannot be read.
    """

    def load(path: Path) -> tuple[Tensor, int | None]:
        picture, highest = read_with_highest(path)
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None]
        if tuple(pixels.shape[-2:]) != size:
            pixels = F.interpolate(pixels.float(), size, mode="bilinear", antialias=True).round().clamp(0, 255).byte()
        return pixels[0], highest

    with ThreadPoolExecutor(max_workers=4) as pool:
        pictures, highest = zip(*pool.map(load, paths), strict=True)
    if (note := depth_note(highest, "The set of training pictures holds")) is not None:
        on_note(note)
    return torch.stack(pictures)
