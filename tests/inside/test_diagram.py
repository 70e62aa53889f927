"""The plan's counts against torch's, by hand and against the paper's network; receptive fields against gradients."""

import copy

import pytest
import torch
from small_networks import SIZE, noise_picture, small_checkpoint, small_predictor
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from draem_core.inside.diagram import diagram
from draem_core.inside.receptive_field import Box, receptive_field
from draem_core.inside.stages import trace
from draem_core.methods.draem import Draem


@pytest.mark.parametrize("sspcab", [False, True])
def test_counts_equal_torchs_on_the_real_network(sspcab):
    model = small_checkpoint(sspcab=sspcab).model
    plan = diagram(model, SIZE)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.rand(1, 3, *SIZE))
    assert plan.flops == counter.get_total_flops() == sum(block.flops for block in plan.blocks)
    assert plan.parameters == sum(one.numel() for one in model.parameters())
    assert plan.parameters == sum(block.parameters for block in plan.blocks)
    for block in plan.blocks:
        assert block.parameters == sum(layer.parameters for layer in block.layers)
        assert block.flops == sum(layer.flops for layer in block.layers)


def test_blocks_are_the_stages_with_their_shapes():
    plan = diagram(small_checkpoint().model, SIZE)
    traced = trace(small_predictor(), noise_picture())
    layered = [stage for stage in traced.stages if stage.layer]
    assert [block.name for block in plan.blocks] == [stage.name for stage in layered]
    assert [block.path for block in plan.blocks] == [stage.layer for stage in layered]
    assert [block.output for block in plan.blocks] == [stage.shape for stage in layered]


def test_a_convolution_by_hand():
    block = diagram(small_checkpoint().model, SIZE).blocks[1]
    assert block.name == "reconstructive.encoder.block2"
    assert block.input == (8, 32, 16)
    assert block.output == (16, 32, 16)
    first, norm, relu, *_ = block.layers
    assert (first.kind, norm.kind, relu.kind) == ("conv 3×3", "batch-norm", "ReLU")
    assert first.parameters == 16 * 8 * 9 + 16
    assert first.flops == 2 * 16 * 8 * 9 * 32 * 16
    assert (norm.parameters, relu.parameters) == (32, 0)


def test_skips_name_the_features_that_are_joined():
    blocks = {block.name: block for block in diagram(small_checkpoint().model, SIZE).blocks}
    found = {name.rpartition(".")[2]: block.skip_from for name, block in blocks.items() if block.skip_from}
    encoder = "discriminative.encoder.block"
    assert found == {
        "db_b": f"{encoder}5",
        "db1": f"{encoder}4",
        "db2": f"{encoder}3",
        "db3": f"{encoder}2",
        "db4": f"{encoder}1",
    }
    for name, block in blocks.items():
        if block.skip_from:
            up = blocks[name.replace(".db", ".up")]
            assert block.input[0] == up.output[0] + blocks[block.skip_from].output[0]


def test_the_papers_network_has_396_gflop():
    with torch.device("meta"):
        model = Draem((128, 64))
    plan = diagram(model, (256, 256))
    assert plan.parameters == 97_422_725
    assert round(plan.flops / 1e9) == 396


def test_the_model_stays_as_it_is():
    model = small_checkpoint().model
    before = copy.deepcopy(model.state_dict())
    diagram(model, SIZE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())


class MeanPool(nn.MaxPool2d):
    """Lets every pixel through, where a maximum hides all but one."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(features, 2)


def transparent_model():
    """Return a network through which every pixel that can reach a cell does: no negative weight, no lost maximum."""
    model = Draem((1, 1)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.1)
    for segment in (model.reconstructive_subnetwork.encoder, model.discriminative_subnetwork.encoder_segment):
        segment.pool = MeanPool(2)
    return model.requires_grad_(False)


def box_of_gradient(model, stage, row, column, size):
    """Return the box of the pixels on which a cell depends."""
    image = torch.rand(1, 3, *size, dtype=torch.float64, requires_grad=True)
    kept = {}
    path = {"anomaly_map": "discriminative_subnetwork.decoder_segment.fin_out"}.get(stage, stage)
    hook = model.get_submodule(path).register_forward_hook(lambda _, __, output: kept.update(output=output))
    model(image)
    hook.remove()
    kept["output"][0, :, row, column].sum().backward()
    rows, columns = (image.grad.abs().sum(dim=(0, 1)) > 0).nonzero(as_tuple=True)
    top, left = int(rows.min()), int(columns.min())
    return Box(top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)


@pytest.mark.parametrize(
    ("name", "path", "row", "column"),
    [
        ("reconstructive.encoder.block1", "reconstructive_subnetwork.encoder.block1", 5, 0),
        ("reconstructive.encoder.block3", "reconstructive_subnetwork.encoder.block3", 20, 30),
        ("reconstructive.encoder.block5", "reconstructive_subnetwork.encoder.block5", 11, 7),
        ("reconstructive.decoder.up1", "reconstructive_subnetwork.decoder.up1", 21, 3),
        ("reconstructive.decoder.db2", "reconstructive_subnetwork.decoder.db2", 40, 63),
        ("reconstruction", "reconstructive_subnetwork.decoder.fin_out", 100, 200),
        ("discriminative.encoder.block1", "discriminative_subnetwork.encoder_segment.block1", 150, 128),
        ("discriminative.encoder.block6", "discriminative_subnetwork.encoder_segment.block6", 9, 1),
        ("discriminative.decoder.db_b", "discriminative_subnetwork.decoder_segment.db_b", 0, 19),
        ("anomaly_map", "anomaly_map", 33, 300),
    ],
)
def test_receptive_fields_equal_the_gradients(name, path, row, column):
    size, model = (384, 320), transparent_model()
    assert receptive_field(model, name, row, column, size) == box_of_gradient(model, path, row, column, size)


def test_receptive_fields_by_hand():
    model = small_checkpoint().model
    assert receptive_field(model, "image", 3, 4, SIZE) == Box(3, 4, 1, 1)
    assert receptive_field(model, "reconstructive.encoder.block1", 10, 0, SIZE) == Box(8, 0, 5, 3)
    # block2: two convolutions on halves, ± 2 there; then pixels 2·8 … 2·12 + 1, ± 2
    assert receptive_field(model, "reconstructive.encoder.block2", 10, 8, SIZE) == Box(14, 10, 14, 14)
    everything = receptive_field(small_checkpoint(sspcab=True).model, "reconstructive.encoder.block5", 0, 0, (512, 512))
    assert everything == Box(0, 0, 512, 512)


def test_cells_and_stages_that_do_not_exist():
    model = small_checkpoint().model
    with pytest.raises(ValueError, match=r"the cell \(32, 0\) lies outside reconstructive.encoder.block2"):
        receptive_field(model, "reconstructive.encoder.block2", 32, 0, SIZE)
    assert receptive_field(model, "discriminative.decoder.up_b", 3, 1, SIZE)
    with pytest.raises(ValueError, match="lies outside"):
        receptive_field(model, "discriminative.decoder.up_b", 4, 1, SIZE)
    for name in ("nowhere", "pred_mask", "reconstructive.encoder.block6"):
        with pytest.raises(ValueError, match="there is no stage"):
            receptive_field(model, name, 0, 0, SIZE)
