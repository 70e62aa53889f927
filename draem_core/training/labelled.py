"""Labelled pictures in memory: the test set that a run is evaluated on, and the probes that it is watched by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from draem_core.data.datasets import Sample, read_mask
from draem_core.data.pictures import load_pictures
from draem_core.errors import ImageError


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """N pictures with what is known of them.

    names, kinds: "good" or the defect's name, as the dataset has them.
    labels: (N,) bool, True = anomalous.
    images: (N, 3, H, W) uint8 RGB on the CPU.
    masks: N of (H, W) bool, None where there is no mask.
    problems: a sentence for each picture that was left out.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: np.ndarray
    images: Tensor
    masks: tuple[np.ndarray | None, ...]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def only(self, indices: Sequence[int]) -> "LabelledImages":
        """Return those at ``indices``, in that order."""
        return LabelledImages(
            tuple(self.names[index] for index in indices),
            tuple(self.kinds[index] for index in indices),
            self.labels[list(indices)],
            self.images[list(indices)],
            tuple(self.masks[index] for index in indices),
        )


def few_of_each_kind(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return at most ``count`` labelled samples of each kind, evenly spread, in order."""
    by_kind: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.label is not None:
            by_kind.setdefault(sample.kind, []).append(sample)
    return [sample for alike in by_kind.values() for sample in alike[:: max(1, -(-len(alike) // max(1, count)))]]


def load_labelled(samples: Sequence[Sample], size: tuple[int, int]) -> LabelledImages:
    """Read the labelled ones of ``samples`` at ``size`` = (H, W); a picture that cannot be read is left out.

    A mask that cannot be read counts as none. 1000 pictures of 256×256 take 260 MB.
    """
    read: list[tuple[Sample, Tensor, np.ndarray | None]] = []
    problems: list[str] = []
    for sample in samples:
        if sample.label is None:
            continue
        try:
            picture = load_pictures([sample.path], size)[0]
        except ImageError as error:
            problems.append(str(error))
            continue
        try:
            mask = read_mask(sample, size)
        except ImageError as error:
            problems.append(str(error))
            mask = None
        read.append((sample, picture, mask))
    return LabelledImages(
        names=tuple(sample.name for sample, _, _ in read),
        kinds=tuple(sample.kind for sample, _, _ in read),
        labels=np.array([sample.label == 1 for sample, _, _ in read], dtype=bool),
        images=torch.stack([picture for _, picture, _ in read])
        if read
        else torch.empty(0, 3, *size, dtype=torch.uint8),
        masks=tuple(mask for _, _, mask in read),
        problems=tuple(problems),
    )
