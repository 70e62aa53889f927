"""Which images make which batch, and which parts of them. All randomness comes from a seed or a generator."""

from collections.abc import Iterator

import torch
from torch import Tensor

FEWEST = 4  # good images of which some are held out


def hold_out(images: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split images (N, …) into those to train on and those held out.

    At least one is held out where ``share`` is above 0, but none of fewer than ``FEWEST``: those are all needed.
    """
    count = held_out_of(len(images), share)
    if not count:
        return images, images[:0]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[order[count:].sort().values], images[order[:count].sort().values]


def held_out_of(images: int, share: float) -> int:
    """Return how many of so many good images ``hold_out`` holds out."""
    return max(1, round(share * images)) if share and images >= FEWEST else 0


def batches(images: Tensor, batch_size: int, seed: int, rank: int = 0, processes: int = 1) -> Iterator[Tensor]:
    """Yield one process's share of an epoch's batches, all images once in the order that ``seed`` draws.

    Each process gets as many; where the images do not divide evenly, the first ones are seen twice.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    missing = -len(order) % processes
    mine = torch.cat((order, order[:missing]))[rank::processes]
    yield from (images[part] for part in mine.split(batch_size))


def random_crops(images: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return a random part of each image, (B, C, H, W) → (B, C, *size); the images themselves where they fit."""
    count, height, width = len(images), images.shape[2], images.shape[3]
    if (height, width) == size:
        return images
    device = images.device
    top = torch.randint(height - size[0] + 1, (count, 1), generator=generator, device=device)
    left = torch.randint(width - size[1] + 1, (count, 1), generator=generator, device=device)
    rows = (top + torch.arange(size[0], device=device))[:, :, None]
    columns = (left + torch.arange(size[1], device=device))[:, None, :]
    which = torch.arange(count, device=device)[:, None, None]
    return images[which, :, rows, columns].permute(0, 3, 1, 2)
