"""One pixel followed through the stages: its value in each, and its softmax worked out in numbers.

Reads a trace; computes no stage of its own.
"""

import math
from dataclasses import dataclass

import numpy as np

from draem_core.inside.stages import Trace


@dataclass(frozen=True, eq=False)
class PixelValue:
    """A stage's values (C,) float32 in the cell (row, column) of its own grid that holds the pixel."""

    stage: str
    row: int
    column: int
    values: np.ndarray


@dataclass(frozen=True)
class SoftmaxSteps:
    """softmax(logits)[1] worked out: each exponential is e^(logit − the higher logit), so that none overflows."""

    good_logit: float
    anomalous_logit: float
    good_exponential: float
    anomalous_exponential: float
    total: float
    probability: float


def follow(traced: Trace, row: int, column: int) -> tuple[PixelValue, ...]:
    """Return every stage's values at a pixel (row, column) of the map's grid.

    Raises:
        ValueError: the pixel lies outside.
    """
    _, height, width = traced.stages[0].shape
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"the pixel ({row}, {column}) lies outside the map of {height} rows and {width} columns")
    samples = []
    for stage in traced.stages:
        _, rows, columns = stage.shape
        place = row * rows // height, column * columns // width
        samples.append(PixelValue(stage.name, *place, stage.tensor[:, place[0], place[1]].float().cpu().numpy()))
    return tuple(samples)


def softmax_steps(good_logit: float, anomalous_logit: float) -> SoftmaxSteps:
    """Return the way from two logits to the map's value, in double precision."""
    highest = max(good_logit, anomalous_logit)
    good, anomalous = math.exp(good_logit - highest), math.exp(anomalous_logit - highest)
    return SoftmaxSteps(good_logit, anomalous_logit, good, anomalous, good + anomalous, anomalous / (good + anomalous))
