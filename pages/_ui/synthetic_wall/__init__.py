"""Many synthetic samples at a glance, and how large the masks are: a Streamlit v2 component of ours.

A click on a sample comes back as its seed. Holds no network and no cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from draem_core.postprocess import resize_nearest
from draem_core.synthesis.draws import CLEAN_SHARE
from draem_core.synthesis.sample import Sample
from pages._ui.live import component
from pages._ui.live.payload import with_header
from pages._ui.synthetic.card import as_picture
from pages._ui.synthetic.drawings import outlined
from pages._ui.texts import text, texts_under

__all__ = ["AREAS_DRAWN", "Thumbnail", "Wall", "histogram", "shrunk", "synthetic_wall"]

AREAS_DRAWN = 300
_SIDE = 128  # pixels of a thumbnail's longer side
_BARS, _KEY = 24, "synthetic_wall"

_mount = component("draem_synthetic_wall", Path(__file__).parent, "main")


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One sample, small: (h, w, 3) uint8 with its mask's outline, the mask's share of the pixels, None where clean."""

    picture: np.ndarray
    share: float | None


@dataclass(frozen=True, eq=False)
class Wall:
    """Samples of the seeds from ``first`` on, the present ``seed`` among them, and the areas of many masks.

    areas: (N,) float64, shares of the pixels, clean samples aside.
    """

    first: int
    seed: int
    thumbnails: tuple[Thumbnail, ...]
    areas: np.ndarray


def shrunk(sample: Sample) -> Thumbnail:
    """Return a sample as it hangs on the wall."""
    height, width = sample.mask.shape
    shrink = max(1.0, max(height, width) / _SIDE)
    size = max(1, round(height / shrink)), max(1, round(width / shrink))
    small = np.asarray(Image.fromarray(as_picture(sample.corrupted)).resize(size[::-1], Image.Resampling.BOX))
    share = None if sample.is_clean else float(sample.mask.double().mean())
    return Thumbnail(outlined(small, resize_nearest(sample.mask.numpy(), size)), share)


def synthetic_wall(wall: Wall, present: float | None, on_pick: Callable[[int], None]) -> None:
    """Mount the component. present: the share of the pixels of the stepper's mask, None where it has none."""

    def picked() -> None:
        state = st.session_state.get(_KEY)
        seed = state.get("picked") if isinstance(state, dict) else None
        if isinstance(seed, int | float) and 0 <= seed < 2**31:
            on_pick(int(seed))

    _mount(key=_KEY, data=pack(wall, present), on_picked_change=picked)


def pack(wall: Wall, present: float | None) -> bytes:
    """The component's payload: a header and the thumbnails' pixels."""
    pictures = [one.picture for one in wall.thumbnails]
    height, width = pictures[0].shape[:2]
    counts, ends = histogram(wall.areas)
    empty = float((wall.areas == 0).mean())
    header: dict[str, object] = {
        "first": wall.first,
        "seed": wall.seed,
        "size": [height, width],
        "labels": [
            text("synthetic.wall.clean") if one.share is None else f"{one.share:.1%}" for one in wall.thumbnails
        ],
        "told": text("synthetic.wall.told", first=wall.first, last=wall.first + len(pictures) - 1),
        "areas_told": text(
            "synthetic.wall.areas_told",
            count=len(wall.areas),
            median=float(np.median(wall.areas)),
            empty=empty,
            clean=CLEAN_SHARE + (1 - CLEAN_SHARE) * empty,
        ),
        "bars": counts,
        "ends": ends,
        "bar_words": [
            text("synthetic.wall.bar", count=count, low=low, high=high)
            for count, low, high in zip(counts, ends, ends[1:], strict=False)
        ],
        "median": float(np.median(wall.areas)),
        "present": present,
        "words": texts_under("synthetic.wall"),
    }
    return with_header(header, b"".join(picture.tobytes() for picture in pictures))


def histogram(areas: np.ndarray) -> tuple[list[int], list[float]]:
    """Return how many areas lie in each of equal bins from 0 to the largest, and the bins' ends."""
    top = max(0.01, float(np.ceil(100 * areas.max()) / 100))
    counts, ends = np.histogram(areas, bins=_BARS, range=(0, top))
    return counts.tolist(), ends.tolist()
