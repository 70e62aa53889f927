"""The two bricks that both DRAEM networks are built of. Indices inside them are the upstream's layer names."""

from torch import nn


def double_conv(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    """Return conv 3×3 → batch-norm → ReLU, twice: (B, inputs, H, W) → (B, outputs, H, W)."""
    return nn.Sequential(
        nn.Conv2d(inputs, middle, 3, padding=1),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def up_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Return 2× bilinear upsampling → conv 3×3 → batch-norm → ReLU: (B, inputs, H, W) → (B, outputs, 2H, 2W)."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
