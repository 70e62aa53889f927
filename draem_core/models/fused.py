"""The one layer a quick network is made of: a convolution with everything behind it folded in.

Knows nothing of DRAEM; `draem_core.models.fast` puts a network together from it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FusedConv(nn.Module):
    """Conv k×k, padded to keep the size, perhaps with a ReLU: (B, C, H, W) of any float → the weight's dtype.

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
        convolved = F.conv2d(features, self.weight, self.bias.to(features.dtype), padding=self.weight.shape[-1] // 2)
        return convolved.relu_() if self.relu else convolved

    def _forward_onednn(self, features: Tensor) -> Tensor:
        onednn = torch.ops.mkldnn
        padding = self.weight.shape[-1] // 2
        geometry = ([padding, padding], [1, 1], [1, 1], 1)  # padding, stride, dilation, groups
        if not self.weight.is_mkldnn:
            self.weight = onednn._reorder_convolution_weight(self.weight, *geometry, list(features.shape))
        after = "relu" if self.relu else "none"
        return onednn._convolution_pointwise(features, self.weight, self.bias, *geometry, after, [], "")


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
