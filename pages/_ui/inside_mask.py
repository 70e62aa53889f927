"""The rule that turns the map into a mask, on the Inside page: three controls, folded away."""

import streamlit as st

from pages._ui import address
from pages._ui.live.settings import MAX_KERNEL, LiveSettings
from pages._ui.texts import text


def choose_mask_rule(grid: tuple[int, int]) -> LiveSettings:
    """Draw the controls and return their values; they start with the link's. ``grid``: the map's (height, width)."""
    asked = address.asked_settings(LiveSettings())
    starts = {
        "inside_sensitivity": asked.sensitivity,
        "inside_kernel": asked.kernel_size,
        "inside_area": asked.min_area,
    }
    for key, value in starts.items():
        st.session_state.setdefault(key, value)
    most_area = grid[0] * grid[1]  # no region is larger
    st.session_state["inside_area"] = min(st.session_state["inside_area"], most_area)
    with st.popover(text("inside.mask.title"), icon=":material/tune:"):
        sensitivity = st.slider(
            text("inside.mask.sensitivity"),
            0.0,
            1.0,
            step=0.001,
            format="%.4f",
            key="inside_sensitivity",
            help=text("inside.mask.sensitivity_help"),
        )
        kernel_size = st.slider(text("inside.mask.kernel_size"), 1, MAX_KERNEL, step=2, key="inside_kernel")
        min_area = st.number_input(text("inside.mask.min_area"), 0, most_area, key="inside_area")
    return LiveSettings(sensitivity, kernel_size, min_area, asked.logit_scale)
