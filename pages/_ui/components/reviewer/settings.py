"""What the Epochs page's controls can be set to. Knows no Streamlit and no run."""

from dataclasses import dataclass
from typing import Literal, get_args

from pages._ui.components.shared.settings import check_share

Measure = Literal["std", "gradient_norm"]
Against = Literal["first", "zero"]


@dataclass(frozen=True)
class ReviewSettings:
    """What is shown of a run.

    epoch: the one that everything shows; 0 is the last one there is.
    compare: whether another epoch (or another run's) lies right of the wipe.
    other_epoch: that epoch; 0 is the last one there is.
    wipe: where in each picture the other one begins, in [0, 1].
    truth: contours of the annotated defects.
    measure: of the layers' heatmap.
    against: "first" colours each layer by how it changed since the first epoch, "zero" by the value itself.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    epoch: int = 0
    compare: bool = False
    other_epoch: int = 0
    wipe: float = 0.5
    truth: bool = True
    measure: Measure = "std"
    against: Against = "first"

    def __post_init__(self) -> None:
        for name in ("epoch", "other_epoch"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        check_share("wipe", self.wipe)
        for name, allowed in (("measure", get_args(Measure)), ("against", get_args(Against))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}")
