"""From an epoch of a review to its checkpoint on the Explore page."""

import streamlit as st

from draem_core.training.review import Review
from pages._ui import library
from pages._ui.paths import short_name


def render_open_in_explore(review: Review, epoch: int) -> None:
    """Draw the way to Explore with the weights of ``epoch``, or say that they were not kept."""
    checkpoint = review.checkpoints.get(epoch)
    if checkpoint is not None and checkpoint in library.checkpoint_files():
        places = {"checkpoint": short_name(checkpoint), "dataset": _dataset_of(review)}
        st.page_link(
            "pages/1_Explore.py",
            label=f"Open epoch {epoch} in Explore",
            icon=":material/image_search:",
            query_params={name: place for name, place in places.items() if place},
        )
    elif review.checkpoints:
        there = ", ".join(str(one) for one in sorted(review.checkpoints))
        st.caption(f"The weights of epoch {epoch} were not kept. They are there for epoch {there}.")


def _dataset_of(review: Review) -> str:
    """Return the dataset that the run was trained on, empty where it is not here."""
    if review.config is None:
        return ""
    trained_on = review.config.data.absolute()
    return next((short_name(folder) for folder in library.dataset_folders() if folder.absolute() == trained_on), "")
