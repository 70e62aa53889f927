"""Synthetic anomalies: a texture, shaped by Perlin noise, blended into good images (DRAEM, section 3.3).

The whole batch is made on the generator's device; which textures there are is the caller's business.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from draem_core.synthesis.augment import augment_textures, rotate_images
from draem_core.synthesis.cutpaste import cut_and_paste
from draem_core.synthesis.perlin import perlin_noise, random_scales

NOISE_THRESHOLD = 0.5
MAX_IMAGE_SHARE = 0.8  # β, the image's share inside an anomaly, is U(0, 0.8) as in the original code


@dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """Good images and what was done to them.

    image: (B, 3, H, W) float32 in [0, 1], the target of the reconstruction.
    corrupted: (B, 3, H, W) float32 in [0, 1], the network's input.
    anomaly_mask: (B, 1, H, W) float32, 1 where ``corrupted`` was painted.
    """

    image: Tensor
    corrupted: Tensor
    anomaly_mask: Tensor


def blend(image: Tensor, texture: Tensor, mask: Tensor, image_share: Tensor) -> Tensor:
    """Return image·(1−M) + (1−β)·texture·M + β·image·M, all (B, 3, H, W) with M (B, 1, H, W), β (B, 1, 1, 1)."""
    return image * (1 - mask) + mask * ((1 - image_share) * texture + image_share * image)


def perlin_masks(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return (count, 1, H, W) float32 of 0 and 1: Perlin noise of random scales, rotated ±90°, > 0.5."""
    scales = random_scales(count, generator)
    angles = (torch.rand(count, generator=generator, device=generator.device) - 0.5) * torch.pi
    noise = perlin_noise(scales, angles, size, generator)
    return (noise > NOISE_THRESHOLD).float()[:, None]


def synthesise(
    images: Tensor,
    textures: Tensor,
    generator: torch.Generator,
    *,
    clean_share: float = 0.5,
    rotate_share: float = 0.0,
    cutpaste_share: float = 0.0,
    max_image_share: float = MAX_IMAGE_SHARE,
) -> SyntheticBatch:
    """Make a training batch of good images.

    Args:
        images: (B, 3, H, W) float32 in [0, 1], good.
        textures: (N, 3, H, W) uint8, the anomaly sources; on any device.
        generator: on the device where all of this runs.
        clean_share: probability that a sample gets no anomaly.
        rotate_share: probability that a good image is first turned by up to ±90° (original: 0.3).
        cutpaste_share: probability that an anomaly is a piece of the image in the wrong place, not a texture.
        max_image_share: β is U(0, max_image_share); nearer to 1 makes fainter anomalies.
    """
    count, device = len(images), generator.device
    images = _rotate_some(images, rotate_share, generator) if rotate_share else images
    painted = torch.rand(count, generator=generator, device=device) >= clean_share
    samples = painted.nonzero().flatten()
    corrupted, masks = images.clone(), torch.zeros_like(images[:, :1])
    if len(samples):
        size = (images.shape[2], images.shape[3])
        drawn = torch.randint(len(textures), (len(samples),), generator=generator, device=device)
        texture = textures[drawn.to(textures.device)].to(device).float() / 255
        mask = perlin_masks(len(samples), size, generator)
        share = torch.rand(len(samples), 1, 1, 1, generator=generator, device=device) * max_image_share
        corrupted[samples] = blend(images[samples], augment_textures(texture, generator), mask, share)
        masks[samples] = mask
        if cutpaste_share:
            moved = samples[torch.rand(len(samples), generator=generator, device=device) < cutpaste_share]
            corrupted[moved], masks[moved] = cut_and_paste(images[moved], generator)
    return SyntheticBatch(images, corrupted, masks)


def _rotate_some(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    turned = torch.rand(len(images), generator=generator, device=generator.device) < share
    angles = (torch.rand(len(images), generator=generator, device=generator.device) - 0.5) * torch.pi
    samples = turned.nonzero().flatten()
    if len(samples):
        images = images.index_copy(0, samples, rotate_images(images[samples], angles[samples]))
    return images
