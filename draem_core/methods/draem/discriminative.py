"""The second network: sees image and reconstruction and gives two logits for each pixel (DRAEM, section 3.2).

A U-Net with skips. Layer names are those of both upstream code bases.
"""

import torch
from torch import Tensor, nn

from draem_core.methods.draem.blocks import double_conv, up_conv


class DiscriminativeEncoder(nn.Module):
    """(B, 6, H, W) → six feature maps, width … 8·width channels, each half as large as the one before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block1 = double_conv(6, width, width)
        self.block2 = double_conv(width, 2 * width, 2 * width)
        self.block3 = double_conv(2 * width, 4 * width, 4 * width)
        self.block4 = double_conv(4 * width, 8 * width, 8 * width)
        self.block5 = double_conv(8 * width, 8 * width, 8 * width)
        self.block6 = double_conv(8 * width, 8 * width, 8 * width)
        self.pool = nn.MaxPool2d(2)

    def forward(self, joined: Tensor) -> list[Tensor]:
        features = [self.block1(joined)]
        for block in (self.block2, self.block3, self.block4, self.block5, self.block6):
            features.append(block(self.pool(features[-1])))
        return features


class DiscriminativeDecoder(nn.Module):
    """The six feature maps → logits (B, 2, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up_b = up_conv(8 * width, 8 * width)
        self.db_b = double_conv(16 * width, 8 * width, 8 * width)
        self.up1 = up_conv(8 * width, 4 * width)
        self.db1 = double_conv(12 * width, 4 * width, 4 * width)
        self.up2 = up_conv(4 * width, 2 * width)
        self.db2 = double_conv(6 * width, 2 * width, 2 * width)
        self.up3 = up_conv(2 * width, width)
        self.db3 = double_conv(3 * width, width, width)
        self.up4 = up_conv(width, width)
        self.db4 = double_conv(2 * width, width, width)
        self.fin_out = nn.Sequential(nn.Conv2d(width, 2, 3, padding=1))

    def forward(self, features: list[Tensor]) -> Tensor:
        *skips, decoded = features
        stages = (
            (self.up_b, self.db_b),
            (self.up1, self.db1),
            (self.up2, self.db2),
            (self.up3, self.db3),
            (self.up4, self.db4),
        )
        for (up, block), skip in zip(stages, reversed(skips), strict=True):
            decoded = block(torch.cat((up(decoded), skip), dim=1))
        logits: Tensor = self.fin_out(decoded)
        return logits


class DiscriminativeSubNetwork(nn.Module):
    """Joined image and reconstruction (B, 6, H, W) → logits (B, 2, H, W). H and W divide by 32."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encoder_segment = DiscriminativeEncoder(width)
        self.decoder_segment = DiscriminativeDecoder(width)

    def forward(self, joined: Tensor) -> Tensor:
        logits: Tensor = self.decoder_segment(self.encoder_segment(joined))
        return logits
