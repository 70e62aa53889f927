"""The first network: reconstructs an image as if it were good (Zavrtanik et al., DRAEM, ICCV 2021, section 3.1).

An auto-encoder without skips. Layer names are those of both upstream code bases.
"""

from torch import Tensor, nn

from draem_core.methods.draem.blocks import double_conv, up_conv
from draem_core.methods.draem.sspcab import SSPCAB


class ReconstructiveEncoder(nn.Module):
    """(B, 3, H, W) → (B, 8·width, H/16, W/16)."""

    def __init__(self, width: int, sspcab: bool) -> None:
        super().__init__()
        self.block1 = double_conv(3, width, width)
        self.block2 = double_conv(width, 2 * width, 2 * width)
        self.block3 = double_conv(2 * width, 4 * width, 4 * width)
        self.block4 = double_conv(4 * width, 8 * width, 8 * width)
        self.block5 = SSPCAB(8 * width) if sspcab else double_conv(8 * width, 8 * width, 8 * width)
        self.pool = nn.MaxPool2d(2)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.block1(image)
        for block in (self.block2, self.block3, self.block4, self.block5):
            features = block(self.pool(features))
        return features


class ReconstructiveDecoder(nn.Module):
    """(B, 8·width, H/16, W/16) → (B, 3, H, W), unbounded."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up1 = up_conv(8 * width, 8 * width)
        self.db1 = double_conv(8 * width, 8 * width, 4 * width)
        self.up2 = up_conv(4 * width, 4 * width)
        self.db2 = double_conv(4 * width, 4 * width, 2 * width)
        self.up3 = up_conv(2 * width, 2 * width)
        self.db3 = double_conv(2 * width, 2 * width, width)
        self.up4 = up_conv(width, width)
        self.db4 = double_conv(width, width, width)
        self.fin_out = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        for stage in (self.up1, self.db1, self.up2, self.db2, self.up3, self.db3, self.up4, self.db4):
            features = stage(features)
        reconstruction: Tensor = self.fin_out(features)
        return reconstruction


class ReconstructiveSubNetwork(nn.Module):
    """(B, 3, H, W) in [0, 1] → reconstruction (B, 3, H, W), unbounded. H and W divide by 16."""

    def __init__(self, width: int = 128, sspcab: bool = False) -> None:
        super().__init__()
        self.encoder = ReconstructiveEncoder(width, sspcab)
        self.decoder = ReconstructiveDecoder(width)

    def forward(self, image: Tensor) -> Tensor:
        reconstruction: Tensor = self.decoder(self.encoder(image))
        return reconstruction
