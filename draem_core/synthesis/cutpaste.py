"""CutPaste: a piece of a good image, put in the wrong place, as a synthetic anomaly (Li et al., CVPR 2021).

Two shapes, each as likely: a patch (2 to 15 % of the image's area, upright) and a scar (long, thin, turned by up to
±45°). The piece is cut elsewhere from the same image and its brightness and colours are changed a little.
"""

import math

import torch
from torch import Tensor

PATCH_AREA = (0.02, 0.15)  # of the image
PATCH_ASPECT = (0.3, 1.0)  # the shorter side by the longer one; which of them is the height is drawn
SCAR_WIDTH, SCAR_LENGTH = (2, 16), (10, 25)  # pixels at 256×256
COLOUR_JITTER = 0.1


def cut_and_paste(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (changed (B, 3, H, W), mask (B, 1, H, W) of 0 and 1 where a piece was pasted) of images in [0, 1]."""
    half_height, half_width, angle = _shapes(len(images), (images.shape[2], images.shape[3]), generator)
    cosine, sine = angle.cos(), angle.sin()
    reach = (half_height * cosine.abs() + half_width * sine.abs(), half_height * sine.abs() + half_width * cosine.abs())
    target, source = (
        [_centre(side, margin, generator) for side, margin in zip(images.shape[2:], reach, strict=True)]
        for _ in range(2)
    )
    mask = _rectangles(target, half_height, half_width, angle, images)
    shift = [(there - here).round().long() for there, here in zip(source, target, strict=True)]
    pasted = _coloured(_shifted(images, shift[0], shift[1]), generator)
    return torch.where(mask, pasted, images), mask.float()


def _shapes(count: int, size: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return half height, half width (pixels) and angle (radians) of each piece, all (B,)."""
    height, width = size
    area = _uniform(*PATCH_AREA, count, generator) * height * width
    root = _uniform(*PATCH_ASPECT, count, generator).sqrt()
    upright = _uniform(0, 1, count, generator) < 0.5
    patch_height = (area.sqrt() * torch.where(upright, 1 / root, root)).clamp(max=height - 1)
    patch_width = (area.sqrt() * torch.where(upright, root, 1 / root)).clamp(max=width - 1)
    scale = min(size) / 256
    scar_height = _uniform(*SCAR_LENGTH, count, generator) * scale
    scar_width = (_uniform(*SCAR_WIDTH, count, generator) * scale).clamp(min=1)
    scar_angle = _uniform(-math.pi / 4, math.pi / 4, count, generator)
    scar = _uniform(0, 1, count, generator) < 0.5
    return (
        torch.where(scar, scar_height, patch_height) / 2,
        torch.where(scar, scar_width, patch_width) / 2,
        torch.where(scar, scar_angle, torch.zeros_like(scar_angle)),
    )


def _rectangles(centre: list[Tensor], half_height: Tensor, half_width: Tensor, angle: Tensor, images: Tensor) -> Tensor:
    """Return (B, 1, H, W) bool: the pixels whose centre lies in the turned rectangle."""
    rows = torch.arange(images.shape[2], device=images.device)[None, :, None] - centre[0][:, None, None]
    columns = torch.arange(images.shape[3], device=images.device)[None, None, :] - centre[1][:, None, None]
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = rows * cosine + columns * sine, columns * cosine - rows * sine
    inside = (along.abs() <= half_height[:, None, None]) & (across.abs() <= half_width[:, None, None])
    return inside[:, None]


def _shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return each image moved so that pixel (r, c) shows what was at (r + down, c + right), kept inside the border."""
    count, _, height, width = images.shape
    rows = (torch.arange(height, device=images.device) + down[:, None]).clamp(0, height - 1)[:, :, None]
    columns = (torch.arange(width, device=images.device) + right[:, None]).clamp(0, width - 1)[:, None, :]
    which = torch.arange(count, device=images.device)[:, None, None]
    return images[which, :, rows, columns].permute(0, 3, 1, 2)


def _coloured(pieces: Tensor, generator: torch.Generator) -> Tensor:
    """Scale each channel by up to ±10 % and brightness by up to ±10 %."""
    brightness = _uniform(1 - COLOUR_JITTER, 1 + COLOUR_JITTER, len(pieces), generator)[:, None, None, None]
    channels = torch.rand(len(pieces), 3, 1, 1, generator=generator, device=generator.device)
    return (pieces * brightness * (1 + COLOUR_JITTER * (2 * channels - 1))).clamp(0, 1)


def _centre(side: int, margin: Tensor, generator: torch.Generator) -> Tensor:
    """Return where along a side of so many pixels a piece may lie whole: (B,) pixels."""
    free = (side - 1 - 2 * margin).clamp(min=0)
    return margin.clamp(max=(side - 1) / 2) + free * _uniform(0, 1, len(margin), generator)


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)
