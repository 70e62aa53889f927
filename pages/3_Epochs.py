"""Review a training run epoch by epoch: one slider drives every picture and curve; the diagnosis says what is wrong."""

import streamlit as st

from draem_core.errors import DraemError
from pages._ui import address, library, reviews
from pages._ui.diagnosis import render_best_epochs, render_findings
from pages._ui.review_exports import render_exports
from pages._ui.reviewer import ReviewSettings, reviewer
from pages._ui.reviews import Chosen
from pages._ui.shell import start_window


@st.fragment
def show(chosen: Chosen) -> None:
    """Draw what a settled epoch changes. As a fragment it runs alone."""
    other = reviews.payload(chosen.other) if chosen.other else None
    settings = reviewer(reviews.payload(chosen.review), other, address.asked_settings(ReviewSettings()), key="reviewer")
    address.write(chosen.places, settings)
    render_findings(chosen.review, settings.epoch or None)
    render_exports(chosen.review)


start_window("Epochs")
try:
    chosen = reviews.choose_runs()
except DraemError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
if chosen is None:
    st.stop()
render_best_epochs(chosen.review)
if chosen.review.epochs:
    show(chosen)
else:
    st.info("This run kept no probe pictures: it was trained with `probes = 0`.", icon=":material/hide_image:")
    render_findings(chosen.review, None)
library.settle_memory("Epochs")
