"""CutPaste: a patch of a good image, put in the wrong place, as a synthetic anomaly (Li et al., CVPR 2021).

Two shapes, each as likely: a rectangle (2 to 15 % of the image's area, upright) and a scar (long, thin, rotated up to
±45°). The patch is cut elsewhere from the same image and its brightness and colours are changed a little. What chance
decides is drawn first, as a ``PatchDraw``; the picture follows from it alone.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RECTANGLE_AREA = (0.02, 0.15)  # of the image
RECTANGLE_ASPECT = (0.3, 1.0)  # the shorter side by the longer one; which of them is the height is drawn
SCAR_WIDTH, SCAR_LENGTH = (2, 16), (10, 25)  # pixels at 256×256
SCAR_ROTATION = math.pi / 4  # radians, either way
COLOUR_JITTER = 0.1


@dataclass(frozen=True, eq=False)
class PatchDraw:
    """What chance decides of B patches.

    half_height, half_width: (B,) float32 pixels. angle: (B,) float32 radians. is_scar: (B,) bool.
    target, source: (B, 2) float32, row and column of the patch's centre, where it goes and where it is cut.
    brightness: (B, 1, 1, 1) and colours (B, 3, 1, 1) float32, factors around 1.
    """

    half_height: Tensor
    half_width: Tensor
    angle: Tensor
    is_scar: Tensor
    target: Tensor
    source: Tensor
    brightness: Tensor
    colours: Tensor

    @property
    def shift(self) -> Tensor:
        """(B, 2) int64: how many pixels down and to the right of its target a patch is cut."""
        return (self.source - self.target).round().long()


@dataclass(frozen=True, eq=False)
class Pasted:
    """The steps of pasting, for B images.

    mask: (B, 1, H, W) bool, where a patch comes to lie.
    moved: (B, 3, H, W), the whole image moved so that each patch lies on its target. coloured: the same, recoloured.
    changed: (B, 3, H, W), the image with its patch.
    """

    mask: Tensor
    moved: Tensor
    coloured: Tensor
    changed: Tensor


def cut_and_paste(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (changed (B, 3, H, W), mask (B, 1, H, W) of 0 and 1 where a patch was pasted) of images in [0, 1]."""
    pasted = paste(images, draw_patches(len(images), (images.shape[2], images.shape[3]), generator))
    return pasted.changed, pasted.mask.float()


def draw_patches(count: int, size: tuple[int, int], generator: torch.Generator) -> PatchDraw:
    """Draw ``count`` patches for images of ``size`` = (H, W), as training does."""
    half_height, half_width, angle, is_scar = _shapes(count, size, generator)
    reach = reach_of(half_height, half_width, angle)
    target, source = (
        torch.stack([_centre(side, margin, generator) for side, margin in zip(size, reach, strict=True)], dim=1)
        for _ in range(2)
    )
    brightness = _uniform(1 - COLOUR_JITTER, 1 + COLOUR_JITTER, count, generator)[:, None, None, None]
    channels = torch.rand(count, 3, 1, 1, generator=generator, device=generator.device)
    colours = 1 + COLOUR_JITTER * (2 * channels - 1)
    return PatchDraw(half_height, half_width, angle, is_scar, target, source, brightness, colours)


def paste(images: Tensor, draw: PatchDraw) -> Pasted:
    """Cut a patch from each of images (B, 3, H, W) in [0, 1], recolour it, and put it where it goes."""
    mask = patch_mask(draw, draw.target, images.shape[2:])
    moved = _shifted(images, draw.shift[:, 0], draw.shift[:, 1])
    coloured = (moved * draw.brightness * draw.colours).clamp(0, 1)
    return Pasted(mask, moved, coloured, torch.where(mask, coloured, images))


def patch_mask(draw: PatchDraw, centre: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Return (B, 1, H, W) bool: the pixels whose centre lies in the rotated rectangle around ``centre`` (B, 2)."""
    device = centre.device
    rows = torch.arange(size[0], device=device)[None, :, None] - centre[:, 0, None, None]
    columns = torch.arange(size[1], device=device)[None, None, :] - centre[:, 1, None, None]
    cosine, sine = draw.angle.cos()[:, None, None], draw.angle.sin()[:, None, None]
    along, across = rows * cosine + columns * sine, columns * cosine - rows * sine
    inside = (along.abs() <= draw.half_height[:, None, None]) & (across.abs() <= draw.half_width[:, None, None])
    return inside[:, None]


def reach_of(half_height: Tensor, half_width: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far, in pixels, a rotated rectangle reaches from its centre: up and down, and to both sides."""
    cosine, sine = angle.cos(), angle.sin()
    return half_height * cosine.abs() + half_width * sine.abs(), half_height * sine.abs() + half_width * cosine.abs()


def _shapes(count: int, size: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return half height, half width (pixels), angle (radians) and whether it is a scar, of each patch, all (B,)."""
    height, width = size
    area = _uniform(*RECTANGLE_AREA, count, generator) * height * width
    root = _uniform(*RECTANGLE_ASPECT, count, generator).sqrt()
    upright = _uniform(0, 1, count, generator) < 0.5
    rectangle_height = (area.sqrt() * torch.where(upright, 1 / root, root)).clamp(max=height - 1)
    rectangle_width = (area.sqrt() * torch.where(upright, root, 1 / root)).clamp(max=width - 1)
    scale = min(size) / 256
    scar_height = _uniform(*SCAR_LENGTH, count, generator) * scale
    scar_width = (_uniform(*SCAR_WIDTH, count, generator) * scale).clamp(min=1)
    scar_angle = _uniform(-SCAR_ROTATION, SCAR_ROTATION, count, generator)
    scar = _uniform(0, 1, count, generator) < 0.5
    return (
        torch.where(scar, scar_height, rectangle_height) / 2,
        torch.where(scar, scar_width, rectangle_width) / 2,
        torch.where(scar, scar_angle, torch.zeros_like(scar_angle)),
        scar,
    )


def _shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return each image moved so that pixel (r, c) shows what was at (r + down, c + right), kept inside the border."""
    count, _, height, width = images.shape
    rows = (torch.arange(height, device=images.device) + down[:, None]).clamp(0, height - 1)[:, :, None]
    columns = (torch.arange(width, device=images.device) + right[:, None]).clamp(0, width - 1)[:, None, :]
    which = torch.arange(count, device=images.device)[:, None, None]
    return images[which, :, rows, columns].permute(0, 3, 1, 2)


def _centre(side: int, margin: Tensor, generator: torch.Generator) -> Tensor:
    """Return where along a side of so many pixels a patch may lie whole: (B,) pixels."""
    free = (side - 1 - 2 * margin).clamp(min=0)
    return margin.clamp(max=(side - 1) / 2) + free * _uniform(0, 1, len(margin), generator)


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)
