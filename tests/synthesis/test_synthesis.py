"""Synthetic anomalies: against a slow per-image oracle written from the definition, and by their properties."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from draem_core.synthesis import blend, cut_and_paste, perlin_masks, synthesise
from draem_core.synthesis.augment import (
    AUGMENTATIONS,
    Augmentation,
    augment_textures,
    equalize,
    invert,
    rotate_images,
    solarize,
)
from draem_core.synthesis.perlin import perlin_noise, random_scales
from draem_core.synthesis.random_params import draw_batch

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


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda augmentation: augmentation.name)
def test_augmentations_stay_in_range(augmentation):
    textures = torch.rand(4, 3, 16, 20, generator=generator())
    changed = augmentation.function(textures, *augmentation.draw(4, generator()))
    assert changed.shape == textures.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, textures)


def test_each_sample_gets_three_changes(monkeypatch):
    counted = torch.zeros(500)

    def counting(textures):
        counted[textures[:, 0, 0, 0].long()] += 1
        return textures

    monkeypatch.setattr("draem_core.synthesis.augment.AUGMENTATIONS", (Augmentation("counting", counting),) * 10)
    names = torch.arange(500.0)[:, None, None, None].expand(500, 3, 1, 1)
    augment_textures(names, generator())
    assert counted.tolist() == [3] * 500


def test_augmentations_by_hand():
    texture = torch.tensor([0.0, 0.1, 0.9]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    torch.testing.assert_close(invert(texture)[0, 0, 0], torch.tensor([1.0, 0.9, 0.1]))
    torch.testing.assert_close(solarize(texture, torch.full((1, 1, 1, 1), 0.2))[0, 0, 0], torch.tensor([0.0, 0.1, 0.1]))
    even = equalize(torch.tensor([0.5, 0.5, 0.6, 0.7]).view(1, 1, 2, 2).expand(1, 3, 2, 2))
    torch.testing.assert_close(even[0, 0].flatten(), torch.tensor([0.5, 0.5, 0.75, 1.0]))


def test_a_quarter_turn_moves_pixels_exactly():
    image = torch.rand(1, 3, 8, 8, generator=generator())
    turned = rotate_images(image, torch.tensor([math.pi / 2]))
    assert torch.allclose(turned, torch.rot90(image, 1, (2, 3)), atol=1e-5) or torch.allclose(
        turned, torch.rot90(image, -1, (2, 3)), atol=1e-5
    )


def slow_masks(count, side, seed):
    """The original's masks, one by one, written from the definition: noise, a quarter turn at most, > 0.5."""
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(count):
        scale = 2 ** rng.integers(0, 6, 2)
        angle = rng.uniform(0, 2 * np.pi, (scale[0] + 1, scale[1] + 1))
        row, column = np.mgrid[0:side, 0:side] / side * scale[:, None, None]
        top, left = row.astype(int), column.astype(int)
        row, column = row - top, column - left
        corner = {
            (down, right): np.sin(angle[top + down, left + right]) * (row - down)
            + np.cos(angle[top + down, left + right]) * (column - right)
            for down in (0, 1)
            for right in (0, 1)
        }
        fade_row, fade_column = (6 * t**5 - 15 * t**4 + 10 * t**3 for t in (row, column))
        upper = corner[0, 0] + (corner[0, 1] - corner[0, 0]) * fade_column
        lower = corner[1, 0] + (corner[1, 1] - corner[1, 0]) * fade_column
        noise = math.sqrt(2) * (upper + (lower - upper) * fade_row)
        masks.append(ndimage.rotate(noise, rng.uniform(-90, 90), reshape=False, order=1, cval=0) > 0.5)
    return np.stack(masks)


def grain(masks):
    """Return each mask's edge pixels by its area: how finely it is divided. Empty masks are left out."""
    filled = masks[masks.any(axis=(1, 2))]
    edges = np.abs(np.diff(filled.astype(int), axis=1)).sum((1, 2)) + np.abs(np.diff(filled.astype(int), axis=2)).sum(
        (1, 2)
    )
    return edges / filled.sum(axis=(1, 2))


@pytest.fixture(scope="module")
def slow():
    """At the network's own size: on smaller pictures the oracle's bilinear rotation wears the finest noise away."""
    return slow_masks(150, 256, seed=12)


def fast_masks():
    draws = generator(11)
    return torch.cat([perlin_masks(50, (256, 256), draws) for _ in range(3)])[:, 0].numpy() > 0


def test_areas_and_scales_are_distributed_as_by_the_slow_definition(slow):
    fast = fast_masks()
    assert stats.ks_2samp(fast.mean(axis=(1, 2)), slow.mean(axis=(1, 2))).pvalue > 0.01
    assert stats.ks_2samp(grain(fast), grain(slow)).pvalue > 0.01
    assert abs(fast.any(axis=(1, 2)).mean() - slow.any(axis=(1, 2)).mean()) < 0.08


def test_the_oracle_notices_another_threshold_and_other_scales(slow, monkeypatch):
    monkeypatch.setattr("draem_core.synthesis.perlin.MAX_OCTAVE", 5)
    assert stats.ks_2samp(grain(fast_masks()), grain(slow)).pvalue < 0.01
    monkeypatch.undo()
    monkeypatch.setattr("draem_core.synthesis.anomalies.NOISE_THRESHOLD", 0.4)
    assert stats.ks_2samp(fast_masks().mean(axis=(1, 2)), slow.mean(axis=(1, 2))).pvalue < 0.01


def test_the_images_share_is_even_between_0_and_08(monkeypatch):
    monkeypatch.setattr("draem_core.synthesis.anomalies.apply_changes", lambda textures, changes: textures)
    white = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    batch = synthesise(torch.zeros(800, 3, 32, 32), white, generator(4), clean_share=0.0)
    share = 1 - batch.corrupted.amax(dim=(1, 2, 3))[batch.anomaly_mask.flatten(1).any(dim=1)]
    assert stats.kstest(share.numpy(), stats.uniform(0, 0.8).cdf).pvalue > 0.01


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_the_share_of_clean_samples_is_kept(share):
    images, textures = torch.full((600, 3, 64, 64), 0.5), torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    batch = synthesise(images, textures, generator(6), clean_share=share, cutpaste_share=1.0)
    clean = int((~batch.anomaly_mask.flatten(1).any(dim=1)).sum())
    assert stats.binomtest(clean, 600, share).pvalue > 1e-3


def test_a_pasted_piece_comes_from_the_same_image_in_one_move(monkeypatch):
    monkeypatch.setattr("draem_core.synthesis.cutpaste.COLOUR_JITTER", 0.0)
    row, column = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    images = torch.stack((row / 64, column / 64, torch.zeros_like(row))).expand(60, 3, 64, 48)
    changed, masks = cut_and_paste(images, generator(7))
    assert masks.flatten(1).any(dim=1).all(), "each image gets its patch"
    for image, pasted, mask in zip(images, changed, masks[:, 0] > 0, strict=True):
        assert torch.equal(pasted[:, ~mask], image[:, ~mask])
        moves = ((pasted - image) * 64)[:2, mask]
        torch.testing.assert_close(moves, moves[:, :1].expand_as(moves))


def test_cutpaste_areas_are_those_of_the_paper():
    _, masks = cut_and_paste(torch.rand(300, 3, 128, 128, generator=generator()), generator(8))
    areas = masks.mean(dim=(1, 2, 3))
    patches = areas[areas > 0.018]  # the largest scar has 8 × 12.5 of 128² pixels, 0.6 %
    assert 120 < len(patches) < 180
    assert stats.kstest(patches.numpy(), stats.uniform(0.02, 0.13).cdf).pvalue > 0.01
    scars = areas[areas <= 0.018] * 128**2
    assert scars.max() <= 8 * 12.5 * 1.3
    assert scars.mean() == pytest.approx(4.5 * 8.75, rel=0.2)


def test_cutpaste_takes_its_share_and_none_by_default():
    images, textures = torch.rand(400, 3, 32, 32), torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    plain = synthesise(images, textures, generator(9), clean_share=0.0)
    mixed = synthesise(images, textures, generator(9), clean_share=0.0, cutpaste_share=0.5)
    moved = (plain.anomaly_mask != mixed.anomaly_mask).flatten(1).any(dim=1)
    assert 0.4 < moved.float().mean() < 0.6
    assert torch.equal(plain.corrupted[~moved], mixed.corrupted[~moved])
    untouched = (mixed.anomaly_mask == 0).expand_as(images)
    assert torch.equal(mixed.corrupted[untouched], mixed.image[untouched])
    for seed in range(10):  # none chosen at all is fine
        synthesise(images[:2], textures, generator(seed), cutpaste_share=0.1)


def test_the_largest_image_share_bounds_how_faint_an_anomaly_is() -> None:
    """Black images, white-ish textures: what shows is (1 − β)·texture, β below the bound."""
    images, textures = torch.zeros(64, 3, 32, 32), torch.full((4, 3, 32, 32), 255, dtype=torch.uint8)
    faint = synthesise(images, textures, generator(3), clean_share=0.0, max_image_share=0.99)
    plain = synthesise(images, textures, generator(3), clean_share=0.0)
    brightest = [batch.corrupted.amax(dim=(1, 2, 3)) for batch in (faint, plain)]
    assert (brightest[0] <= brightest[1] + 1e-6).all()
    assert brightest[0].mean() < 0.9 * brightest[1].mean()


def test_what_a_seed_draws_stays_the_same() -> None:
    """Links to samples and repeated runs rely on it: these are the numbers of the first version, before pictures were
    made of draws."""
    draw = draw_batch(4, (64, 64), 160, generator(7), rotate_share=0.3, cutpaste_share=0.5)
    texture, patches = draw.texture, draw.patches
    assert texture is not None
    assert patches is not None
    assert (draw.rotated.tolist(), draw.anomalous.tolist(), draw.pasted.tolist()) == ([1], [1, 2, 3], [1, 2])
    assert draw.anomaly_draws.tolist() == pytest.approx([0.3653, 0.8513, 0.8549, 0.5509], abs=1e-4)
    assert texture.texture.tolist() == [8, 57, 142]
    assert texture.noise.scales.tolist() == [[16, 1], [16, 8], [1, 1]]
    assert texture.noise.angles.tolist() == pytest.approx([-0.2728, 0.8080, 0.6121], abs=1e-4)
    assert texture.noise.directions[:, 0].tolist() == pytest.approx([3.2731, 3.7644, 1.5485], abs=1e-4)
    assert texture.image_share.flatten().tolist() == pytest.approx([0.4329, 0.3292, 0.0149], abs=1e-4)
    assert [(change.augmentation.name, change.samples.tolist()) for change in texture.changes] == [
        ("gamma", [0]),
        ("brightness", [1]),
        ("posterize", [1]),
        ("invert", [0]),
        ("autocontrast", [0, 1, 2]),
        ("equalize", [2]),
        ("rotate", [2]),
    ]
    strengths = [float(value) for change in texture.changes for drawn in change.strengths for value in drawn.flatten()]
    assert strengths == pytest.approx([0.9382, 0.6013, 1.7345, 1.1015, 0.0921, 3.0, 30.5275], abs=1e-4)
    assert patches.target[0].tolist() == pytest.approx([43.537, 23.918], abs=1e-3)
    assert patches.source[0].tolist() == pytest.approx([49.099, 32.550], abs=1e-3)
    assert float(patches.brightness[0]) == pytest.approx(1.093, abs=1e-3)
