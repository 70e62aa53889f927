"""DRAEM as one pure function: image in, reconstruction and logits out."""

import torch
from torch import Tensor, nn

from draem_core.methods.draem.discriminative import DiscriminativeSubNetwork
from draem_core.methods.draem.reconstructive import ReconstructiveSubNetwork
from draem_core.types import ConcatOrder


class Draem(nn.Module):
    """The two DRAEM networks, in the channel order that the weights were trained with.

    Args:
        widths: base widths of (reconstructive, discriminative) network; (128, 64) is the paper's.
        sspcab: the reconstructive network's fifth block is an SSPCAB.
        concat_order: which of image and reconstruction comes first in the discriminator's input.
    """

    def __init__(
        self,
        widths: tuple[int, int] = (128, 64),
        sspcab: bool = False,
        concat_order: ConcatOrder = "image_first",
    ) -> None:
        super().__init__()
        self.concat_order = concat_order
        self.reconstructive_subnetwork = ReconstructiveSubNetwork(widths[0], sspcab)
        self.discriminative_subnetwork = DiscriminativeSubNetwork(widths[1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (reconstruction (B, 3, H, W), logits (B, 2, H, W)) of image (B, 3, H, W) float in [0, 1]."""
        reconstruction = self.reconstructive_subnetwork(image)
        return reconstruction, self.discriminative_subnetwork(self.join(image, reconstruction))

    def join(self, image: Tensor, reconstruction: Tensor) -> Tensor:
        """Return the discriminator's input (B, 6, H, W) in this checkpoint's order."""
        pair = (image, reconstruction) if self.concat_order == "image_first" else (reconstruction, image)
        return torch.cat(pair, dim=1)
