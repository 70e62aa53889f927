"""The choice of a float: what moves the map too far is not taken, and the user is told."""

import pytest
import torch
from torch import nn

from draem_core.errors import DraemError
from draem_core.inference import precision
from draem_core.inference.precision import check_picture, half_dtypes, prepare_network
from draem_core.methods.draem import Draem, fused

CPU = torch.device("cpu")
SIZE = (64, 64)


@pytest.fixture(autouse=True)
def _bfloat16_counts_as_quick(monkeypatch):
    """Any processor computes in bfloat16, if slowly; the choice must not depend on the one that runs the tests."""
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "onednn_convolves", lambda dtype: True)


def calm_network() -> Draem:
    """As torch builds it: even maps, which no rounding moves."""
    torch.manual_seed(0)
    return Draem((4, 2)).eval().requires_grad_(False)


def steep_network(steepness: float) -> Draem:
    """Logits so steep that rounding anywhere turns pixels over."""
    model = calm_network()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    last = model.discriminative_subnetwork.decoder_segment.fin_out[0]
    last.weight *= steepness
    return model


def test_auto_takes_bfloat16_where_the_map_stays():
    prepared = prepare_network(calm_network(), SIZE, CPU)
    assert prepared.precision == "bfloat16"
    assert prepared.note.startswith(
        "bfloat16: this processor has it natively; against float32 the map moves by at most 0."
    )


def test_auto_falls_back_to_float32_where_it_moves_and_says_how_far():
    prepared = prepare_network(steep_network(1e2), SIZE, CPU)
    assert prepared.precision == "float32"
    assert prepared.note.startswith("float32: with bfloat16 the map moves by at most ")
    assert prepared.note.endswith("more than the 0.005 allowed.")


def test_a_network_that_amplifies_folding_runs_as_it_is():
    model = steep_network(1e2)
    conv, norm = model.discriminative_subnetwork.encoder_segment.block1[:2]
    conv.bias.fill_(1e4)  # 1e4 + x - 1e4 loses digits of x in the network as it is, and none once folded
    norm.running_mean.fill_(1e4)
    prepared = prepare_network(model, SIZE, CPU, "float32")
    assert prepared.network is model
    assert "Batch-norm is not folded" in prepared.note


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("part", ["weight", "bias"])  # the weights overflow, or the results alone
def test_a_float_that_overflows_is_not_taken(monkeypatch, part, onednn):
    if not onednn:
        monkeypatch.setattr(fused, "onednn_convolves", lambda dtype: False)
    model = calm_network()
    block = model.reconstructive_subnetwork.encoder.block2
    getattr(block[0], part).mul_(1e8)  # float16 ends at 65504
    block[3].weight *= 1e-8
    monkeypatch.setattr(precision, "half_dtypes", lambda device: ("float16",))
    prepared = prepare_network(model, SIZE, CPU)
    assert prepared.precision == "float32"
    assert "with float16 the result is not finite" in prepared.note


def test_auto_on_a_processor_without_bfloat16_is_float32(monkeypatch):
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: False)
    prepared = prepare_network(calm_network(), SIZE, CPU)
    assert prepared.precision == "float32"
    assert prepared.note == "float32: this processor computes in no shorter float quickly."


def test_what_is_asked_for_is_taken_and_its_price_told():
    prepared = prepare_network(steep_network(1e2), SIZE, CPU, "bfloat16")
    assert prepared.precision == "bfloat16"
    assert prepared.note.startswith("bfloat16: asked for; in the check the map moves by at most ")
    assert prepare_network(calm_network(), SIZE, CPU, "float32").note == "float32: asked for."


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_what_is_asked_for_works_on_every_processor_and_says_that_it_is_slow(monkeypatch, name):
    for module in (precision, fused):
        monkeypatch.setattr(module, "onednn_convolves", lambda dtype: False)
    prepared = prepare_network(calm_network(), SIZE, CPU, name)
    assert prepared.precision == name
    assert prepared.note.startswith(f"{name}: asked for; in the check the map moves by at most 0.00")
    slow = f"This processor does not compute in {name}: float32 results are rounded to it, which is slower."
    assert prepared.note.endswith(slow)


def test_auto_takes_no_float_that_would_only_be_rounded_to(monkeypatch):
    monkeypatch.setattr(precision, "onednn_convolves", lambda dtype: False)
    assert prepare_network(calm_network(), SIZE, CPU).precision == "float32"


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, TypeError])
def test_a_float_that_the_device_lacks_is_refused_in_a_sentence(monkeypatch, error):
    def lacks(*_):
        raise error("there is no such float here")

    monkeypatch.setattr(precision, "fast_copy", lacks)
    with pytest.raises(DraemError, match=r"cpu cannot compute in float16: there is no such float here\. Take 'auto'\."):
        prepare_network(calm_network(), SIZE, CPU, "float16")


def test_an_unknown_float_is_refused_in_a_sentence():
    with pytest.raises(DraemError, match=r"'int8' is unknown\. Take one of: auto, float32, bfloat16, float16\."):
        prepare_network(calm_network(), SIZE, CPU, "int8")


def test_the_high_accuracy_form_is_tried_before_a_float_is_refused(monkeypatch):
    tried = []
    real = precision.fast_copy
    monkeypatch.setattr(precision, "fast_copy", lambda *form: tried.append(form[1:3]) or real(*form))
    prepare_network(steep_network(1e2), SIZE, CPU)
    assert tried == [(torch.bfloat16, False), (torch.bfloat16, True), (torch.float32, False)]


@pytest.mark.parametrize(
    ("device", "quick_bfloat16", "expected"),
    [
        ("cpu", True, ("bfloat16",)),
        ("cpu", False, ()),
        ("cuda", True, ("bfloat16", "float16")),
        ("cuda", False, ("float16",)),
        ("mps", False, ("float16",)),
    ],
)
def test_short_floats_of_each_device(monkeypatch, device, quick_bfloat16, expected):
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: quick_bfloat16)
    assert half_dtypes(torch.device(device)) == expected


def test_the_check_picture_is_a_picture_and_always_the_same():
    picture = check_picture((64, 96))
    assert picture.shape == (1, 3, 64, 96)
    assert 0 <= picture.min() < picture.max() <= 1
    assert picture.std() > 0.05
    torch.testing.assert_close(picture, check_picture((64, 96)), rtol=0, atol=0)
