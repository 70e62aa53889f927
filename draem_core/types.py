"""The values that cross module borders: checkpoint cards, predictions, regions.

Everything here is frozen and knows no disk, no device and no Streamlit.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt, field_validator

Flavour = Literal["original", "anomalib", "ours"]
ColorOrder = Literal["RGB", "BGR"]
ConcatOrder = Literal["image_first", "reconstruction_first"]
ResizeFilter = Literal["bilinear", "bilinear_antialias"]
ScoreRule = Literal["max", "max_of_mean21"]


class Calibration(BaseModel):
    """Thresholds and range that anomalib measured on its validation set, in raw map units.

    A value that the checkpoint does not hold, or holds as NaN, is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_threshold: float | None = None
    pixel_min: float | None = None
    pixel_max: float | None = None
    image_threshold: float | None = None
    image_min: float | None = None
    image_max: float | None = None


class Card(BaseModel):
    """What the weights alone do not say about a checkpoint.

    ``widths`` are the base widths of (reconstructive, discriminative) network; ``input_size`` is
    (height, width), each a multiple of 32. ``assumed`` names the fields that could not be read from
    the file and hold the flavour's default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    flavour: Flavour
    widths: tuple[PositiveInt, PositiveInt]
    input_size: tuple[PositiveInt, PositiveInt] = (256, 256)
    resize_filter: ResizeFilter
    color_order: ColorOrder
    concat_order: ConcatOrder
    sspcab: bool = False
    score_rule: ScoreRule
    calibration: Calibration | None = None
    training: dict[str, Any] | None = None
    parameters: int = 0
    digest: str = ""
    assumed: tuple[str, ...] = ()

    @field_validator("input_size")
    @classmethod
    def _sides_divide_by_32(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side % 32 for side in size):
            raise ValueError(f"input_size {size} must have sides that divide by 32 (five poolings halve them)")
        return size


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of one image, on the map's grid (H, W) = the card's ``input_size``.

    image: (H, W, 3) float32 RGB in [0, 1], the resized input.
    reconstruction: (H, W, 3) float32 RGB, unbounded; clip only to show it.
    logits: (2, H, W) float32, channel 1 = anomalous.
    anomaly_map: (H, W) float32 in [0, 1], raw softmax(logits)[1].
    image_score: float in [0, 1] by the card's ``score_rule``.
    """

    image: np.ndarray
    reconstruction: np.ndarray
    logits: np.ndarray
    anomaly_map: np.ndarray
    image_score: float


@dataclass(frozen=True)
class Region:
    """One 8-connected defect region on the map's grid: its box (top, left, height, width) and area in pixels."""

    top: int
    left: int
    height: int
    width: int
    area: int
