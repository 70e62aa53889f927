"""What the viewer's controls can be set to. Knows no Streamlit and no picture."""

from dataclasses import dataclass
from typing import Literal, get_args

from pages._ui.components.shared.settings import LiveSettings, check_share

Overlay = Literal["heatmap", "mask"]


@dataclass(frozen=True)
class ViewerSettings(LiveSettings):
    """One setting of the viewer: the sliders that make a mask, and what is shown.

    opacity: of the overlay, in [0, 1].
    overlay: what lies over the picture, the coloured map or the mask.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    opacity: float = 0.5
    overlay: Overlay = "heatmap"
    show_contour: bool = True
    show_difference: bool = False
    show_boxes: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("opacity", self.opacity)
        if self.overlay not in get_args(Overlay):
            raise ValueError(f"overlay is {self.overlay!r}; it must be one of {', '.join(get_args(Overlay))}")
