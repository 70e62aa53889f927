"""DRAEM's losses: identities and numbers that a reader can compute."""

import math

import pytest
import torch
from torch.nn import functional as F

from draem_core.training.losses import PARTS, LossWeights, draem_loss, ssim_map


def loss_of(reconstruction=None, logits=None, mask=None, **options):
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return draem_loss(
        image=image,
        reconstruction=image if reconstruction is None else reconstruction(image),
        anomaly_mask=torch.zeros(2, 1, 16, 16) if mask is None else mask,
        logits=torch.zeros(2, 2, 16, 16) if logits is None else logits,
        **options,
    )


def test_a_perfect_repaint_costs_nothing():
    parts = loss_of()
    assert float(parts.l2) == 0
    assert float(parts.ssim) == pytest.approx(0, abs=1e-5)


def test_l2_by_hand():
    assert float(loss_of(lambda image: image + 0.1).l2) == pytest.approx(0.01, rel=1e-4)


def test_ssim_of_two_flat_images_is_the_luminance_term():
    first, second = torch.full((1, 1, 16, 16), 0.4), torch.full((1, 1, 16, 16), 0.6)
    expected = (2 * 0.4 * 0.6 + 0.01**2) / (0.4**2 + 0.6**2 + 0.01**2)
    torch.testing.assert_close(ssim_map(first, second), torch.full((1, 1, 16, 16), expected), atol=1e-4, rtol=0)


def test_focal_loss_by_hand():
    # logits 0, 0: the true class has probability ½, so (1 − ½)² · ln 2; the other class counts as 0 in the mean
    assert float(loss_of().focal) == pytest.approx(0.25 * math.log(2) / 2, rel=1e-5)


def test_focal_loss_weighs_both_classes_alike():
    logits = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    mask = (torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    probability = F.softmax(logits, dim=1).gather(1, mask.long())
    expected = (-((1 - probability) ** 2) * probability.log()).mean() / 2
    assert float(loss_of(logits=logits, mask=mask).focal) == pytest.approx(float(expected), rel=1e-5)
    swapped = loss_of(logits=logits.flip(1), mask=1 - mask)
    assert float(swapped.focal) == pytest.approx(float(expected), rel=1e-5)


def test_total_is_the_plain_sum_and_half_precision_is_computed_in_float32():
    parts = loss_of(lambda image: image + 0.1)
    assert float(parts.total) == pytest.approx(float(parts.l2 + parts.ssim + parts.focal))
    assert loss_of(lambda image: image.bfloat16()).total.dtype == torch.float32


def test_l1_by_hand_is_watched_but_not_trained_by_default():
    parts = loss_of(lambda image: image - 0.1)
    assert float(parts.l1) == pytest.approx(0.1, rel=1e-4)
    assert float(parts.total) == pytest.approx(float(parts.l2 + parts.ssim + parts.focal))


@pytest.mark.parametrize(
    ("weights", "by_hand"),
    [
        ({"l1": 2.0, "l2": 0.0, "ssim": 0.0, "focal": 0.0, "sspcab": 0.0}, lambda loss: 2 * loss.l1),
        ({"l2": 0.5, "ssim": 3.0}, lambda loss: 0.5 * loss.l2 + 3 * loss.ssim + loss.focal + 0.1 * loss.sspcab),
        ({"l1": 1.0, "l2": 0.0, "sspcab": 10.0}, lambda loss: loss.l1 + loss.ssim + loss.focal + 10 * loss.sspcab),
    ],
)
def test_the_total_is_the_weighted_sum(weights, by_hand):
    predicted = torch.zeros(1, 2, 3, 3), torch.full((1, 2, 3, 3), 0.5)
    parts = loss_of(lambda image: image + 0.1, weights=LossWeights(**weights), predicted=predicted)
    assert float(parts.sspcab) == 0.25
    assert float(parts.total) == pytest.approx(float(by_hand(parts)), rel=1e-6)
    assert parts.parts.tolist() == [float(getattr(parts, name)) for name in (*PARTS, "total")]


def test_a_part_of_weight_0_has_no_gradient():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    reconstruction = (image + 0.1).requires_grad_()
    parts = draem_loss(image, reconstruction, torch.zeros(1, 1, 16, 16), torch.zeros(1, 2, 16, 16))
    assert not parts.l1.requires_grad
    assert parts.l2.requires_grad


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="nothing is learned"):
        LossWeights(l2=0, ssim=0, focal=0)
    with pytest.raises(ValueError, match="l3"):
        LossWeights(l3=1)


def test_alpha_1_ignores_good_pixels():
    """kornia reads alpha=1 as (0, 1): a map that calls every good pixel anomalous then costs nothing."""
    shouting = torch.stack((torch.full((2, 16, 16), -9.0), torch.full((2, 16, 16), 9.0)), dim=1)
    assert float(loss_of(logits=shouting, focal_alpha=1.0).focal) == pytest.approx(0, abs=1e-6)
    assert float(loss_of(logits=shouting).focal) > 1
