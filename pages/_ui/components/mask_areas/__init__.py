"""How large the masks of synthetic anomalies are, over many drawn ones: a Streamlit v2 component."""

from pathlib import Path

import numpy as np

from draem_core.synthesis.random_params import CLEAN_SHARE
from pages._ui.components.shared import component
from pages._ui.texts import text, texts_under

__all__ = ["histogram", "synthetic_areas"]

_BARS = 24

_mount = component("draem_synthetic_areas", Path(__file__).parent)


def synthetic_areas(areas: np.ndarray, present: float | None) -> None:
    """Mount the component.

    Args:
        areas: (N,) float64, shares of the pixels of drawn masks, clean samples aside.
        present: that of the stepper's mask, None where it has none.
    """
    _mount(key="synthetic_areas", data=told(areas, present))


def told(areas: np.ndarray, present: float | None) -> dict[str, object]:
    """Return what the component shows."""
    counts, ends = histogram(areas)
    median, empty = float(np.median(areas)), float((areas == 0).mean())
    clean = CLEAN_SHARE + (1 - CLEAN_SHARE) * empty
    return {
        "told": text("synthetic.areas.told", count=len(areas), median=median, empty=empty, clean=clean),
        "bars": counts,
        "ends": ends,
        "bar_words": [
            text("synthetic.areas.bar", count=count, low=low, high=high)
            for count, low, high in zip(counts, ends, ends[1:], strict=False)
        ],
        "median": median,
        "present": present,
        "words": texts_under("synthetic.areas"),
    }


def histogram(areas: np.ndarray) -> tuple[list[int], list[float]]:
    """Return how many areas lie in each of equal bins from 0 to the largest, and the bins' ends."""
    top = max(0.01, float(np.ceil(100 * areas.max()) / 100))
    counts, ends = np.histogram(areas, bins=_BARS, range=(0, top))
    return counts.tolist(), ends.tolist()
