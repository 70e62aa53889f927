"""What a run tells whoever watches it, after each step and each epoch. Knows nothing of how it is trained."""

import time
from dataclasses import asdict, dataclass

from draem_core.training.losses import PARTS
from draem_core.training.validation import TestMetrics, ValidationMetrics


@dataclass(frozen=True)
class StepReport:
    """Where a run stands after a step; ``seconds_left`` is an estimate from the steps since it was started.

    gradient_norm: before clipping, over all layers; infinite where float16 overflowed and the step was left out.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    seconds_left: float
    l1: float
    l2: float
    ssim: float
    focal: float
    sspcab: float
    gradient_norm: float
    learning_rate: float


STEP_COLUMNS = ("epoch", "step", *PARTS, "total", "gradient_norm", "learning_rate")


@dataclass(frozen=True)
class EpochReport:
    """Means over one finished epoch. ``seconds`` is the wall time of its training, ``images`` how many it saw.

    validation: the held-out good images with synthetic defects; None where none are held out.
    test: the labelled test set; None in epochs where it was not evaluated.
    """

    epoch: int
    l1: float
    l2: float
    ssim: float
    focal: float
    sspcab: float
    total: float
    learning_rate: float
    images: int
    seconds: float
    validation: ValidationMetrics | None = None
    test: TestMetrics | None = None

    def row(self) -> dict[str, float | None]:
        """Return this epoch's line of ``metrics.csv``; a figure that was not taken is None."""
        row = asdict(self)
        validation, test = row.pop("validation") or {}, row.pop("test") or {}
        row |= {f"validation_{name}": validation.get(name) for name in ValidationMetrics.__dataclass_fields__}
        row |= {f"test_{name}": test.get(name) for name in TestMetrics.__dataclass_fields__}
        return row


class Clock:
    """Estimates the time left from the mean step so far, the first step left out when there are more."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._first = total, 0, time.perf_counter()

    def tick(self) -> None:
        """Count a finished step."""
        self._done += 1
        if self._done == 1 and self._total > 1:
            self._after_first = time.perf_counter()

    @property
    def seconds_left(self) -> float:
        """The estimate, in seconds."""
        if self._done < 2:
            return (time.perf_counter() - self._first) * (self._total - self._done)
        mean = (time.perf_counter() - self._after_first) / (self._done - 1)
        return mean * (self._total - self._done)
