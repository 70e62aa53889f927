"""The network's plan, read off the loaded model: layers, shapes, parameters, floating-point operations.

Nothing is computed: the model's structure runs on torch's meta device. Knows no pictures.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from draem_core.inside.stages import stage_layers, stage_name
from draem_core.methods.draem import Draem

Shape = tuple[int, ...]


@dataclass(frozen=True)
class DiagramLayer:
    """One layer of a block.

    path: in the network. kind: "conv 3×3", "batch-norm", "ReLU", "upsample 2×", "linear".
    input, output: shapes without the batch, (C, h, w), or (C,) of a linear layer.
    flops: by torch's counter, a multiplication and its addition being two; layers that it does not count have 0.
    """

    path: str
    kind: str
    input: Shape
    output: Shape
    parameters: int
    flops: int


@dataclass(frozen=True)
class Block:
    """One block of the network: a stage.

    name: of the stage. path: in the network. input, output: (C, h, w); the input is what pooling and skips hand over.
    skip_from: the stage whose features a decoder's block gets besides those from below, "" for none.
    """

    name: str
    path: str
    input: Shape
    output: Shape
    parameters: int
    flops: int
    skip_from: str
    layers: tuple[DiagramLayer, ...]


@dataclass(frozen=True)
class Diagram:
    """The blocks in the order in which the data meet them, for one picture of ``input_size`` (H, W)."""

    blocks: tuple[Block, ...]
    input_size: tuple[int, int]
    parameters: int
    flops: int


def diagram(model: Draem, input_size: tuple[int, int]) -> Diagram:
    """Return the plan of a checkpoint's ``model``, which stays as it is; a prepared one has its layers fused.

    Args:
        input_size: (H, W), each a multiple of 32.
    """
    meta_model = _meta_model(model)
    shapes: dict[str, tuple[Shape, Shape]] = {}
    hooks = [part.register_forward_hook(_noting(path, shapes)) for path, part in meta_model.named_modules() if path]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        meta_model(torch.empty(1, 3, *input_size, device="meta"))
    for hook in hooks:
        hook.remove()
    flops = {
        path.removeprefix("Draem."): sum(by_operation.values())
        for path, by_operation in counter.get_flop_counts().items()
    }
    blocks = []
    for path in stage_layers(meta_model):
        block = meta_model.get_submodule(path)
        layers = tuple(
            DiagramLayer(
                f"{path}.{name}", _kind(part), *shapes[f"{path}.{name}"], _size(part), flops.get(f"{path}.{name}", 0)
            )
            for name, part in block.named_modules()
            if not list(part.children())
        )
        blocks.append(
            Block(stage_name(path), path, *shapes[path], _size(block), flops.get(path, 0), _skip_into(path), layers)
        )
    return Diagram(tuple(blocks), input_size, _size(meta_model), counter.get_total_flops())


def _meta_model(model: Draem) -> Draem:
    """Copy a model without its numbers."""
    parameters = {id(one): nn.Parameter(one.to("meta"), requires_grad=False) for one in model.parameters()}
    buffers = {id(one): one.to("meta") for one in model.buffers()}
    return copy.deepcopy(model, {**parameters, **buffers})


def _noting(path: str, shapes: dict[str, tuple[Shape, Shape]]) -> Callable[..., None]:
    def hook(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            shapes[path] = (tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))

    return hook


def _skip_into(path: str) -> str:
    """Return the stage that is joined to a discriminator's decoder block: the coarsest first, as its forward does."""
    segment, _, name = path.rpartition(".")
    joined = ("db_b", "db1", "db2", "db3", "db4")
    if segment != "discriminative_subnetwork.decoder_segment" or name not in joined:
        return ""
    return f"discriminative.encoder.block{5 - joined.index(name)}"


def _kind(layer: nn.Module) -> str:
    match layer:
        case nn.Conv2d():
            return f"conv {layer.kernel_size[0]}×{layer.kernel_size[1]}"
        case nn.BatchNorm2d():
            return "batch-norm"
        case nn.ReLU():
            return "ReLU"
        case nn.Upsample():
            return f"upsample {layer.scale_factor:g}×"
        case nn.Linear():
            return "linear"
    return type(layer).__name__


def _size(part: nn.Module) -> int:
    return sum(one.numel() for one in part.parameters())
