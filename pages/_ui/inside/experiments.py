"""What one can try on the Inside page below the stages: ablations, losses, figures. Each is computed when chosen."""

import streamlit as st

from pages._ui.common.library import Picture
from pages._ui.components.inside_view import InsideView, StageSelection
from pages._ui.frame.shell import Workspace
from pages._ui.inside.ablations import render_ablations
from pages._ui.inside.figures import render_figures
from pages._ui.inside.losses import render_losses
from pages._ui.texts import text

ABLATIONS, LOSSES, FIGURES = "ablations", "losses", "figures"


def render_experiments(workspace: Workspace, picture: Picture, view: InsideView, selection: StageSelection) -> None:
    """Draw the chosen experiment."""
    chosen = st.segmented_control(
        text("inside.try.title"),
        [ABLATIONS, LOSSES, FIGURES],
        default=ABLATIONS,
        required=True,
        format_func=lambda experiment: text(f"inside.try.{experiment}"),
        key="inside_experiment",
        label_visibility="collapsed",
    )
    if chosen == LOSSES:
        render_losses(view)
    elif chosen == FIGURES:
        render_figures(view, selection)
    else:
        render_ablations(workspace, picture, view)
