"""The rule that turns the map into a mask, on the Inside page: three sliders, folded away."""

import streamlit as st

from pages._ui import address
from pages._ui.live.settings import MAX_KERNEL, LiveSettings
from pages._ui.texts import text

_MOST_AREA = 500


def choose_mask_rule() -> LiveSettings:
    """Draw the sliders and return their values; they start with the link's."""
    asked = address.asked_settings(LiveSettings())
    starts = {
        "inside_sensitivity": asked.sensitivity,
        "inside_kernel": asked.kernel_size,
        "inside_area": min(asked.min_area, _MOST_AREA),
    }
    for key, value in starts.items():
        st.session_state.setdefault(key, value)
    with st.popover(text("inside.mask.title"), icon=":material/tune:"):
        sensitivity = st.slider(
            text("inside.mask.sensitivity"),
            0.0,
            1.0,
            step=0.001,
            format="%.3f",
            key="inside_sensitivity",
            help=text("inside.mask.sensitivity_help"),
        )
        kernel_size = st.slider(text("inside.mask.kernel_size"), 1, MAX_KERNEL, step=2, key="inside_kernel")
        min_area = st.slider(text("inside.mask.min_area"), 0, _MOST_AREA, key="inside_area")
    return LiveSettings(sensitivity, kernel_size, min_area, asked.logit_scale)
