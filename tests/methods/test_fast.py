"""The fast copy of a network computes what the network computes."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from draem_core.methods.draem import Draem, fused
from draem_core.methods.draem.fast import fast_copy
from draem_core.methods.draem.fused import FusedConv, SplitPrecisionConv, onednn_convolves, round_keeping_sums
from draem_core.methods.draem.low_res_upconv import LowResUpConv, interpolation_matrix

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def network(sspcab: bool = False) -> Draem:
    """Small, with batch-norm statistics that folding has to get right, and reconstructions of picture size."""
    torch.manual_seed(0)
    model = Draem((16 if sspcab else 6, 4), sspcab)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0.0, 0.1)
            nn.init.uniform_(layer.running_var, 0.3, 0.6)
            nn.init.normal_(layer.bias, 0.0, 0.1)
            nn.init.normal_(layer.weight, 1.0, 0.1)
    return model.eval().requires_grad_(False)


def picture(height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def outputs(model: Draem, image: Tensor) -> Tensor:
    return torch.cat(model(image), dim=1)


@pytest.mark.parametrize("sspcab", [False, True])
def test_in_float32_it_gives_the_same(sspcab):
    model = network(sspcab)
    torch.testing.assert_close(
        outputs(fast_copy(model, torch.float32), picture()), outputs(model, picture()), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("sspcab", [False, True])
@pytest.mark.parametrize("high_accuracy", [False, True])
def test_in_bfloat16_it_comes_within_a_hundredth(sspcab, high_accuracy):
    model = network(sspcab)
    expected, found = outputs(model, picture()), outputs(fast_copy(model, torch.bfloat16, high_accuracy), picture())
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.01 * expected.abs().max()


def test_high_accuracy_comes_closer():
    model = network()
    expected = outputs(model, picture())
    fast, accurate = (
        outputs(fast_copy(model, torch.bfloat16, high_accuracy), picture()) for high_accuracy in (False, True)
    )
    assert (accurate - expected).abs().mean() < 0.7 * (fast - expected).abs().mean()


def test_another_size_than_the_first_is_right_too():
    model = network()
    fast = fast_copy(model, torch.float32)
    outputs(fast, picture(64, 64))  # packs the weights for this size
    torch.testing.assert_close(outputs(fast, picture(32, 96)), outputs(model, picture(32, 96)), atol=1e-5, rtol=1e-4)


def test_model_and_copy_do_not_touch_each_other():
    model = network()
    before = copy.deepcopy(model.state_dict())
    fast = fast_copy(model, torch.float32)
    expected = outputs(fast, picture())
    torch.testing.assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    for tensor in model.state_dict().values():
        tensor.zero_()
    torch.testing.assert_close(outputs(fast, picture()), expected, rtol=0, atol=0)


def test_batch_norm_folds_by_hand():
    block = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1, eps=0), nn.ReLU())
    conv, norm, _ = block
    nn.init.constant_(conv.weight, 2.0)
    nn.init.constant_(conv.bias, 1.0)
    norm.load_state_dict(
        {
            "weight": torch.tensor([6.0]),
            "bias": torch.tensor([5.0]),
            "running_mean": torch.tensor([3.0]),
            "running_var": torch.tensor([4.0]),
            "num_batches_tracked": torch.tensor(1),
        }
    )
    model = network()
    model.reconstructive_subnetwork.encoder.block2 = block
    folded = fast_copy(model, torch.float32).reconstructive_subnetwork.encoder.block2[0]
    # (2x + 1 - 3) / 2 · 6 + 5 = 6x - 1
    assert isinstance(folded, FusedConv)
    assert folded.bias.tolist() == [-1.0]
    assert folded.weight.unique().tolist() == [6.0]


def test_rounding_keeps_the_sum_by_hand():
    # bfloat16 has steps of 1/128 in [1, 2): 1 + 1/256 rounds to 1, 1 + 3/512 to 1 + 1/128, in all 1/512 too little
    kernel = torch.tensor([1 + 1 / 256, 1 + 3 / 512, 0.25, 0.125]).reshape(1, 1, 2, 2)
    rounded = round_keeping_sums(kernel, torch.bfloat16).float()
    assert rounded.flatten().tolist() == [1.0, 1 + 1 / 128, 0.25, 0.125 + 1 / 512]
    assert rounded.sum() == kernel.sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([torch.bfloat16, torch.float16]))
def test_rounding_keeps_sums_far_better_than_one_by_one(seed, dtype):
    kernels = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(seed))
    kept = (round_keeping_sums(kernels, dtype).float() - kernels).sum(dim=(2, 3)).abs().mean()
    lost = (kernels.to(dtype).float() - kernels).sum(dim=(2, 3)).abs().mean()
    assert kept < 0.3 * lost


def test_two_words_are_nearly_float32():
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(8, 3, 3, 3, generator=generator), torch.randn(8, generator=generator)
    image = picture(16, 16)
    exact = F.conv2d(image.double(), weight.double(), bias.double(), padding=1)
    with torch.inference_mode():
        found = SplitPrecisionConv(weight, bias, relu=False, dtype=torch.bfloat16)(image)
        single = FusedConv(weight.bfloat16(), bias, relu=False)(image)
    assert found.dtype == torch.bfloat16
    # what is left is the result's own rounding, at most half of its last digit
    assert ((found - exact).abs() <= exact.abs() * 2**-8 + 1e-4).all()
    assert (found - exact).abs().mean() < 0.7 * (single - exact).abs().mean()


@pytest.mark.parametrize(("height", "width"), [(4, 4), (1, 1), (3, 8)])
def test_upsampling_may_come_after_the_convolution(height, width):
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(5, 6, 3, 3, generator=generator), torch.randn(5, generator=generator)
    features = torch.rand(2, 6, height, width, generator=generator)
    fine = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
    expected = F.conv2d(fine, weight, bias, padding=1).relu()
    with torch.inference_mode():
        found = LowResUpConv(weight, bias)(features)
    assert found.shape == (2, 5, 2 * height, 2 * width)
    # neighbours' shares are rounded to 1/256 on purpose
    torch.testing.assert_close(found, expected, atol=9 * 6 / 256, rtol=0)
    assert (found - expected).abs().mean() < 0.01


def test_spreading_a_line_of_two_by_hand():
    # upsampled with corners aligned, (a, b) becomes a, (2a + b)/3, (a + 2b)/3, b; thirds become 85/256 and 171/256
    third = 85 / 256
    middle_tap = interpolation_matrix(2)[:, 1::3]
    assert middle_tap.tolist() == [[1, 0], [1 - third, third], [third, 1 - third], [0, 1]]
    # the tap before sees the line one place to the right, with a zero at the border
    assert interpolation_matrix(2)[:, 0::3].tolist() == [[0, 0], [1, 0], [1 - third, third], [third, 1 - third]]


def test_a_wide_network_uses_it_and_stays_right():
    torch.manual_seed(0)
    model = Draem((64, 4)).eval().requires_grad_(False)
    fast = fast_copy(model, torch.bfloat16)
    assert any(isinstance(layer, LowResUpConv) for layer in fast.modules())
    assert not any(
        isinstance(layer, LowResUpConv) for layer in fast_copy(model, torch.bfloat16, high_accuracy=True).modules()
    )
    expected = outputs(model, picture())
    assert (outputs(fast, picture()) - expected).abs().max() < 0.01 * expected.abs().max()


@pytest.fixture
def asked_anew():
    """What was found out about this machine does not reach the test, nor what the test finds out the others."""
    onednn_convolves.cache_clear()
    yield
    onednn_convolves.cache_clear()


def raising(error):
    def call(*_, **__):
        raise error

    return call


def convolved_by_hand(dtype):
    """One FusedConv's input and weights in ``dtype``, and its result in float64: (features, weight, bias, exact)."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 9, 6, generator=generator)
    weight = torch.randn(7, 5, 3, 3, generator=generator).to(dtype)
    bias = torch.randn(7, generator=generator)
    exact = F.conv2d(features.to(dtype).double(), weight.double(), bias.double(), padding=1).relu()
    return features, weight, bias, exact


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", ["_reorder_convolution_weight", "_convolution_pointwise"])
@pytest.mark.parametrize("error", [RuntimeError("needs another processor"), NotImplementedError(), AttributeError()])
def test_without_the_private_calls_the_same_numbers_come_out(monkeypatch, asked_anew, dtype, call, error):
    features, weight, bias, exact = convolved_by_hand(dtype)
    monkeypatch.setattr(torch.ops.mkldnn, call, raising(error))
    assert not onednn_convolves(dtype)
    with torch.inference_mode():
        found = FusedConv(weight, bias, relu=True)(features)
    assert found.dtype == dtype
    assert (found == 0).any(), "the ReLU"
    # float32 sums, the bias unrounded, and one rounding of the result: at most half of its last digit
    half = torch.finfo(dtype).eps / 2 if dtype != torch.float32 else 1e-6
    assert ((found - exact).abs() <= exact * half + 1e-5).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_this_machines_own_way_gives_them_too(dtype):
    features, weight, bias, exact = convolved_by_hand(dtype)
    with torch.inference_mode():
        found = FusedConv(weight, bias, relu=True)(features)
    assert found.dtype == dtype
    half = torch.finfo(dtype).eps / 2 if dtype != torch.float32 else 1e-6
    assert ((found - exact).abs() <= exact * half + 1e-5).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_private_calls_with_wrong_numbers_are_not_used(monkeypatch, asked_anew, dtype):
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", lambda weight, *_: weight)
    for wrong in (torch.zeros_like, lambda right: right + torch.nan, lambda right: right * 1.02):

        def convolve(features, weight, bias, *_, wrong=wrong):
            return wrong(F.conv2d(features, weight, bias.to(weight), padding=weight.shape[-1] // 2).relu())

        monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", convolve)
        onednn_convolves.cache_clear()
        assert not onednn_convolves(dtype)


def test_the_machine_is_asked_once(monkeypatch, asked_anew):
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", raising(RuntimeError()))
    assert not onednn_convolves(torch.bfloat16)
    monkeypatch.undo()
    assert not onednn_convolves(torch.bfloat16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [6, 64])  # the wider one holds a LowResUpConv
def test_a_whole_network_is_as_right_without_onednn(monkeypatch, dtype, width):
    torch.manual_seed(0)
    model = Draem((width, 4)).eval().requires_grad_(False)
    expected, native = outputs(model, picture()), outputs(fast_copy(model, dtype), picture())
    monkeypatch.setattr(fused, "onednn_convolves", lambda dtype: False)
    plain = outputs(fast_copy(model, dtype), picture())
    allowed = 1e-4 if dtype == torch.float32 else 0.01
    for found in (native, plain):
        assert (found - expected).abs().max() < allowed * expected.abs().max()
