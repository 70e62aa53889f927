"""From an epoch of a review to its checkpoint on the Explore page."""

import streamlit as st

from draem_core.runs.review import Review
from pages._ui.common import library
from pages._ui.common.escaping import code, literal
from pages._ui.frame.paths import checkpoint_folder, short_name


def render_open_in_explore(review: Review, epoch: int) -> None:
    """Draw the way to Explore with the weights of ``epoch``, or say that they were not kept."""
    checkpoint = review.checkpoints.get(epoch)
    listed = {path.resolve(): path for path in library.checkpoint_files()}
    if checkpoint is not None and checkpoint.resolve() in listed:
        url_params = {"checkpoint": short_name(listed[checkpoint.resolve()]), "dataset": _dataset_of(review)}
        st.page_link(
            "pages/1_Explore.py",
            label=f"Open epoch {epoch:d} in Explore",
            icon=":material/image_search:",
            query_params={name: value for name, value in url_params.items() if value},
        )
    elif checkpoint is not None:
        folder = f"{short_name(checkpoint_folder())}/"
        st.caption(
            f"Explore does not list {code(checkpoint)}, the weights of epoch {epoch:d}. Copy it into {code(folder)}."
        )
    elif review.checkpoints:
        there = ", ".join(str(one) for one in sorted(review.checkpoints))
        st.caption(f"The weights of epoch {epoch:d} were not kept. They are there for epoch {literal(there)}.")


def _dataset_of(review: Review) -> str:
    """Return the dataset that the run was trained or replayed on, empty where it is not here."""
    if review.data is None:
        return ""
    shown = review.data.absolute()
    return next((short_name(folder) for folder in library.dataset_folders() if folder.absolute() == shown), "")
