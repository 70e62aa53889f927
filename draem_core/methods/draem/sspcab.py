"""SSPCAB: self-supervised predictive convolutional attention block (Ristea et al., CVPR 2022).

Predicts each feature from the four corners around it, never from itself. Layer names and the missing ReLU before the
attention (the paper has one) follow anomalib, whose weights this opens.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation: (B, C, H, W) → the same shape, each channel scaled by a value in (0, 1)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = features.mean(dim=(2, 3))
        scale = torch.sigmoid(self.fc2(F.relu(self.fc1(squeezed))))
        return features * scale[:, :, None, None]


class SSPCAB(nn.Module):
    """Masked convolution and channel attention: (B, C, H, W) → (B, C, H, W)."""

    PAD = 2  # kernel 1 + dilation 1: how far away the four corners are

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.masked_conv1 = nn.Conv2d(channels, channels, 1)
        self.masked_conv2 = nn.Conv2d(channels, channels, 1)
        self.masked_conv3 = nn.Conv2d(channels, channels, 1)
        self.masked_conv4 = nn.Conv2d(channels, channels, 1)
        self.attention_module = ChannelAttention(channels)

    def forward(self, features: Tensor) -> Tensor:
        padded = F.pad(features, (self.PAD,) * 4)
        low, high = slice(None, -2 * self.PAD), slice(2 * self.PAD, None)
        predicted = (
            self.masked_conv1(padded[:, :, low, low])
            + self.masked_conv2(padded[:, :, low, high])
            + self.masked_conv3(padded[:, :, high, low])
            + self.masked_conv4(padded[:, :, high, high])
        )
        attended: Tensor = self.attention_module(predicted)
        return attended
