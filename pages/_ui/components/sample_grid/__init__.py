"""Many synthetic samples at a glance: a Streamlit v2 component.

A click on a sample comes back as its seed. Holds no network and no cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from draem_core.postprocess import resize_nearest
from draem_core.synthesis.sample import SyntheticSample
from pages._ui.components.shared import component, payload
from pages._ui.components.synthetic_view.card import as_picture
from pages._ui.components.synthetic_view.drawings import outlined
from pages._ui.components.synthetic_view.settings import MOST_SEED
from pages._ui.texts import text, texts_under

__all__ = ["SampleGrid", "Thumbnail", "shrunk", "synthetic_sample_grid"]

_SIDE = 128  # pixels of a thumbnail's longer side
_KEY = "synthetic_sample_grid"

_mount = component("draem_sample_grid", Path(__file__).parent)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One sample, small: (h, w, 3) uint8 with its mask's outline, the mask's share of the pixels, None where clean."""

    picture: np.ndarray
    share: float | None


@dataclass(frozen=True, eq=False)
class SampleGrid:
    """Samples of the seeds from ``first`` on, the present ``seed`` among them."""

    first: int
    seed: int
    thumbnails: tuple[Thumbnail, ...]


def shrunk(sample: SyntheticSample) -> Thumbnail:
    """Return a sample as the grid shows it."""
    height, width = sample.mask.shape
    shrink = max(1.0, max(height, width) / _SIDE)
    size = max(1, round(height / shrink)), max(1, round(width / shrink))
    small = np.asarray(Image.fromarray(as_picture(sample.corrupted)).resize(size[::-1], Image.Resampling.BOX))
    share = None if sample.is_clean else float(sample.mask.double().mean())
    return Thumbnail(outlined(small, resize_nearest(sample.mask.numpy(), size)), share)


def synthetic_sample_grid(grid: SampleGrid, on_pick: Callable[[int], None]) -> None:
    """Mount the component; ``on_pick`` is told the seed that was clicked."""

    def picked() -> None:
        state = st.session_state.get(_KEY)
        seed = state.get("picked") if isinstance(state, dict) else None
        if isinstance(seed, int | float) and 0 <= seed <= MOST_SEED:
            on_pick(int(seed))

    _mount(key=_KEY, data=pack(grid), on_picked_change=picked)


def pack(grid: SampleGrid) -> bytes:
    """The component's payload: what is told, and the thumbnails' pixels, (N, h, w, 3) uint8."""
    pictures = [one.picture for one in grid.thumbnails]
    header: dict[str, object] = {
        "first": grid.first,
        "seed": grid.seed,
        "labels": [
            text("synthetic.sample_grid.clean") if one.share is None else f"{one.share:.1%}" for one in grid.thumbnails
        ],
        "told": text("synthetic.sample_grid.told", first=grid.first, last=grid.first + len(pictures) - 1),
        "words": texts_under("synthetic.sample_grid"),
    }
    return payload.pack(header, {"pictures": np.stack(pictures)})
