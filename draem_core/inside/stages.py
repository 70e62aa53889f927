"""Every stage of one picture on its way through the network, recorded by hooks while `Predictor.predict` runs.

There is no second forward path that could drift from the first. Knows no thresholds but those it is given.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from draem_core.inference import SCORE_WINDOW, Predictor
from draem_core.inside.ablations import AS_TRAINED, Ablations, ablated
from draem_core.methods.draem import Draem
from draem_core.postprocess import PostProcess
from draem_core.types import Prediction

_SEGMENTS = (
    "reconstructive_subnetwork.encoder",
    "reconstructive_subnetwork.decoder",
    "discriminative_subnetwork.encoder_segment",
    "discriminative_subnetwork.decoder_segment",
)
_RECONSTRUCTION = "reconstructive_subnetwork.decoder.fin_out"
_JOINED = "discriminative_subnetwork"  # its input
_LOGITS = "discriminative_subnetwork.decoder_segment.fin_out"
_NAMES = {_RECONSTRUCTION: "reconstruction", _JOINED: "joined", _LOGITS: "logits"}


@dataclass(frozen=True, eq=False)
class Stage:
    """What the data are at one place on their way.

    name: "image", "reconstructive.encoder.block1", "anomaly_map" …; see ``Trace``.
    layer: the module's path in the network, "" where arithmetic follows no layer.
    tensor: (C, h, w) in the float that it was computed in, on the device it was computed on.
    """

    name: str
    layer: str
    tensor: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w)."""
        channels, height, width = self.tensor.shape
        return channels, height, width

    @cached_property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        low, high = self.tensor.float().aminmax()
        return float(low), float(high)

    def channel(self, index: int) -> np.ndarray:
        """Return one channel, (h, w) float32. Raises ValueError where there is no such channel."""
        if not 0 <= index < self.shape[0]:
            raise ValueError(f"{self.name} has channels 0 to {self.shape[0] - 1}, not {index}")
        return self.tensor[index].float().cpu().numpy()

    def strongest(self) -> list[int]:
        """Return all channels, the one with the highest mean magnitude first."""
        strength = self.tensor.float().abs().mean(dim=(1, 2))
        return torch.argsort(strength, descending=True, stable=True).tolist()


@dataclass(frozen=True, eq=False)
class Trace:
    """One picture's prediction and all its stages, in the order that the data take.

    "image" (3, H, W) RGB; "reconstructive.encoder.block1" … "block5", "reconstructive.decoder.up1", "db1" … "db4";
    "reconstruction" (3, H, W) RGB; "difference" = |image − reconstruction| (3, H, W); "joined" (6, H, W), the
    discriminator's input in the checkpoint's own colour and concat order; "discriminative.encoder.block1" … "block6",
    "discriminative.decoder.up_b", "db_b" … "db4"; "logits" (2, H, W); "probabilities" (2, H, W), their softmax;
    "anomaly_map" (1, H, W), its second channel.
    """

    prediction: Prediction
    stages: tuple[Stage, ...]
    ablations: Ablations

    def stage(self, name: str) -> Stage:
        """Return the stage of that name; ValueError where there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ValueError(f"there is no stage {name!r}; there are {', '.join(stage.name for stage in self.stages)}")


def trace(
    predictor: Predictor, picture: np.ndarray, ablations: Ablations = AS_TRAINED, name: str = "this picture"
) -> Trace:
    """Predict a picture (H, W, 3) uint8 RGB and keep every stage; other threads' predictions wait meanwhile.

    Holds all activations: 30 MB at widths (16, 16) and 256×256 in bfloat16, 160 MB at the paper's widths.

    Raises:
        ValueError: it is no such array.
        DraemError: the device's memory ran out, or the checkpoint lacks what an ablation turns off.
    """
    with predictor.borrow_network() as network, ablated(network, ablations), _recording(network) as recorded:
        prediction = predictor.predict(picture, name)
    image, reconstruction = (_channels_first(part) for part in (prediction.image, prediction.reconstruction))
    logits = torch.from_numpy(prediction.logits)
    probabilities = logits.softmax(dim=0)
    stages = [Stage("image", "", image)]
    for layer, tensor in recorded.items():  # in the order in which they were computed
        if layer == _RECONSTRUCTION:
            stages.append(Stage("reconstruction", layer, reconstruction))
            stages.append(Stage("difference", "", (image - reconstruction).abs()))
        elif layer == _LOGITS:
            stages.append(Stage("logits", layer, logits))
            stages.append(Stage("probabilities", "", probabilities))
            stages.append(Stage("anomaly_map", "", probabilities[1:]))
        else:
            stages.append(Stage(stage_name(layer), layer if layer != _JOINED else "", tensor))
    return Trace(prediction, tuple(stages), ablations)


def mask_stages(anomaly_map: np.ndarray, post_process: PostProcess) -> tuple[Stage, ...]:
    """Return what comes behind a map (H, W): "above_threshold", "opened", "pred_mask", each (1, H, W) bool.

    And "window_mean" (1, H, W) float32, the 21×21 mean whose maximum is the original's image score; the map's own
    maximum is anomalib's and ours. Raises ValueError where the map holds NaN.
    """
    sensitivity, kernel_size = post_process.sensitivity, post_process.kernel_size
    means = F.avg_pool2d(torch.from_numpy(anomaly_map)[None], SCORE_WINDOW, stride=1, padding=SCORE_WINDOW // 2)
    steps = {
        "above_threshold": PostProcess(sensitivity, kernel_size=1),
        "opened": PostProcess(sensitivity, kernel_size),
        "pred_mask": post_process,
    }
    masks = [Stage(name, "", torch.from_numpy(step.apply(anomaly_map))[None]) for name, step in steps.items()]
    return (*masks, Stage("window_mean", "", means))


def stage_name(layer: str) -> str:
    """Return what a block of the network is called as a stage: its path without the words that say nothing."""
    if layer in _NAMES:
        return _NAMES[layer]
    return layer.replace("_subnetwork", "").replace("_segment", "")


def stage_layers(network: Draem) -> list[str]:
    """Return the paths of the blocks that are stages, in the order in which the data meet them."""
    return [
        f"{segment}.{name}"
        for segment in _SEGMENTS
        for name, block in network.get_submodule(segment).named_children()
        if not isinstance(block, nn.MaxPool2d)  # one pooling serves all blocks, and its output is a part of theirs
    ]


@contextmanager
def _recording(network: Draem) -> Iterator[dict[str, Tensor]]:
    """Keep, while the block lasts, the outputs of all stages' blocks and the discriminator's input, without the batch.

    A later run overwrites an earlier one's.
    """
    recorded: dict[str, Tensor] = {}

    def keep(layer: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def hook(_: nn.Module, __: tuple[Tensor], output: Tensor) -> None:
            recorded[layer] = output[0]

        return hook

    def keep_joined(_: nn.Module, inputs: tuple[Tensor]) -> None:
        recorded[_JOINED] = inputs[0][0]

    hooks = [network.get_submodule(layer).register_forward_hook(keep(layer)) for layer in stage_layers(network)]
    hooks.append(network.discriminative_subnetwork.register_forward_pre_hook(keep_joined))
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _channels_first(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
