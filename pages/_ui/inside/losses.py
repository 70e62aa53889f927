"""The training loss at this picture, part by part and pixel by pixel, for what was painted as the truth."""

import numpy as np
import streamlit as st

from draem_core.inside.loss_pictures import loss_pictures
from draem_core.render import mask_picture
from pages._ui.common.picture_row import Shown, render_pictures
from pages._ui.components.inside_view import InsideView
from pages._ui.components.inside_view.payload import scale_colours
from pages._ui.texts import markdown, text

_PARTS = ("l2", "ssim", "focal")


def render_losses(view: InsideView) -> None:
    """Draw the parts of the loss as pictures, each with its mean."""
    truth = view.truth
    pictures = vars(loss_pictures(view.trace.prediction, view.clean, truth))
    means = {name: float(pictures[name].mean(dtype=np.float64)) for name in _PARTS}
    count = np.count_nonzero(truth)
    told = text("inside.loss.painted", pixels=count) if count else text("inside.loss.not_painted")
    shown = [Shown(mask_picture(truth), told, text("inside.loss.truth"))]
    for name in _PARTS:
        highest = float(pictures[name].max())
        mean = text("inside.loss.mean", name=text(f"inside.loss.{name}"), mean=means[name])
        scale = text("inside.loss.scale", words=text(f"inside.loss.{name}_words"), highest=highest)
        shown.append(Shown(_coloured(pictures[name], highest), scale, mean))
    render_pictures(shown, least=150)
    st.markdown(markdown("inside.loss.sum", sum=sum(means.values())))


def _coloured(values: np.ndarray, highest: float) -> np.ndarray:
    share = np.clip(values / (highest or 1), 0, 1)
    return scale_colours("viridis")[np.minimum(255, (share * 256).astype(np.int64))]
