"""The training loss at this picture, part by part and pixel by pixel, for what was painted as the truth."""

import numpy as np
import streamlit as st

from draem_core.inside.loss_pictures import loss_pictures
from pages._ui.inside import View
from pages._ui.inside.payload import scale_colours
from pages._ui.texts import text

_PARTS = ("l2", "ssim", "focal")


def render_losses(view: View) -> None:
    """Draw the parts of the loss as pictures, each with its mean."""
    truth = view.truth
    pictures = vars(loss_pictures(view.trace.prediction, view.clean, truth))
    means = {name: float(pictures[name].mean(dtype=np.float64)) for name in _PARTS}
    columns = st.columns(4)
    with columns[0]:
        st.markdown(f"**{text('inside.loss.truth')}**")
        st.image(np.where(truth, 255, 0).astype(np.uint8), width=230, output_format="PNG")
        st.caption(
            text("inside.loss.painted", pixels=np.count_nonzero(truth))
            if truth.any()
            else text("inside.loss.not_painted")
        )
    for column, name in zip(columns[1:], _PARTS, strict=True):
        values = pictures[name]
        highest = float(values.max())
        with column:
            st.markdown(text("inside.loss.mean", name=text(f"inside.loss.{name}"), mean=means[name]))
            st.image(_coloured(values, highest), width=230, output_format="PNG")
            st.caption(text("inside.loss.scale", words=text(f"inside.loss.{name}_words"), highest=highest))
    st.markdown(text("inside.loss.sum", sum=sum(means.values())))


def _coloured(values: np.ndarray, highest: float) -> np.ndarray:
    share = np.clip(values / (highest or 1), 0, 1)
    return scale_colours("viridis")[np.minimum(255, (share * 256).astype(np.int64))]
