"""Synthetic anomalies: against a slow per-image oracle written from the definition, and by their properties."""

import math

import numpy as np
import pytest
import torch

from draem_core.synthesis import blend, perlin_masks, synthesise
from draem_core.synthesis.augment import AUGMENTATIONS, augment_textures, equalize, invert, rotate_images, solarize
from draem_core.synthesis.perlin import perlin_noise, random_scales

SIZE = (32, 48)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def slow_perlin(directions, scale, size):
    """Perlin noise pixel by pixel: dot products with the four corners' gradients, faded between them."""
    noise = np.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            y, x = row / size[0] * scale[0], column / size[1] * scale[1]
            corners = {}
            for down in (0, 1):
                for right in (0, 1):
                    angle = directions[math.floor(y) + down, math.floor(x) + right]
                    offset = y - math.floor(y) - down, x - math.floor(x) - right
                    corners[down, right] = math.sin(angle) * offset[0] + math.cos(angle) * offset[1]
            fade_y, fade_x = (6 * t**5 - 15 * t**4 + 10 * t**3 for t in (y - math.floor(y), x - math.floor(x)))
            upper = corners[0, 0] + (corners[0, 1] - corners[0, 0]) * fade_x
            lower = corners[1, 0] + (corners[1, 1] - corners[1, 0]) * fade_x
            noise[row, column] = math.sqrt(2) * (upper + (lower - upper) * fade_y)
    return noise


@pytest.mark.parametrize("scale", [(1, 1), (4, 2), (8, 32)])
def test_noise_is_perlins(scale):
    scales = torch.tensor([scale])
    noise = perlin_noise(scales, torch.zeros(1), SIZE, generator())[0].numpy()
    side = max(scale) + 1
    directions = (torch.rand(1, side * side, generator=generator()) * 2 * math.pi).view(side, side).numpy()
    np.testing.assert_allclose(noise, slow_perlin(directions, scale, SIZE), atol=1e-5)


def test_each_sample_of_a_batch_is_what_it_would_be_with_its_own_scale():
    scales = torch.tensor([[2, 2], [8, 8]])
    noise = perlin_noise(scales, torch.zeros(2), SIZE, generator())
    crossings = [(torch.diff(torch.sign(one), dim=1) != 0).sum() for one in noise]
    assert crossings[1] > 2 * crossings[0], "more cells, finer noise"


def test_rotated_noise_is_empty_outside_and_a_half_turn_flips_it():
    scales = torch.tensor([[4, 4]])
    turned = perlin_noise(scales, torch.tensor([math.pi / 4]), (64, 64), generator())[0]
    assert torch.all(turned[0, :8] == 0), "the corner of a picture turned by 45° comes from outside"
    straight = perlin_noise(scales, torch.zeros(1), (64, 64), generator())[0]
    half = perlin_noise(scales, torch.tensor([math.pi]), (64, 64), generator())[0]
    torch.testing.assert_close(half, straight.flip(0, 1), atol=1e-4, rtol=0)


def test_scales_are_powers_of_two_up_to_32():
    scales = random_scales(2000, generator())
    values, counts = scales.unique(return_counts=True)
    assert values.tolist() == [1, 2, 4, 8, 16, 32]
    assert counts.min() > 0.8 * 4000 / 6


def test_masks_are_zero_and_one_of_both():
    masks = perlin_masks(64, (64, 64), generator())
    assert masks.shape == (64, 1, 64, 64)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert 0.005 < masks.mean() < 0.3


def test_blend_by_hand():
    image, texture = torch.full((1, 3, 1, 2), 0.2), torch.full((1, 3, 1, 2), 1.0)
    mask = torch.tensor([[[[0.0, 1.0]]]])
    blended = blend(image, texture, mask, torch.full((1, 1, 1, 1), 0.75))
    torch.testing.assert_close(blended[0, 0, 0], torch.tensor([0.2, 0.75 * 0.2 + 0.25 * 1.0]))


@pytest.fixture(scope="module")
def batch():
    images = torch.rand(200, 3, 32, 32, generator=generator(1))
    textures = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=generator(2))
    return synthesise(images, textures, generator(3))


def test_only_masked_pixels_change(batch):
    untouched = (batch.anomaly_mask == 0).expand_as(batch.image)
    assert torch.equal(batch.corrupted[untouched], batch.image[untouched])
    changed = (batch.corrupted != batch.image).any(dim=1, keepdim=True)
    assert changed.float().sum() > 0.95 * batch.anomaly_mask.sum(), "a painted pixel differs, but for chance"
    assert batch.corrupted.min() >= 0
    assert batch.corrupted.max() <= 1


def test_half_of_the_samples_stay_clean():
    images = torch.full((1000, 3, 32, 32), 0.5)
    textures = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=generator(2))
    painted = synthesise(images, textures, generator(3)).anomaly_mask.flatten(1).any(dim=1).float().mean()
    # some masks of the painted half are empty: the noise never exceeds 0.5
    assert 0.3 < painted <= 0.55
    all_painted = synthesise(images, textures, generator(3), clean_share=0.0).anomaly_mask.flatten(1).any(dim=1)
    assert all_painted.float().mean() > 0.75


def test_same_seed_same_batch():
    images, textures = torch.rand(8, 3, 32, 32), torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    first, second = (synthesise(images, textures, generator(5), rotate_share=0.3) for _ in range(2))
    assert torch.equal(first.corrupted, second.corrupted)


def test_no_sample_rotated_is_fine():
    images, textures = torch.rand(1, 3, 32, 32), torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    for seed in range(20):
        synthesise(images, textures, generator(seed), rotate_share=0.3, clean_share=0.9)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda augmentation: augmentation.__name__)
def test_augmentations_stay_in_range(augmentation):
    textures = torch.rand(4, 3, 16, 20, generator=generator())
    changed = augmentation(textures, generator())
    assert changed.shape == textures.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, textures)


def test_each_sample_gets_three_changes(monkeypatch):
    counted = torch.zeros(500)

    def counting(textures, generator):
        counted[textures[:, 0, 0, 0].long()] += 1
        return textures

    monkeypatch.setattr("draem_core.synthesis.augment.AUGMENTATIONS", (counting,) * 10)
    names = torch.arange(500.0)[:, None, None, None].expand(500, 3, 1, 1)
    augment_textures(names, generator())
    assert counted.tolist() == [3] * 500


def test_augmentations_by_hand():
    texture = torch.tensor([0.0, 0.1, 0.9]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    torch.testing.assert_close(invert(texture, generator())[0, 0, 0], torch.tensor([1.0, 0.9, 0.1]))
    torch.testing.assert_close(solarize(texture, generator())[0, 0, 0], torch.tensor([0.0, 0.1, 0.1]))
    even = equalize(torch.tensor([0.5, 0.5, 0.6, 0.7]).view(1, 1, 2, 2).expand(1, 3, 2, 2), generator())
    torch.testing.assert_close(even[0, 0].flatten(), torch.tensor([0.5, 0.5, 0.75, 1.0]))


def test_a_quarter_turn_moves_pixels_exactly():
    image = torch.rand(1, 3, 8, 8, generator=generator())
    turned = rotate_images(image, torch.tensor([math.pi / 2]))
    assert torch.allclose(turned, torch.rot90(image, 1, (2, 3)), atol=1e-5) or torch.allclose(
        turned, torch.rot90(image, -1, (2, 3)), atol=1e-5
    )
