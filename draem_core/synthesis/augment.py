"""The ten changes that an anomaly texture may undergo, on batches of tensors.

Each takes and gives (B, 3, H, W) float32 in [0, 1], with strengths (B, channels, 1, 1) of its own for every sample.
Which three a sample undergoes (DRAEM, section 3.3), and how strongly, is drawn first: ``DrawnAugmentation``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

HOW_MANY = 3  # of the ten changes, for each texture


@dataclass(frozen=True)
class Strength:
    """How strongly a change acts: drawn evenly between two ends for each sample, and for each of ``channels``.

    A ``whole`` strength is a whole number, both ends included.
    """

    name: str
    low: float
    high: float
    channels: int = 1
    whole: bool = False

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return (count, channels, 1, 1), float32 or int64, on the generator's device."""
        shape, device = (count, self.channels, 1, 1), generator.device
        if self.whole:
            return torch.randint(int(self.low), int(self.high) + 1, shape, generator=generator, device=device)
        return self.low + (self.high - self.low) * torch.rand(shape, generator=generator, device=device)


@dataclass(frozen=True)
class Augmentation:
    """One kind of change: ``function`` takes the textures and one tensor for each of ``strengths``."""

    name: str
    function: Callable[..., Tensor]
    strengths: tuple[Strength, ...] = ()

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw the strengths for ``count`` samples."""
        return tuple(strength.draw(count, generator) for strength in self.strengths)


@dataclass(frozen=True, eq=False)
class DrawnAugmentation:
    """One kind of change to some textures of a batch: ``samples`` (n,) int64, and n values of each strength."""

    augmentation: Augmentation
    samples: Tensor
    strengths: tuple[Tensor, ...]


def gamma(textures: Tensor, power: Tensor) -> Tensor:
    """Raise each channel to its own power."""
    return textures**power


def brightness(textures: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """Multiply and add."""
    return (textures * factor + offset).clamp(0, 1)


def sharpness(textures: Tensor, amount: Tensor) -> Tensor:
    """Go from blurred (0) over unchanged (1) to sharpened (2) by a 3×3 mean."""
    blurred = F.avg_pool2d(F.pad(textures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(blurred, textures, amount).clamp(0, 1)


def hue_and_saturation(textures: Tensor, degrees: Tensor, saturation: Tensor) -> Tensor:
    """Turn the colours about the grey axis and scale their distance from it."""
    grey = textures.mean(dim=1, keepdim=True)
    colour = textures - grey
    angle = degrees * (math.pi / 180)
    axis_cross = torch.roll(colour, 1, dims=1) - torch.roll(colour, -1, dims=1)
    rotated = colour * angle.cos() + axis_cross * (angle.sin() / math.sqrt(3))
    return (grey + rotated * saturation).clamp(0, 1)


def solarize(textures: Tensor, level: Tensor) -> Tensor:
    """Invert what is as bright as a level or brighter."""
    return torch.where(textures >= level, 1 - textures, textures)


def posterize(textures: Tensor, bits: Tensor) -> Tensor:
    """Keep a few bits of each value."""
    levels = 2.0**bits
    return ((textures * levels).floor() / (levels - 1)).clamp(0, 1)


def invert(textures: Tensor) -> Tensor:
    """Return the negative."""
    return 1 - textures


def autocontrast(textures: Tensor) -> Tensor:
    """Stretch each channel to the full range; a constant channel stays."""
    low = textures.amin(dim=(2, 3), keepdim=True)
    span = textures.amax(dim=(2, 3), keepdim=True) - low
    return torch.where(span > 0, (textures - low) / span.clamp_min(1e-6), textures)


def equalize(textures: Tensor) -> Tensor:
    """Spread each channel's 256 grey levels so that their histogram is as even as it can be."""
    batch, channels, height, width = textures.shape
    levels = (textures * 255).round().long().view(batch * channels, -1)
    offsets = torch.arange(batch * channels, device=textures.device)[:, None] * 256
    counts = torch.bincount((levels + offsets).flatten(), minlength=256 * batch * channels)
    cumulative = counts.view(-1, 256).cumsum(1).float()
    return (cumulative.gather(1, levels) / (height * width)).view_as(textures)


def rotate(textures: Tensor, degrees: Tensor) -> Tensor:
    """Turn about the centre; corners are filled by reflection."""
    return rotate_images(textures, degrees.flatten() * (math.pi / 180))


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
    Augmentation("gamma", gamma, (Strength("power", 0.5, 2.0, channels=3),)),
    Augmentation("brightness", brightness, (Strength("factor", 0.8, 1.2), Strength("offset", -30 / 255, 30 / 255))),
    Augmentation("sharpness", sharpness, (Strength("amount", 0.0, 2.0),)),
    Augmentation(
        "hue_and_saturation", hue_and_saturation, (Strength("degrees", -70, 70), Strength("saturation", 0.6, 1.4))
    ),
    Augmentation("solarize", solarize, (Strength("level", 32 / 255, 128 / 255),)),
    Augmentation("posterize", posterize, (Strength("bits", 2, 6, whole=True),)),
    Augmentation("invert", invert),
    Augmentation("autocontrast", autocontrast),
    Augmentation("equalize", equalize),
    Augmentation("rotate", rotate, (Strength("degrees", -45, 45),)),
)


def draw_changes(count: int, generator: torch.Generator, how_many: int = HOW_MANY) -> tuple[DrawnAugmentation, ...]:
    """Draw ``how_many`` different changes for each of ``count`` textures, in the order in which they are made."""
    draws = torch.rand(count, len(AUGMENTATIONS), generator=generator, device=generator.device)
    chosen = torch.zeros_like(draws, dtype=torch.bool).scatter_(1, draws.topk(how_many).indices, True)
    changes = []
    for column, augmentation in enumerate(AUGMENTATIONS):
        samples = chosen[:, column].nonzero().flatten()
        if len(samples):
            changes.append(DrawnAugmentation(augmentation, samples, augmentation.draw(len(samples), generator)))
    return tuple(changes)


def apply_changes(textures: Tensor, changes: Iterable[DrawnAugmentation]) -> Tensor:
    """Return (B, 3, H, W) with the changes made one after the other; ``textures`` stay as they are."""
    changed = textures.clone()
    for change in changes:
        changed[change.samples] = change.augmentation.function(changed[change.samples], *change.strengths)
    return changed


def augment_textures(textures: Tensor, generator: torch.Generator, how_many: int = HOW_MANY) -> Tensor:
    """Return (B, 3, H, W) where each sample has undergone ``how_many`` different changes, drawn at random."""
    return apply_changes(textures, draw_changes(len(textures), generator, how_many))
