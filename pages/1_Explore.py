"""Explore one picture: original, reconstruction, anomaly map, mask and overlay, linked, with live sliders."""

import streamlit as st

from draem_core.errors import DraemError
from pages._ui import address, library
from pages._ui.downloads import render_downloads
from pages._ui.explanations import render_how_to_read, render_normalised_values
from pages._ui.shell import start_page
from pages._ui.source import choose_picture, read_truth
from pages._ui.viewer import viewer

workspace = start_page("Explore")
if workspace is None:
    st.stop()
picture = choose_picture(workspace.dataset)
if picture is None:
    st.stop()

predictor = workspace.predictor
try:
    prediction = library.prediction(predictor, picture)
except DraemError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
truth = read_truth(picture, predictor.card.input_size)
settings = viewer(library.payload(predictor, picture, truth), address.asked_settings(), key="viewer")

address.write(workspace.places | {"image": picture.sample.name if picture.sample else ""}, settings)
render_normalised_values(predictor.card, prediction, settings)
render_downloads(picture, prediction, settings, truth)
render_how_to_read()
