"""Upsampling and convolution, computed where the pixels are few.

Both are linear, so their order may be changed: a quarter of the multiplications is left. Knows nothing of DRAEM.
"""

import torch
from torch import Tensor, nn

from draem_core.methods.draem.fused import FusedConv


class LowResUpConv(nn.Module):
    """2× bilinear upsampling (corners aligned) → conv 3×3 → ReLU: (B, C, h, w) → (B, C', 2h, 2w), in a 16-bit float.

    The kernel's nine taps are applied at low resolution, as one 1×1 convolution to 9·C' channels. Then each tap's
    result is upsampled, shifted by its tap and added up, first along the rows, then along the columns: one product
    with a matrix (2w, 3w) and one with (2h, 3h). These cost in proportion to h + w, the convolution to C, so it pays
    on low-resolution grids of many channels.

    Args:
        weight: (C', C, 3, 3) in the float to compute in.
        bias: (C',) float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        outputs, inputs = weight.shape[:2]
        taps = weight.permute(3, 2, 0, 1).reshape(9 * outputs, inputs, 1, 1)  # (column, row, output)
        biases = torch.zeros(9, outputs)
        biases[4] = bias  # the middle tap's: the only one that is never shifted beyond the border
        self.taps = FusedConv(taps, biases.flatten(), relu=False)
        self._spread: dict[int, Tensor] = {}

    def forward(self, features: Tensor) -> Tensor:
        count, _, height, width = features.shape
        tapped = self.taps(features).permute(0, 2, 3, 1)
        outputs = tapped.shape[-1] // 9
        wide = self._matrix(width, tapped) @ tapped.reshape(count * height, 3 * width, 3 * outputs)
        rows = wide.view(count, height, 2 * width, 3, outputs).transpose(2, 3)
        full = self._matrix(height, tapped) @ rows.reshape(count, 3 * height, 2 * width * outputs)
        upsampled: Tensor = full.view(count, 2 * height, 2 * width, outputs).relu_().permute(0, 3, 1, 2)
        return upsampled

    def _matrix(self, length: int, like: Tensor) -> Tensor:
        if length not in self._spread:
            self._spread[length] = interpolation_matrix(length).to(like)
        return self._spread[length]


def interpolation_matrix(length: int) -> Tensor:
    """Return the matrix (2·length, 3·length) that upsamples a line for each of three taps, shifts and adds them.

    Column 3·i + k holds what tap k of low-resolution pixel i gives each fine pixel. Shares of neighbours are rounded to
    1/256, so that bfloat16 and float16 hold both of them exactly and they add up to 1.
    """
    fine = torch.arange(2 * length)
    place = fine * ((length - 1) / (2 * length - 1))
    first = place.floor().long()
    share = ((place - first) * 256).round() / 256
    upsampling = torch.zeros(2 * length, length)
    upsampling[fine, first] += 1 - share
    upsampling[fine, (first + 1).clamp(max=length - 1)] += share
    padded = torch.cat((torch.zeros(1, length), upsampling, torch.zeros(1, length)))  # the convolution's zero border
    return torch.stack([padded[tap : tap + 2 * length] for tap in range(3)], dim=-1).flatten(1)
