"""Take a checkpoint from the browser: try it where it can do no harm, keep it only if it opens."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import Protocol

import streamlit as st

from draem_core.checkpoints import checkpoint_digest, list_checkpoints, load_checkpoint
from draem_core.disk import remedy
from draem_core.errors import CheckpointError
from pages._ui.common import library
from pages._ui.common.escaping import literal
from pages._ui.frame.paths import short_name, upload_folder
from pages._ui.texts import text

_SUFFIXES = ["ckpt", "pckl", "pth", "pt", "safetensors", "json"]
_MESSAGE = "checkpoint_upload_message"


class UploadedFile(Protocol):
    """What Streamlit hands over for an uploaded file."""

    name: str

    def getbuffer(self) -> memoryview:
        """Return the content."""


def render_checkpoint_upload() -> None:
    """Draw the uploader and tell what came of the last upload."""
    with st.expander(text("sidebar.upload.title"), icon=":material/upload_file:"):
        st.file_uploader(
            text("sidebar.checkpoint"),
            type=_SUFFIXES,
            accept_multiple_files=True,
            key="checkpoint_upload",
            on_change=_take,
            help=text("sidebar.upload.help"),
            label_visibility="collapsed",
        )
    message = st.session_state.get(_MESSAGE)
    if message:
        st.error(literal(message), icon=":material/error:")


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

    The same files, uploaded again, are stored once.

    Raises:
        CheckpointError: they do not open or cannot be written; nothing is kept.
    """
    try:
        upload_folder().mkdir(parents=True, exist_ok=True)
        trial = Path(tempfile.mkdtemp(dir=upload_folder(), prefix=".trial-"))
        try:
            return _keep(files, trial)
        finally:
            shutil.rmtree(trial, ignore_errors=True)
    except OSError as error:
        raise CheckpointError(
            f"The upload could not be stored in {upload_folder()} ({error.strerror or error}): {remedy(error)}."
        ) from error


def _keep(files: Sequence[UploadedFile], trial: Path) -> Path:
    for file in files:
        (trial / safe_name(file.name)).write_bytes(file.getbuffer())
    weights = sorted(path for path in trial.iterdir() if path.suffix != ".json")
    if not weights:
        raise CheckpointError("The upload holds a JSON card alone. Add the weights file that it belongs to.")
    try:
        checkpoint = load_checkpoint(weights[0])
    except CheckpointError as error:
        # the folder of the trial means nothing to whoever uploads
        raise CheckpointError(str(error).replace(f"the folder {trial.absolute()}", "the same upload")) from error
    surplus = {path.name for path in weights} - {path.name for path in checkpoint.files}
    if surplus:
        raise CheckpointError(
            f"{', '.join(sorted(surplus))} does not belong to {weights[0].name}. Upload one checkpoint at a time."
        )
    home = upload_folder() / checkpoint_digest(sorted(trial.iterdir()))[:12]
    try:
        trial.rename(home)
    except OSError:
        if not home.is_dir():
            raise
    return list_checkpoints(home)[0]


def safe_name(name: str) -> str:
    """Return an uploaded file's name without folders, leading dots and signs that a file system may not take.

    Raises:
        CheckpointError: what is left is no checkpoint's or card's name.
    """
    stem, _, suffix = re.sub(r"[^\w.() +-]", "_", PureWindowsPath(name).name).rpartition(".")
    stem, suffix = stem.lstrip("."), suffix.lower()
    if not stem or suffix not in _SUFFIXES:
        kinds = ", ".join(f".{suffix}" for suffix in _SUFFIXES)
        raise CheckpointError(f"{name!r} is no name of a checkpoint. Rename it so that it ends in one of {kinds}.")
    return f"{stem}.{suffix}"
