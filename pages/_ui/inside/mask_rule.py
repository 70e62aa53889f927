"""The rule that turns the map into a mask, on the pages Inside and Synthetic: three controls, folded away."""

from collections.abc import Callable

import streamlit as st

from pages._ui.components.shared.settings import MAX_KERNEL, LiveSettings
from pages._ui.frame.settings_store import choose_one
from pages._ui.texts import text


def choose_mask_rule(grid: tuple[int, int], chosen: LiveSettings) -> LiveSettings:
    """Draw the controls as ``chosen`` says and return their values. ``grid``: the map's (height, width)."""
    most_area = grid[0] * grid[1]  # no region is larger
    # Told anew in each run: what Streamlit keeps under a key belongs to one page's widget, and another's would begin
    # at its least value.
    st.session_state["inside_sensitivity"] = chosen.sensitivity
    st.session_state["inside_kernel"] = chosen.kernel_size
    st.session_state["inside_area"] = min(chosen.min_area, most_area)
    with st.popover(text("inside.mask.title"), icon=":material/tune:"):
        sensitivity = st.slider(
            text("inside.mask.sensitivity"),
            0.0,
            1.0,
            step=0.001,
            format="%.4f",
            key="inside_sensitivity",
            help=text("inside.mask.sensitivity_help"),
            on_change=_keep("sensitivity", "inside_sensitivity"),
        )
        kernel_size = st.slider(
            text("inside.mask.kernel_size"),
            1,
            MAX_KERNEL,
            step=2,
            key="inside_kernel",
            on_change=_keep("kernel_size", "inside_kernel"),
        )
        min_area = st.number_input(
            text("inside.mask.min_area"), 0, most_area, key="inside_area", on_change=_keep("min_area", "inside_area")
        )
    return LiveSettings(sensitivity, kernel_size, min_area, chosen.logit_scale)


def _keep(name: str, key: str) -> Callable[[], None]:
    def keep() -> None:
        choose_one(name, st.session_state[key])

    return keep
