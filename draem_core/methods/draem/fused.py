"""The one layer a fast network is made of: a convolution with everything behind it folded in.

Knows nothing of DRAEM; `draem_core.methods.draem.fast` puts a network together from it.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FusedConv(nn.Module):
    """Conv k×k, padded to keep the size, perhaps with a ReLU: (B, C, H, W) of any float → the weight's dtype.

    On a processor the sums and the bias are float32, and the result is rounded once. Where `onednn_convolves`, that is
    one oneDNN call on weights that are packed at the first call, for that call's size; other sizes stay right, if
    slower. Elsewhere it is torch's own float32 convolution of the same rounded values.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.detach().clone())
        self.relu = relu

    def forward(self, features: Tensor) -> Tensor:
        dtype = self.weight.dtype
        features = features.to(dtype)
        padding = self.weight.shape[-1] // 2
        if features.device.type != "cpu":
            convolved = F.conv2d(features, self.weight, self.bias.to(dtype), padding=padding)
        elif onednn_convolves(dtype):
            return self._forward_onednn(features)
        else:  # F.conv2d in a 16-bit float would round the bias too, and takes six times as long on AVX2
            convolved = F.conv2d(features.float(), self.weight.float(), self.bias, padding=padding).to(dtype)
        return convolved.relu_() if self.relu else convolved

    def _forward_onednn(self, features: Tensor) -> Tensor:
        onednn = torch.ops.mkldnn
        padding = self.weight.shape[-1] // 2
        geometry = ([padding, padding], [1, 1], [1, 1], 1)  # padding, stride, dilation, groups
        if not self.weight.is_mkldnn:
            self.weight = onednn._reorder_convolution_weight(self.weight, *geometry, list(features.shape))
        after = "relu" if self.relu else "none"
        convolved: Tensor = onednn._convolution_pointwise(features, self.weight, self.bias, *geometry, after, [], "")
        return convolved


class SplitPrecisionConv(FusedConv):
    """A `FusedConv` whose input and weight are each kept as a sum of two 16-bit floats, nearly as fine as float32.

    Three times the work, which on a picture's few channels is next to nothing. The product of the two low parts is
    left out.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool, dtype: torch.dtype) -> None:
        high, low = _split(weight, dtype)
        super().__init__(torch.cat((high, high, low), dim=1), bias, relu)

    def forward(self, features: Tensor) -> Tensor:
        high, low = _split(features, self.weight.dtype)
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


def _split(values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return (high, low) in ``dtype`` with high + low ≈ values."""
    high = values.to(dtype)
    return high, (values - high).to(dtype)


@cache
def onednn_convolves(dtype: torch.dtype) -> bool:
    """Tell whether torch's private oneDNN calls, as `FusedConv` makes them, are there for ``dtype`` and are right.

    Found out by doing it, once in a process: it depends on processor, system and torch version, and no list of those
    would stay true.
    """
    generator = torch.Generator().manual_seed(0)
    try:
        for kernel in (1, 3):
            weight = torch.randn(24, 20, kernel, kernel, generator=generator).to(dtype)
            layer = FusedConv(weight, torch.randn(24, generator=generator), relu=True)
            for size in ((9, 7), (4, 12)):  # the first packs the weights, the second finds them packed for the first
                features = torch.randn(1, 20, *size, generator=generator).to(dtype)
                with torch.inference_mode():
                    found = layer._forward_onednn(features).double()
                exact = F.conv2d(features.double(), weight.double(), layer.bias.double(), padding=kernel // 2).relu()
                allowed = max(torch.finfo(dtype).eps, 1e-5) * exact.max()
                if not (found - exact).abs().max() <= allowed:  # NaN is wrong too
                    return False
    except (RuntimeError, AttributeError, TypeError):  # NotImplementedError is a RuntimeError
        return False
    return True
