"""Take a checkpoint from the browser: try it where it can do no harm, keep it only if it opens."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import streamlit as st

from draem_core.checkpoints import load_checkpoint
from draem_core.errors import CheckpointError
from pages._ui import library
from pages._ui.paths import UPLOADED, short_name

_SUFFIXES = ["ckpt", "pckl", "pth", "pt", "safetensors", "json"]
_MESSAGE = "checkpoint_upload_message"


class UploadedFile(Protocol):
    """What Streamlit hands over for an uploaded file."""

    name: str

    def getbuffer(self) -> memoryview:
        """Return the content."""


def render_checkpoint_upload() -> None:
    """Draw the uploader and tell what came of the last upload."""
    with st.expander("Open a checkpoint file", icon=":material/upload_file:"):
        st.file_uploader(
            "Checkpoint",
            type=_SUFFIXES,
            accept_multiple_files=True,
            key="checkpoint_upload",
            on_change=_take,
            help="The original's two .pckl files together, anomalib's .ckpt, a state dict .pth or .pt, "
            "or our .safetensors; a JSON card of the same name may come along. No code in a file is ever run.",
            label_visibility="collapsed",
        )
    message = st.session_state.get(_MESSAGE)
    if message:
        st.error(message, icon=":material/error:")


def _take() -> None:
    """Keep what was uploaded and select it, or remember why not."""
    files = st.session_state["checkpoint_upload"]
    st.session_state.pop(_MESSAGE, None)
    if not files:
        return
    try:
        kept = keep_checkpoint(files)
    except CheckpointError as error:
        st.session_state[_MESSAGE] = str(error)
        return
    library.checkpoint_files.clear()
    st.session_state["checkpoint"] = short_name(kept)


def keep_checkpoint(files: Sequence[UploadedFile]) -> Path:
    """Store uploaded files as ``checkpoints/uploaded/<digest>/`` and return the weights' path.

    Raises:
        CheckpointError: they do not open; nothing is kept.
    """
    UPLOADED.mkdir(parents=True, exist_ok=True)
    trial = Path(tempfile.mkdtemp(dir=UPLOADED, prefix=".trial-"))
    try:
        for file in files:
            (trial / Path(file.name).name).write_bytes(file.getbuffer())
        weights = sorted(path for path in trial.iterdir() if path.suffix != ".json")
        if not weights:
            raise CheckpointError("The upload holds a JSON card alone. Add the weights file that it belongs to.")
        checkpoint = load_checkpoint(weights[0])
        surplus = {path.name for path in weights} - {path.name for path in checkpoint.files}
        if surplus:
            raise CheckpointError(
                f"{', '.join(sorted(surplus))} does not belong to {weights[0].name}. Upload one checkpoint at a time."
            )
        home = UPLOADED / checkpoint.card.digest[:12]
        if not home.exists():
            trial.rename(home)
        return home / checkpoint.files[0].name
    finally:
        shutil.rmtree(trial, ignore_errors=True)
