"""A fast copy of a DRAEM network for inference: batch-norm folded, channels last, most layers in a 16-bit float.

Same numbers as the network it is made from, up to rounding; `draem_core.inference.precision` measures how far up to.
Knows no images, no files and no thresholds.
"""

import copy
from itertools import chain

import torch
from torch import Tensor, nn

from draem_core.methods.draem.fused import FusedConv, SplitPrecisionConv, round_keeping_sums
from draem_core.methods.draem.low_res_upconv import LowResUpConv
from draem_core.methods.draem.network import Draem
from draem_core.methods.draem.sspcab import SSPCAB

# The discriminator looks for small differences of two nearly equal pictures. Where these enter it, where the second one
# is finished and where the map is, a 16-bit float costs more accuracy than everywhere else together.
_FIRST = ("reconstructive_subnetwork.encoder.block1.0", "discriminative_subnetwork.encoder_segment.block1.0")
_LAST = ("reconstructive_subnetwork.decoder.fin_out", "discriminative_subnetwork.decoder_segment.fin_out")
_SENSITIVE = ("reconstructive_subnetwork.decoder.db4", "discriminative_subnetwork.encoder_segment.block1")

_CPU = torch.device("cpu")
_LOW_RES_CHANNELS = 512  # from here on `LowResUpConv` pays on a processor


class Cast(nn.Module):
    """Features of any float → the same in ``dtype``."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, features: Tensor) -> Tensor:
        return features.to(self.dtype)


def fast_copy(model: Draem, dtype: torch.dtype, high_accuracy: bool = False, device: torch.device = _CPU) -> Draem:
    """Return a copy of ``model`` (float32, eval, on the CPU) for inference on ``device``; ``model`` stays as it is.

    The copy takes and gives float32 like the model. Inside, convolutions run in ``dtype``; a 16-bit one is kept from
    the cheap layers where its rounding shows most in the map: both networks' first and last convolution, and SSPCAB.
    ``high_accuracy`` keeps it from the two layers before the reconstruction and the two behind it too, a tenth of the
    work, and leaves out `LowResUpConv`, whose sums are rounded once more: on trained networks that halves what is left.
    Memory: the copy shares nothing with the model, and is never held twice.
    """
    with torch.no_grad():
        tensors = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
        network = copy.deepcopy(model, tensors)  # the structure is copied, the weights are still the model's
        low_res = device.type == "cpu" and not high_accuracy
        in_float32 = (*_LAST, *_SENSITIVE) if high_accuracy else _LAST
        for name, block in list(network.named_modules()):
            if isinstance(block, nn.Sequential):
                _fuse(name, block, dtype, in_float32, low_res)
        encoder = network.reconstructive_subnetwork.encoder
        if isinstance(encoder.block5, SSPCAB):
            encoder.block5 = nn.Sequential(Cast(torch.float32), copy.deepcopy(encoder.block5))
    return network.eval().requires_grad_(False).to(device)


def _fuse(name: str, block: nn.Sequential, dtype: torch.dtype, in_float32: tuple[str, ...], low_res: bool) -> None:
    """Replace each convolution of the block, with the batch-norm and ReLU behind it, by one fused layer, in place."""
    layers = list(block)
    for index, layer in enumerate(layers):
        if not isinstance(layer, nn.Conv2d):
            continue
        place = f"{name}.{index}"
        followers = layers[index + 1 : index + 3]  # batch-norm and ReLU, or nothing
        weight, bias = _folded(layer, followers[0] if followers else None)
        relu = bool(followers)
        if dtype == torch.float32 or place.startswith(in_float32):
            block[index] = FusedConv(weight, bias, relu)
        elif place in _FIRST:
            block[index] = SplitPrecisionConv(weight, bias, relu, dtype)
        elif low_res and isinstance(layers[0], nn.Upsample) and weight.shape[1] >= _LOW_RES_CHANNELS:
            block[index] = LowResUpConv(round_keeping_sums(weight, dtype), bias)
            block[0] = nn.Identity()
        else:
            block[index] = FusedConv(round_keeping_sums(weight, dtype), bias, relu)
        for behind in range(index + 1, index + 1 + len(followers)):
            block[behind] = nn.Identity()


def _folded(conv: nn.Conv2d, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Return float32 weight and bias of one convolution that does the work of both."""
    assert conv.bias is not None
    if norm is None:
        return conv.weight, conv.bias
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() + (conv.bias.double() - norm.running_mean.double()) * scale
    return conv.weight * scale.float()[:, None, None, None], bias.float()
