"""Review a training run epoch by epoch: one slider drives every picture and curve; the diagnosis says what is wrong."""

import streamlit as st

from draem_core.errors import DraemError
from pages._ui.common import library
from pages._ui.common.diagnosis import render_best_epochs, render_findings
from pages._ui.common.escaping import literal
from pages._ui.components.reviewer import ReviewSettings, nearest_epoch, reviewer
from pages._ui.epochs import run_selection
from pages._ui.epochs.exports import render_exports
from pages._ui.epochs.links import render_open_in_explore
from pages._ui.epochs.replays import render_replay
from pages._ui.epochs.run_selection import RunSelection
from pages._ui.frame import address
from pages._ui.frame.shell import start_window


@st.fragment
def show(chosen: RunSelection) -> None:
    """Draw what a settled epoch changes. As a fragment it runs alone, but for a run that has gone on meanwhile."""
    if chosen.is_outdated():
        st.rerun()
    assert chosen.run.payload is not None
    other = chosen.other.payload if chosen.other else None
    settings = reviewer(chosen.run.payload, other, address.linked_settings(ReviewSettings()), key="reviewer")
    address.write(chosen.url_params, settings)
    epoch = nearest_epoch(chosen.review, settings.epoch)
    render_findings(chosen.review, epoch)
    render_open_in_explore(chosen.review, epoch)
    render_exports(chosen.review)


start_window("epochs")
try:
    chosen = run_selection.choose_runs()
except DraemError as error:
    st.error(literal(error), icon=":material/error:")
    chosen = None
if chosen is not None:
    render_best_epochs(chosen.review)
    if chosen.run.payload is not None:
        show(chosen)
    else:
        if chosen.review.config is not None and not chosen.review.config.probes:
            st.info("This run kept no probe pictures: it was trained with `probes = 0`.", icon=":material/hide_image:")
        render_findings(chosen.review, None)
render_replay()
library.freeze_gc("Epochs")
