"""All that chance decides of a batch of synthetic anomalies, drawn in one fixed order before a pixel is made.

Training draws whole batches by it, a page that shows one sample draws a batch of one; both make their pictures of the
draw by `draem_core.synthesis.anomalies`. Knows no picture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from draem_core.synthesis.augment import DrawnAugmentation, draw_changes
from draem_core.synthesis.cutpaste import PatchDraw, draw_patches
from draem_core.synthesis.perlin import NoiseDraw, draw_noise, random_rotations

CLEAN_SHARE = 0.5  # as the original code
MAX_IMAGE_SHARE = 0.8  # β, the image's share inside an anomaly, is U(0, 0.8) as in the original code


@dataclass(frozen=True, eq=False)
class TextureDraw:
    """What chance decides of B blended textures.

    texture: (B,) int64, which one of the anomaly sources. noise: of the shapes.
    image_share: β, (B, 1, 1, 1) float32. changes: what the textures undergo first.
    """

    texture: Tensor
    noise: NoiseDraw
    image_share: Tensor
    changes: tuple[DrawnAugmentation, ...]


@dataclass(frozen=True, eq=False)
class BatchDraw:
    """What chance decides of a batch of B images.

    rotated: (T,) int64, the images that are rotated, by ``rotations`` (T,) radians.
    anomaly_draws: (B,) float32 in [0, 1); an image whose draw is below the clean share stays good.
    anomalous: (P,) int64, the others. texture: of these P, None where there are none.
    pasted: (Q,) int64, those of the anomalous ones that get a patch instead of their texture; ``patches`` are theirs,
        None where no image may get one.
    """

    rotated: Tensor
    rotations: Tensor
    anomaly_draws: Tensor
    anomalous: Tensor
    texture: TextureDraw | None
    pasted: Tensor
    patches: PatchDraw | None


def draw_batch(
    count: int,
    size: tuple[int, int],
    sources: int,
    generator: torch.Generator,
    *,
    clean_share: float = CLEAN_SHARE,
    rotate_share: float = 0.0,
    cutpaste_share: float = 0.0,
    max_image_share: float = MAX_IMAGE_SHARE,
) -> BatchDraw:
    """Draw a batch of ``count`` images of ``size`` = (H, W) with so many anomaly sources; see ``synthesise``."""
    device = generator.device
    rotated, rotations = _draw_rotations(count, rotate_share, generator)
    anomaly_draws = torch.rand(count, generator=generator, device=device)
    anomalous = (anomaly_draws >= clean_share).nonzero().flatten()
    texture, pasted, patches = None, anomalous[:0], None
    if len(anomalous):
        texture = draw_textures(len(anomalous), sources, generator, max_image_share)
        if cutpaste_share:
            pasted = anomalous[torch.rand(len(anomalous), generator=generator, device=device) < cutpaste_share]
            patches = draw_patches(len(pasted), size, generator)
    return BatchDraw(rotated, rotations, anomaly_draws, anomalous, texture, pasted, patches)


def draw_textures(count: int, sources: int, generator: torch.Generator, max_image_share: float) -> TextureDraw:
    """Draw ``count`` blended textures, at least one, out of so many anomaly sources."""
    device = generator.device
    texture = torch.randint(sources, (count,), generator=generator, device=device)
    noise = draw_noise(count, generator)
    image_share = torch.rand(count, 1, 1, 1, generator=generator, device=device) * max_image_share
    return TextureDraw(texture, noise, image_share, draw_changes(count, generator))


def _draw_rotations(count: int, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    if not share:
        return torch.empty(0, dtype=torch.int64, device=generator.device), torch.empty(0, device=generator.device)
    rotated = torch.rand(count, generator=generator, device=generator.device) < share
    angles = random_rotations(count, generator)
    samples = rotated.nonzero().flatten()
    return samples, angles[samples]
