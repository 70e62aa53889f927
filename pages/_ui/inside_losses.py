"""The training loss at this picture, part by part and pixel by pixel, for what was painted as the truth."""

import numpy as np
import streamlit as st

from draem_core.inside.loss_pictures import loss_pictures
from pages._ui.inside import View
from pages._ui.inside.payload import scale_colours

_PARTS = {
    "l2": ("L2", "squared error of the reconstruction against the picture before it was painted on"),
    "ssim": ("1 − SSIM", "how much structure differs within 11 × 11 pixels: 0 … 2"),
    "focal": ("Focal", "−(1 − p)² log p of the true class: far more where the map is wrong than where it is unsure"),
}


def render_losses(view: View) -> None:
    """Draw the parts of the loss as pictures, each with its mean."""
    truth = view.truth
    pictures = vars(loss_pictures(view.trace.prediction, view.clean, truth))
    means = {name: float(pictures[name].mean(dtype=np.float64)) for name in _PARTS}
    columns = st.columns(4)
    with columns[0]:
        st.markdown("**Truth**")
        st.image(np.where(truth, 255, 0).astype(np.uint8), width=230, output_format="PNG")
        st.caption(
            f"{np.count_nonzero(truth):,} pixels painted"
            if truth.any()
            else "Nothing is painted: all pixels count as good. A defect of the picture's own is no truth here."
        )
    for column, (name, (title, words)) in zip(columns[1:], _PARTS.items(), strict=True):
        values = pictures[name]
        highest = float(values.max())
        with column:
            st.markdown(f"**{title}**, mean {means[name]:.4f}")
            st.image(_coloured(values, highest), width=230, output_format="PNG")
            st.caption(f"{words}; dark 0, bright {highest:.3g}")
    st.markdown(f"Sum of the three means, as DRAEM trains it: **{sum(means.values()):.4f}**")


def _coloured(values: np.ndarray, highest: float) -> np.ndarray:
    share = np.clip(values / (highest or 1), 0, 1)
    return scale_colours("viridis")[np.minimum(255, (share * 256).astype(np.int64))]
