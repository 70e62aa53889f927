"""Networks to measure with: freshly built ones, and a trained checkpoint stretched to the paper's widths."""

import torch
from torch import Tensor

from draem_core import Card, Checkpoint
from draem_core.models import Draem


def random_checkpoint(widths: tuple[int, int]) -> Checkpoint:
    """Return a network as torch builds it, seeded. Its map is nearly even, so it says much of time, little of rounding.

    Random weights whose batch-norm statistics fit them are no better for that: those networks are chaotic, and a
    change of 1e-7 at the input moves their map by 1e-2. Trained ones are not; see `widened`.
    """
    torch.manual_seed(0)
    model = Draem(widths).eval().requires_grad_(False)
    card = Card(
        name=f"random {widths}",
        flavour="anomalib",
        widths=widths,
        resize_filter="bilinear_antialias",
        color_order="RGB",
        concat_order="image_first",
        score_rule="max",
    )
    return Checkpoint(model, card, files=())


def widened(checkpoint: Checkpoint, factor: int) -> Checkpoint:
    """Return a network ``factor`` times as wide that computes the same: a trained network at full width.

    Each channel becomes ``factor`` equal ones, whose weights into the next layer are random shares of the original's
    (Chen et al., Net2Net, ICLR 2016).
    """
    card = checkpoint.card
    widths = (factor * card.widths[0], factor * card.widths[1])
    model = Draem(widths, card.sspcab, card.concat_order)
    generator = torch.Generator().manual_seed(0)
    narrow = checkpoint.model.state_dict()
    wide = {name: _stretched(narrow[name], target.shape, generator) for name, target in model.state_dict().items()}
    model.load_state_dict(wide)
    name = f"{card.name} at {widths}"
    return Checkpoint(model.eval().requires_grad_(False), card.model_copy(update={"name": name, "widths": widths}), ())


def _stretched(tensor: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if tensor.dim() == 0:  # batch-norm's counter of batches
        return tensor
    tensor = tensor.repeat_interleave(shape[0] // tensor.shape[0], dim=0)
    if tensor.dim() == 1 or tensor.shape[1] == shape[1]:
        return tensor
    copies = shape[1] // tensor.shape[1]
    shares = torch.rand(*tensor.shape[:2], copies, *tensor.shape[2:], generator=generator) + 0.5
    shares /= shares.sum(dim=2, keepdim=True)
    return (tensor[:, :, None] * shares).flatten(1, 2)
