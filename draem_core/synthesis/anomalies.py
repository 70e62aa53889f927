"""Synthetic anomalies: a texture, shaped by Perlin noise, blended into good images (DRAEM, section 3.3).

The whole batch is made on the generator's device; which textures there are is the caller's business, and what chance
decides is drawn by `draem_core.synthesis.random_params`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from draem_core.synthesis.augment import apply_changes, rotate_images
from draem_core.synthesis.cutpaste import paste
from draem_core.synthesis.perlin import draw_noise, gradient_noise
from draem_core.synthesis.random_params import CLEAN_SHARE, MAX_IMAGE_SHARE, BatchDraw, TextureDraw, draw_batch

NOISE_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """Good images and what was done to them.

    image: (B, 3, H, W) float32 in [0, 1], the target of the reconstruction.
    corrupted: (B, 3, H, W) float32 in [0, 1], the network's input.
    anomaly_mask: (B, 1, H, W) float32, 1 where ``corrupted`` is anomalous.
    """

    image: Tensor
    corrupted: Tensor
    anomaly_mask: Tensor


@dataclass(frozen=True, eq=False)
class Blended:
    """The steps of blending textures into B images.

    noise: (B, H, W) float32. mask: (B, 1, H, W) float32 of 0 and 1.
    source: (B, 3, H, W) float32 in [0, 1], the textures as they were taken. texture: the same after their changes.
    corrupted: (B, 3, H, W) float32 in [0, 1].
    """

    noise: Tensor
    mask: Tensor
    source: Tensor
    texture: Tensor
    corrupted: Tensor


def blend(image: Tensor, texture: Tensor, mask: Tensor, image_share: Tensor) -> Tensor:
    """Return image·(1−M) + (1−β)·texture·M + β·image·M, all (B, 3, H, W) with M (B, 1, H, W), β (B, 1, 1, 1)."""
    return image * (1 - mask) + mask * ((1 - image_share) * texture + image_share * image)


def noise_mask(noise: Tensor, threshold: float | None = None) -> Tensor:
    """Return (B, 1, H, W) float32: 1 where noise (B, H, W) exceeds the threshold, NOISE_THRESHOLD by default."""
    return (noise > (NOISE_THRESHOLD if threshold is None else threshold)).float()[:, None]


def perlin_masks(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return (count, 1, H, W) float32 of 0 and 1: Perlin noise of random scales, rotated ±90°, > 0.5."""
    return noise_mask(gradient_noise(draw_noise(count, generator), size))


def blend_textures(images: Tensor, textures: Tensor, draw: TextureDraw, threshold: float | None = None) -> Blended:
    """Blend a texture into each of images (B, 3, H, W) as drawn; textures: (N, 3, H, W) uint8, on any device."""
    source = textures[draw.texture.to(textures.device)].to(images.device).float() / 255
    noise = gradient_noise(draw.noise, (images.shape[2], images.shape[3]))
    mask = noise_mask(noise, threshold)
    texture = apply_changes(source, draw.changes)
    return Blended(noise, mask, source, texture, blend(images, texture, mask, draw.image_share))


def rotate_some(images: Tensor, draw: BatchDraw) -> Tensor:
    """Return the batch's good images, those rotated that are drawn to be; the images themselves where none is."""
    if not len(draw.rotated):
        return images
    return images.index_copy(0, draw.rotated, rotate_images(images[draw.rotated], draw.rotations))


def synthesise(
    images: Tensor,
    textures: Tensor,
    generator: torch.Generator,
    *,
    clean_share: float = CLEAN_SHARE,
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
        rotate_share: probability that a good image is first rotated by up to ±90° (original: 0.3).
        cutpaste_share: probability that an anomaly is a patch of the image in the wrong place, not a texture.
        max_image_share: β is U(0, max_image_share); nearer to 1 makes fainter anomalies.
    """
    draw = draw_batch(
        len(images),
        (images.shape[2], images.shape[3]),
        len(textures),
        generator,
        clean_share=clean_share,
        rotate_share=rotate_share,
        cutpaste_share=cutpaste_share,
        max_image_share=max_image_share,
    )
    images = rotate_some(images, draw)
    corrupted, masks = images.clone(), torch.zeros_like(images[:, :1])
    if draw.texture is not None:
        blended = blend_textures(images[draw.anomalous], textures, draw.texture)
        corrupted[draw.anomalous], masks[draw.anomalous] = blended.corrupted, blended.mask
    if draw.patches is not None:
        pasted = paste(images[draw.pasted], draw.patches)
        corrupted[draw.pasted], masks[draw.pasted] = pasted.changed, pasted.mask.float()
    return SyntheticBatch(images, corrupted, masks)
