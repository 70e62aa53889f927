"""Ablations that make the paper's argument: what is left of the map when a part of the network is taken away.

Each is a hook on the network that runs anyway. Knows no thresholds and no pages.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from draem_core.errors import DraemError
from draem_core.inference import Predictor, image_score
from draem_core.methods.draem import Draem
from draem_core.methods.draem.sspcab import SSPCAB
from draem_core.types import ConcatOrder, Prediction, ScoreRule

Pair = Literal["image_and_reconstruction", "image_twice", "swapped"]
SKIPS = (1, 2, 3, 4, 5)
_BLOCK5 = "reconstructive_subnetwork.encoder.block5"


@dataclass(frozen=True)
class Ablations:
    """What is changed on the way.

    pair: what the discriminator sees: image and reconstruction, the image in both places, or the two swapped.
    skips_off: which of the discriminator's five skips carry zeros; 1 is the finest, from block1, 5 the coarsest.
    sspcab: False lets the features pass by the SSPCAB unchanged.

    Raises:
        ValueError: there is no such pair or skip.
    """

    pair: Pair = "image_and_reconstruction"
    skips_off: tuple[int, ...] = ()
    sspcab: bool = True

    def __post_init__(self) -> None:
        if self.pair not in get_args(Pair):
            raise ValueError(f"pair is {self.pair!r}; take one of {', '.join(get_args(Pair))}")
        if not set(self.skips_off) <= set(SKIPS):
            raise ValueError(f"skips_off is {self.skips_off}; the discriminator has the skips {SKIPS}")


AS_TRAINED = Ablations()


@dataclass(frozen=True)
class MapChange:
    """What an ablation does to one picture: scores, and how far the map's pixels move, all in [0, 1]."""

    score_before: float
    score_after: float
    largest_move: float
    mean_move: float


def predict_ablated(
    predictor: Predictor, picture: np.ndarray, ablations: Ablations, name: str = "this picture"
) -> Prediction:
    """Return ``predictor.predict(picture, name)`` with ablations; other threads' predictions wait meanwhile.

    Raises:
        ValueError: the picture is no (H, W, 3) uint8 array.
        DraemError: the device's memory ran out, or the checkpoint lacks what an ablation turns off.
    """
    with predictor.borrow_network() as network, ablated(network, ablations):
        return predictor.predict(picture, name)


@contextmanager
def ablated(network: Draem, ablations: Ablations) -> Iterator[None]:
    """Let the network compute with ablations while the block lasts.

    Raises:
        DraemError: the SSPCAB is ablated where there is none.
    """
    hooks = []
    try:
        if not ablations.sspcab:
            hooks.append(_sspcab_block(network).register_forward_hook(_pass_by))
        if ablations.pair != "image_and_reconstruction":
            change = _twice(network.concat_order) if ablations.pair == "image_twice" else _swap
            hooks.append(network.discriminative_subnetwork.register_forward_pre_hook(change))
        if ablations.skips_off:
            encoder = network.discriminative_subnetwork.encoder_segment
            hooks.append(encoder.register_forward_hook(_without(ablations.skips_off)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def has_sspcab(network: Draem) -> bool:
    """Tell whether the reconstructive network's fifth block is, or holds, an SSPCAB."""
    return any(isinstance(part, SSPCAB) for part in network.get_submodule(_BLOCK5).modules())


def difference_map(prediction: Prediction) -> np.ndarray:
    """Return |image − reconstruction| as a mean over the colours, (H, W) float32: the map without a discriminator.

    Rarely near 1, and above it where the reconstruction leaves [0, 1].
    """
    difference: np.ndarray = np.abs(prediction.image - prediction.reconstruction).mean(axis=2, dtype=np.float32)
    return difference


def without_discriminator(prediction: Prediction, score_rule: ScoreRule) -> Prediction:
    """Return a prediction with `difference_map`, cut to [0, 1], as its map, scored as any map is."""
    anomaly_map = np.clip(difference_map(prediction), 0, 1)
    score = image_score(torch.from_numpy(anomaly_map), score_rule)
    return replace(prediction, anomaly_map=anomaly_map, image_score=score)


def change(before: Prediction, after: Prediction) -> MapChange:
    """Compare two predictions of one picture: with and without a part of the network, or in two precisions."""
    moves = np.abs(after.anomaly_map - before.anomaly_map)
    return MapChange(before.image_score, after.image_score, float(moves.max()), float(moves.mean()))


def _sspcab_block(network: Draem) -> nn.Module:
    if not has_sspcab(network):
        raise DraemError("This checkpoint has no SSPCAB that could be ablated. Take one that was trained with it.")
    return network.get_submodule(_BLOCK5)


def _pass_by(_: nn.Module, inputs: tuple[Tensor], __: Tensor) -> Tensor:
    return inputs[0]


def _swap(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    first, second = inputs[0].chunk(2, dim=1)
    return (torch.cat((second, first), dim=1),)


def _twice(order: ConcatOrder) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    def hook(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        image = inputs[0].chunk(2, dim=1)[0 if order == "image_first" else 1]
        return (torch.cat((image, image), dim=1),)

    return hook


def _without(skips: tuple[int, ...]) -> Callable[[nn.Module, tuple[Tensor], list[Tensor]], list[Tensor]]:
    def hook(_: nn.Module, __: tuple[Tensor], features: list[Tensor]) -> list[Tensor]:
        return [torch.zeros_like(one) if depth in skips else one for depth, one in enumerate(features, start=1)]

    return hook
