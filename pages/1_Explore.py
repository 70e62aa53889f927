"""Explore one picture: original, reconstruction, anomaly map, mask and overlay, linked, with live sliders."""

import numpy as np
import streamlit as st

from draem_core.errors import DraemError
from draem_core.types import Prediction
from pages._ui.common import library
from pages._ui.common.diagnosis import render_checkpoint_findings
from pages._ui.common.downloads import render_downloads
from pages._ui.common.escaping import literal
from pages._ui.common.library import Picture
from pages._ui.common.source import choose_picture, truth_on_grid
from pages._ui.components.viewer import ViewerSettings, viewer
from pages._ui.explore.explanations import render_how_to_read, render_normalised_values
from pages._ui.frame.settings_store import orders, settings_now, show_settings
from pages._ui.frame.shell import Workspace, start_page


@st.fragment
def show(workspace: Workspace, picture: Picture, prediction: Prediction, truth: np.ndarray | None) -> None:
    """Draw what a release of a slider changes. As a fragment it runs alone: the sidebar and the strip stay."""
    payload = library.payload(workspace.predictor, picture, truth)
    handed = settings_now(ViewerSettings)
    settings = viewer(payload, handed, key="viewer", orders=orders())
    show_settings(workspace.url_params_of(picture), settings, handed)
    render_normalised_values(workspace.predictor.card, prediction, settings)
    render_downloads(picture, prediction, settings, truth)


workspace = start_page("explore")
if workspace is None:
    st.stop()
picture = choose_picture(workspace.dataset)
if picture is None:
    st.stop()
try:
    prediction = library.prediction(workspace.predictor, picture)
except DraemError as error:
    st.error(literal(error), icon=":material/error:")
    st.stop()
for note in library.grid_notes(picture, workspace.predictor.card.input_size):
    st.caption(literal(note))
show(workspace, picture, prediction, truth_on_grid(picture, workspace.predictor.card.input_size))
render_how_to_read()
render_checkpoint_findings(workspace)
library.freeze_gc("Explore")
