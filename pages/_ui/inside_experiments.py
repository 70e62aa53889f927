"""What one can try on the Inside page below the stages: switches, losses, figures. Each is computed when chosen."""

import streamlit as st

from pages._ui.inside import Look, View
from pages._ui.inside_figures import render_figures
from pages._ui.inside_losses import render_losses
from pages._ui.inside_switches import render_switches
from pages._ui.library import Picture
from pages._ui.shell import Workspace

SWITCHES, LOSSES, FIGURES = "Switches", "Losses", "Figures"


def render_experiments(workspace: Workspace, picture: Picture, view: View, look: Look) -> None:
    """Draw the chosen experiment."""
    chosen = st.segmented_control(
        "Try",
        [SWITCHES, LOSSES, FIGURES],
        default=SWITCHES,
        required=True,
        key="inside_experiment",
        label_visibility="collapsed",
    )
    if chosen == LOSSES:
        render_losses(view)
    elif chosen == FIGURES:
        render_figures(view, look)
    else:
        render_switches(workspace, picture, view)
