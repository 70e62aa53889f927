"""The values that cross module borders: checkpoint cards, predictions, regions.

Everything here is frozen and knows no disk, no device and no Streamlit.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, field_validator

Flavour = Literal["original", "anomalib", "ours"]
ColorOrder = Literal["RGB", "BGR"]
ConcatOrder = Literal["image_first", "reconstruction_first"]
ResizeFilter = Literal["bilinear", "bilinear_antialias", "bicubic", "bicubic_antialias"]
ScoreRule = Literal["max", "max_of_mean21"]
PerChannel = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


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


class Normalisation(BaseModel):
    """What the input was normalised by in training: (x − mean) / deviation, each in the order R, G, B, units of [0, 1].

    ``deviation`` is above 0 and at most 100.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: PerChannel
    deviation: PerChannel

    @field_validator("deviation")
    @classmethod
    def _is_divisor(cls, deviation: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(1e-6 <= one <= 100 for one in deviation):
            raise ValueError(f"deviation {deviation} must lie between 0.000001 and 100")
        return deviation

    def __str__(self) -> str:
        mean, deviation = (", ".join(f"{one:g}" for one in values) for values in (self.mean, self.deviation))
        return f"mean {mean}; deviation {deviation}"

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, 3) float32 RGB in [0, 1] as the network saw it in training, float32."""
        return (image - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)

    def undo(self, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, 3) float32 RGB in the network's units in those of [0, 1], float32."""
        return image * np.array(self.deviation, np.float32) + np.array(self.mean, np.float32)


class Card(BaseModel):
    """What the weights alone do not say about a checkpoint.

    ``widths`` are the base widths of (reconstructive, discriminative) network; ``input_size`` is
    (height, width), each a multiple of 32, and one number stands for a square. ``normalisation`` is what the input is
    normalised by; None leaves it in [0, 1]. ``assumed`` names the fields that could not be read from the file and hold
    the flavour's default; ``notes`` are sentences on what else was decided while reading it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    flavour: Flavour
    widths: tuple[PositiveInt, PositiveInt]
    input_size: tuple[PositiveInt, PositiveInt] = (256, 256)
    resize_filter: ResizeFilter
    normalisation: Normalisation | None = Field(default=None, exclude_if=lambda value: value is None)
    color_order: ColorOrder
    concat_order: ConcatOrder
    sspcab: bool = False
    score_rule: ScoreRule
    calibration: Calibration | None = None
    training: dict[str, Any] | None = None
    parameters: int = 0
    digest: str = ""
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)

    @field_validator("input_size", mode="before")
    @classmethod
    def _one_number_is_a_square(cls, size: Any) -> Any:
        return (size, size) if isinstance(size, int) and not isinstance(size, bool) else size

    @field_validator("input_size")
    @classmethod
    def _sides_divide_by_32(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side % 32 for side in size):
            raise ValueError(f"input_size {size} must have sides that divide by 32 (five poolings halve them)")
        return size


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of one image, on the map's grid (H, W) = the card's ``input_size``.

    image: (H, W, 3) float32 RGB in [0, 1], the resized input before any normalisation; bicubic filters overshoot it.
    reconstruction: (H, W, 3) float32 RGB in the image's units, unbounded; clip only to show it.
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
