"""The ten changes that an anomaly texture may undergo, on batches of tensors.

Each function takes and gives (B, 3, H, W) float32 in [0, 1] and draws its own random strengths, one per
sample. ``augment_textures`` applies three of the ten to each sample (DRAEM, section 3.3).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def _uniform(low: float, high: float, textures: Tensor, generator: torch.Generator, channels: int = 1) -> Tensor:
    drawn = torch.rand(len(textures), channels, 1, 1, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def gamma(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Raise each channel to its own power in [0.5, 2]."""
    return textures ** _uniform(0.5, 2.0, textures, generator, channels=3)


def brightness(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply by [0.8, 1.2] and add up to ±30 grey levels."""
    factor = _uniform(0.8, 1.2, textures, generator)
    return (textures * factor + _uniform(-30 / 255, 30 / 255, textures, generator)).clamp(0, 1)


def sharpness(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Go from blurred (0) over unchanged (1) to sharpened (2) by a 3×3 mean."""
    blurred = F.avg_pool2d(F.pad(textures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(blurred, textures, _uniform(0.0, 2.0, textures, generator)).clamp(0, 1)


def hue_and_saturation(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn the colours about the grey axis by up to ±70° and scale their distance from it by [0.6, 1.4]."""
    grey = textures.mean(dim=1, keepdim=True)
    colour = textures - grey
    angle = _uniform(-70, 70, textures, generator) * (math.pi / 180)
    axis_cross = torch.roll(colour, 1, dims=1) - torch.roll(colour, -1, dims=1)
    turned = colour * angle.cos() + axis_cross * (angle.sin() / math.sqrt(3))
    return (grey + turned * _uniform(0.6, 1.4, textures, generator)).clamp(0, 1)


def solarize(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Invert what is brighter than a level in [32, 128] of 255."""
    level = _uniform(32 / 255, 128 / 255, textures, generator)
    return torch.where(textures >= level, 1 - textures, textures)


def posterize(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Keep 2 to 6 bits of each value."""
    bits = torch.randint(2, 7, (len(textures), 1, 1, 1), generator=generator, device=generator.device)
    levels = 2.0**bits
    return ((textures * levels).floor() / (levels - 1)).clamp(0, 1)


def invert(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Return the negative."""
    return 1 - textures


def autocontrast(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Stretch each channel to the full range; a constant channel stays."""
    low = textures.amin(dim=(2, 3), keepdim=True)
    span = textures.amax(dim=(2, 3), keepdim=True) - low
    return torch.where(span > 0, (textures - low) / span.clamp_min(1e-6), textures)


def equalize(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Spread each channel's 256 grey levels so that their histogram is as even as it can be."""
    batch, channels, height, width = textures.shape
    levels = (textures * 255).round().long().view(batch * channels, -1)
    offsets = torch.arange(batch * channels, device=textures.device)[:, None] * 256
    counts = torch.bincount((levels + offsets).flatten(), minlength=256 * batch * channels)
    cumulative = counts.view(-1, 256).cumsum(1).float()
    return (cumulative.gather(1, levels) / (height * width)).view_as(textures)


def rotate(textures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn by up to ±45° about the centre; corners are filled by reflection."""
    angle = _uniform(-45, 45, textures, generator).flatten() * (math.pi / 180)
    return rotate_images(textures, angle)


def rotate_images(images: Tensor, angles: Tensor) -> Tensor:
    """Turn each of (B, C, H, W) by its angle (B,) in radians, bilinear, corners filled by reflection."""
    height, width = images.shape[-2:]
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    affine = torch.stack(
        (
            torch.stack((cosine, -sine * height / width, zero), dim=1),
            torch.stack((sine * width / height, cosine, zero), dim=1),
        ),
        dim=1,
    )
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


AUGMENTATIONS: tuple[Augmentation, ...] = (
    gamma,
    brightness,
    sharpness,
    hue_and_saturation,
    solarize,
    posterize,
    invert,
    autocontrast,
    equalize,
    rotate,
)


def augment_textures(textures: Tensor, generator: torch.Generator, how_many: int = 3) -> Tensor:
    """Return (B, 3, H, W) where each sample has undergone ``how_many`` different changes, drawn at random."""
    draws = torch.rand(len(textures), len(AUGMENTATIONS), generator=generator, device=generator.device)
    chosen = torch.zeros_like(draws, dtype=torch.bool).scatter_(1, draws.topk(how_many).indices, True)
    changed = textures.clone()
    for column, augmentation in enumerate(AUGMENTATIONS):
        samples = chosen[:, column].nonzero().flatten()
        if len(samples):
            changed[samples] = augmentation(changed[samples], generator)
    return changed
