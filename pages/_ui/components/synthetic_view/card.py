"""One stage of the stepper as a card: picture, numbers, drawing on top, and the controls that change it.

Knows no Streamlit, no network and no particular stage.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from torch import Tensor

from draem_core.render import show_reconstruction
from pages._ui.components.synthetic_view.settings import SyntheticSettings
from pages._ui.texts import text


@dataclass(frozen=True)
class Control:
    """What sets one field of ``SampleOverrides``, or the folder of textures.

    kind: "range" runs from ``low`` to ``high`` by ``step``; "steps" is a slider and "select" a list over ``values``,
    shown as ``labels``; "seed" is any whole number from 0.
    value: what it stands at, the seed's or the hand's; None where a seed follows the sample's, which is then ``unit``.
    """

    name: str
    label: str
    kind: Literal["range", "steps", "select", "seed"]
    value: float | str | None
    by_hand: bool
    low: float = 0
    high: float = 0
    step: float = 1
    unit: str = ""
    values: tuple[int | str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StageCard:
    """A stage.

    picture: (h, w, 3) uint8, or (h, w) uint8 indices into ``scale``; None where the drawing is all.
    drawing: SVG paths by class ("lattice", "arrows", "outline", "way") in pixels of the grid.
    ends: the values at the colour scale's ends.
    """

    key: str
    group: str
    picture: np.ndarray | None
    facts: tuple[str, ...]
    title: str = ""
    sentence: str = ""
    scale: str | None = None
    ends: tuple[float, float] | None = None
    drawing: dict[str, str] = field(default_factory=dict)
    controls: tuple[Control, ...] = ()

    def header(self) -> dict[str, Any]:
        """Return all but the picture, with the stage's words where it brings none of its own."""
        told = {name: value for name, value in vars(self).items() if name not in ("picture", "controls", "group")}
        return told | {
            "group": text(f"synthetic.group.{self.group}"),
            "title": self.title or text(f"synthetic.stage.{self.key}.title"),
            "sentence": self.sentence or text(f"synthetic.stage.{self.key}.sentence"),
            "controls": [vars(control) for control in self.controls],
            "has_picture": self.picture is not None,
        }


def control(
    settings: SyntheticSettings,
    name: str,
    kind: Literal["range", "steps", "select", "seed"],
    value: float | str | None,
    *,
    span: tuple[float, float, float] = (0, 0, 1),
    unit: str = "",
    values: tuple[int | str, ...] = (),
    labels: tuple[str, ...] = (),
) -> Control:
    """Return the control of one setting; span: (low, high, step)."""
    by_hand = getattr(settings, name) not in (None, "")
    return Control(name, text(f"synthetic.control.{name}"), kind, value, by_hand, *span, unit, values, labels)


def as_picture(image: Tensor) -> np.ndarray:
    """Return (3, H, W) in [0, 1] as (H, W, 3) uint8."""
    return show_reconstruction(image.permute(1, 2, 0).numpy())


def shape_and_range(values: Tensor | np.ndarray) -> str:
    """Say a stage's shape and the range of its values."""
    low, high = float(values.min()), float(values.max())
    return f"{' × '.join(map(str, values.shape))} · {signed(low)} … {signed(high)}"


def signed(value: float, digits: int = 2) -> str:
    """Write a number with a real minus sign, and no minus before zero."""
    return f"{value + 0.0:.{digits}f}".replace("-", "−").replace("−0." + "0" * digits, "0." + "0" * digits)


def share_of(mask: np.ndarray) -> str:
    """Say how many pixels a mask (H, W) has, and which share of all they are."""
    count = int(np.count_nonzero(mask))
    return text("synthetic.fact.share", count=f"{count:,}", all=f"{mask.size:,}", share=count / mask.size)
