"""Each ablation equals a network that was rebuilt to do the same, and leaves no trace behind."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from small_networks import SIZE, WIDTHS, noise_picture, small_checkpoint, small_predictor
from torch import nn

from draem_core import DraemError
from draem_core.inside.ablations import (
    SKIPS,
    Ablations,
    ablated,
    change,
    difference_map,
    has_sspcab,
    predict_ablated,
    without_discriminator,
)
from draem_core.inside.stages import trace
from draem_core.types import Prediction

ORDERS = ["image_first", "reconstruction_first"]


def logits_by(model, joined):
    with torch.inference_mode():
        return model.discriminative_subnetwork(joined)[0].numpy()


def image_and_reconstruction(prediction):
    return (
        torch.from_numpy(part.transpose(2, 0, 1).copy())[None] for part in (prediction.image, prediction.reconstruction)
    )


@pytest.mark.parametrize("concat_order", ORDERS)
def test_the_image_in_both_places(concat_order):
    predictor = small_predictor(concat_order=concat_order)
    traced = trace(predictor, noise_picture(), Ablations("image_twice"))
    image, _ = image_and_reconstruction(traced.prediction)
    joined = torch.cat((image, image), dim=1)
    torch.testing.assert_close(traced.stage("joined").tensor[None], joined)
    expected = logits_by(small_checkpoint(concat_order=concat_order).model, joined)
    np.testing.assert_allclose(traced.prediction.logits, expected, atol=1e-4)
    # the reconstruction itself is still the network's
    plain = predictor.predict(noise_picture())
    np.testing.assert_array_equal(traced.prediction.reconstruction, plain.reconstruction)


@pytest.mark.parametrize("concat_order", ORDERS)
def test_swapped(concat_order):
    prediction = predict_ablated(small_predictor(concat_order=concat_order), noise_picture(), Ablations("swapped"))
    image, reconstruction = image_and_reconstruction(prediction)
    model = small_checkpoint(concat_order=concat_order).model
    expected = logits_by(model, model.join(reconstruction, image))
    np.testing.assert_allclose(prediction.logits, expected, atol=1e-4)


@pytest.mark.parametrize("skip", SKIPS)
def test_a_skip_of_zeros_is_a_kernel_of_zeros(skip):
    predictor = small_predictor()
    prediction = predict_ablated(predictor, noise_picture(), Ablations(skips_off=(skip,)))
    model = copy.deepcopy(small_checkpoint().model)
    decoder = model.discriminative_subnetwork.decoder_segment
    block = [decoder.db4, decoder.db3, decoder.db2, decoder.db1, decoder.db_b][skip - 1]
    width = WIDTHS[1] * min(8, 2 ** (skip - 1))
    block[0].weight[:, -width:] = 0  # the skip's channels come last
    image, reconstruction = image_and_reconstruction(prediction)
    np.testing.assert_allclose(prediction.logits, logits_by(model, model.join(image, reconstruction)), atol=1e-4)
    assert change(predictor.predict(noise_picture()), prediction).largest_move > 1e-3


def test_an_sspcab_passed_by_is_an_identity():
    predictor = small_predictor(sspcab=True)
    prediction = predict_ablated(predictor, noise_picture(), Ablations(sspcab=False))
    model = copy.deepcopy(small_checkpoint(sspcab=True).model)
    model.reconstructive_subnetwork.encoder.block5 = nn.Identity()
    image, reconstruction = image_and_reconstruction(prediction)
    with torch.inference_mode():
        expected, _ = model(image)
    np.testing.assert_allclose(reconstruction, expected, atol=1e-3)  # of values up to 10
    assert not np.allclose(reconstruction, list(image_and_reconstruction(predictor.predict(noise_picture())))[1])


def test_without_an_sspcab_there_is_nothing_to_switch_off():
    predictor = small_predictor()
    assert not has_sspcab(small_checkpoint().model)
    assert has_sspcab(small_checkpoint(sspcab=True).model)
    with pytest.raises(DraemError, match="has no SSPCAB"):
        predict_ablated(predictor, noise_picture(), Ablations("swapped", sspcab=False))
    assert hooks_of(predictor) == 0


def hooks_of(predictor):
    with predictor.borrow_network() as network:
        return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in network.modules())


def test_no_hook_stays_whatever_happens():
    predictor = small_predictor(sspcab=True)
    everything = Ablations("swapped", skips_off=SKIPS, sspcab=False)
    trace(predictor, noise_picture(), everything)
    assert hooks_of(predictor) == 0
    with pytest.raises(ValueError, match="RGB uint8"):
        trace(predictor, np.zeros((4, 4)), everything)
    assert hooks_of(predictor) == 0
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        predictor.borrow_network() as network,
        ablated(network, everything),
    ):
        raise RuntimeError("on purpose")
    assert hooks_of(predictor) == 0


def test_other_threads_get_their_own_numbers():
    predictor = small_predictor()
    plain = [predictor.predict(noise_picture(seed)) for seed in range(4)]
    twice = [predict_ablated(predictor, noise_picture(seed), Ablations("image_twice")) for seed in range(4)]

    def either(job):
        seed, is_ablated = job
        if is_ablated:
            return trace(predictor, noise_picture(seed), Ablations("image_twice")).prediction
        return predictor.predict(noise_picture(seed))

    jobs = [(seed, is_ablated) for _ in range(5) for seed in range(4) for is_ablated in (True, False)]
    with ThreadPoolExecutor(4) as pool:
        for (seed, is_ablated), found in zip(jobs, pool.map(either, jobs), strict=True):
            np.testing.assert_array_equal(found.anomaly_map, (twice if is_ablated else plain)[seed].anomaly_map)


def test_unknown_ablations_are_refused():
    with pytest.raises(ValueError, match="pair is 'both'"):
        Ablations("both")
    for skips in ((0,), (1, 6)):
        with pytest.raises(ValueError, match="has the skips"):
            Ablations(skips_off=skips)


def test_difference_map_and_change_by_hand():
    image = np.zeros((*SIZE, 3), np.float32)
    reconstruction = image.copy()
    reconstruction[3, 4] = (0.3, -0.6, 0.0)
    before = Prediction(image, reconstruction, np.zeros((2, *SIZE)), np.zeros(SIZE, np.float32), 0.25)
    found = difference_map(before)
    assert found.dtype == np.float32
    assert found[3, 4] == pytest.approx(0.3)
    assert np.count_nonzero(found) == 1
    reconstruction[3, 4] = (3.0, -6.0, 0.0)  # a mean of 3, cut to 1
    plain = without_discriminator(before, "max_of_mean21")
    assert plain.anomaly_map[3, 4] == 1
    assert plain.image_score == pytest.approx(1 / 21**2)
    moved = np.zeros(SIZE, np.float32)
    moved[0, :2] = (0.5, 0.25)
    after = Prediction(image, reconstruction, np.zeros((2, *SIZE)), moved, 0.5)
    assert change(before, after).largest_move == 0.5
    assert change(before, after).mean_move == pytest.approx(0.75 / moved.size)
    assert (change(before, after).score_before, change(before, after).score_after) == (0.25, 0.5)
