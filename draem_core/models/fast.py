"""A quick copy of a DRAEM network for inference: batch-norm folded, channels last, most layers in a short float.

Same numbers as the network it is made from, up to rounding; `draem_core.precision` measures how far up to.
Knows no images, no files and no thresholds.
"""

import copy
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from draem_core.models.draem import Draem
from draem_core.models.sspcab import SSPCAB

# The discriminator looks for small differences of two nearly equal pictures. A short float on the way from a picture to
# that difference, or from the last skip to the map, costs far more accuracy than everywhere else together.
_FIRST = ("reconstructive_subnetwork.encoder.block1.0", "discriminative_subnetwork.encoder_segment.block1.0")
_LAST = ("reconstructive_subnetwork.decoder.fin_out", "discriminative_subnetwork.decoder_segment.fin_out")
_SENSITIVE = (
    "reconstructive_subnetwork.decoder.db4",
    "discriminative_subnetwork.encoder_segment.block1",
    "discriminative_subnetwork.encoder_segment.block2.0",
    "discriminative_subnetwork.decoder_segment.up3",
    "discriminative_subnetwork.decoder_segment.db3",
    "discriminative_subnetwork.decoder_segment.up4",
    "discriminative_subnetwork.decoder_segment.db4",
)
_PADDING_STRIDE_DILATION_GROUPS = ([1, 1], [1, 1], [1, 1], 1)


class FusedConv(nn.Module):
    """Conv 3×3 with the batch-norm folded in, and perhaps a ReLU: (B, C, H, W) of any float → the weight's dtype.

    On a processor it runs as one oneDNN call on weights that are packed at the first call, for that call's size.
    Other sizes stay right, if slower. The bias is added in float32 there.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.detach().clone())
        self.relu = relu

    def forward(self, features: Tensor) -> Tensor:
        features = features.to(self.weight.dtype)
        if _onednn_runs(features):
            return self._forward_onednn(features)
        convolved = F.conv2d(features, self.weight, self.bias.to(features.dtype), padding=1)
        return convolved.relu_() if self.relu else convolved

    def _forward_onednn(self, features: Tensor) -> Tensor:
        onednn = torch.ops.mkldnn
        if not self.weight.is_mkldnn:
            shape = list(features.shape)
            self.weight = onednn._reorder_convolution_weight(self.weight, *_PADDING_STRIDE_DILATION_GROUPS, shape)
        after = "relu" if self.relu else "none"
        return onednn._convolution_pointwise(
            features, self.weight, self.bias, *_PADDING_STRIDE_DILATION_GROUPS, after, [], ""
        )


class TwoWordConv(FusedConv):
    """A `FusedConv` whose input and weight are each kept as a sum of two short floats, nearly as fine as float32.

    Three times the work, which on a picture's few channels is next to nothing. The product of the two low words is
    left out.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool, dtype: torch.dtype) -> None:
        high, low = _two_words(weight, dtype)
        super().__init__(torch.cat((high, high, low), dim=1), bias, relu)

    def forward(self, features: Tensor) -> Tensor:
        high, low = _two_words(features, self.weight.dtype)
        return super().forward(torch.cat((high, low, high), dim=1))


class Cast(nn.Module):
    """Features of any float → the same in ``dtype``."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, features: Tensor) -> Tensor:
        return features.to(self.dtype)


def fast_copy(model: Draem, dtype: torch.dtype, careful: bool = False) -> Draem:
    """Return a copy of ``model`` (float32, eval) for inference only, on the same device; ``model`` stays as it is.

    The copy takes and gives float32 like the model. Inside, convolutions run in ``dtype``; a short one is kept from the
    cheap layers where its rounding shows most in the map: both networks' first and last convolution, and SSPCAB.
    ``careful`` keeps it from the sensitive middle layers too, about a sixth of the work.
    Memory: the copy shares nothing with the model, and is never held twice.
    """
    with torch.no_grad():
        tensors = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
        network = copy.deepcopy(model, tensors)  # the structure is copied, the weights are still the model's
        in_float32 = (*_LAST, *_SENSITIVE) if careful else _LAST
        for name, block in list(network.named_modules()):
            if isinstance(block, nn.Sequential):
                _fuse(name, block, dtype, in_float32)
        encoder = network.reconstructive_subnetwork.encoder
        if isinstance(encoder.block5, SSPCAB):
            encoder.block5 = nn.Sequential(Cast(torch.float32), copy.deepcopy(encoder.block5))
    return network.eval().requires_grad_(False)


def _fuse(name: str, block: nn.Sequential, dtype: torch.dtype, in_float32: tuple[str, ...]) -> None:
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
            block[index] = TwoWordConv(weight, bias, relu, dtype)
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


def round_keeping_sums(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Round kernels (out, in, k, k) to ``dtype`` so that the sum of each k×k kernel survives.

    Rounded one by one, the k² weights of a kernel err by a random sum, which every even area of the picture then
    carries as an offset. Here the smallest weight, which has the finest digits, takes up the errors of the others.
    """
    kernels = weight.flatten(2)
    rounded = kernels.to(dtype)
    error = (kernels - rounded.float()).sum(dim=-1, keepdim=True)
    smallest = rounded.abs().argmin(dim=-1, keepdim=True)
    corrected = rounded.gather(-1, smallest).float() + error
    return rounded.scatter(-1, smallest, corrected.to(dtype)).reshape(weight.shape)


def _two_words(values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return (high, low) in ``dtype`` with high + low ≈ values."""
    high = values.to(dtype)
    return high, (values - high).to(dtype)


def _onednn_runs(features: Tensor) -> bool:
    """Tell whether oneDNN's convolution takes these features; its half-precision one needs newer processors."""
    if features.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return features.dtype != torch.float16 or bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
