"""What the Tune page's controls can be set to. Knows no Streamlit and no image."""

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import numpy as np

from draem_core.evaluation.settings_grid import SettingsGrid
from draem_core.postprocess import PostProcess
from pages._ui.components.shared.settings import LiveSettings, check_share

GalleryOrder = Literal["wrong", "score", "kind", "erased"]


@dataclass(frozen=True)
class TunerSettings(LiveSettings):
    """One setting of the tuner: the sliders that make a mask, the zones, what it is compared with, what is shown.

    zones: whether there is a zone "unsure" between OK and NG.
    unsure_sensitivity: an image is unsure where it is not NG, but would be at this sensitivity; below ``sensitivity``
        it means the same as ``sensitivity``.
    saved_…: the setting that changes of verdict are counted against.
    order: of the gallery; "erased" shows the images whose true regions opening and area filter erase.
    by_kind: a row for each defect kind instead of a histogram.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    zones: bool = False
    unsure_sensitivity: float = 0.8
    saved_sensitivity: float = 0.5
    saved_kernel_size: int = 3
    saved_min_area: int = 0
    by_kind: bool = False
    order: GalleryOrder = "wrong"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("unsure_sensitivity", self.unsure_sensitivity)
        LiveSettings(self.saved_sensitivity, self.saved_kernel_size, self.saved_min_area)  # refuses what no slider has
        if self.order not in get_args(GalleryOrder):
            raise ValueError(f"order is {self.order!r}; it must be one of {', '.join(get_args(GalleryOrder))}")

    @property
    def unsure_threshold(self) -> np.float32 | None:
        """The value that an unsure image's map exceeds after opening and area filter; None without zones."""
        return PostProcess(max(self.unsure_sensitivity, self.sensitivity)).threshold if self.zones else None

    def at_stops(self, grid: SettingsGrid) -> Self:
        """Return the nearest settings that ``grid`` has counted, as the browser shows them (main.js, snap)."""
        sensitivity, unsure = grid.nearest(self.sensitivity), grid.nearest(self.unsure_sensitivity)
        return replace(
            self,
            sensitivity=sensitivity,
            min_area=grid.nearest_area(self.min_area),
            unsure_sensitivity=max(sensitivity, unsure) if self.zones else unsure,
            saved_sensitivity=grid.nearest(self.saved_sensitivity),
            saved_min_area=grid.nearest_area(self.saved_min_area),
        )
