"""Turn a folder of someone else's per-epoch checkpoints into a review, in the background, and show it then."""

import json
from pathlib import Path

import streamlit as st

from draem_core.errors import Cancelled, DraemError
from draem_core.runs.replay import epoch_in, review_from_checkpoints
from draem_core.runs.review import Review
from draem_core.runs.run_folder import RunFolderError
from pages._ui.common import library
from pages._ui.common.escaping import literal, visible
from pages._ui.common.formatting import shortened
from pages._ui.common.jobs import Job, JobProgress, Jobs
from pages._ui.epochs import run_selection
from pages._ui.frame.paths import dataset_roots, home, run_folder, short_name

_GLANCE = 0.3  # s that the page waits before it shows progress


@st.cache_resource(show_spinner=False)
def _jobs() -> Jobs[Review]:
    return Jobs()


def render_replay() -> None:
    """Draw the form, and how far a replay is that this session started."""
    key = st.session_state.get("replay")
    with st.expander("Review a folder of checkpoints", icon=":material/history:", expanded=key is not None):
        st.caption(
            "Any checkpoints that Explore reads, with the epoch in their names, such as `epoch=14.ckpt`. Each is run "
            "over a few images of a dataset; weights are only read. The review is kept beside your runs."
        )
        datasets = {short_name(folder): folder for folder in library.dataset_folders()}
        left, right = st.columns([3, 2])
        with left:
            asked = st.selectbox(
                "Folder",
                [short_name(folder) for folder in _likely_folders()],
                format_func=visible,
                index=None,
                key="replay_folder",
                placeholder="Choose one, or type a path",
                accept_new_options=True,
            )
        with right:
            name = st.selectbox("Images of", list(datasets), key="replay_dataset", format_func=visible)
        if st.button("Make the review", disabled=not asked or name is None, icon=":material/play_arrow:"):
            key = _start(asked or "", datasets[name or ""])
        if key is not None:
            _follow(key)


def _start(asked: str, dataset: Path) -> tuple[str, str] | None:
    """Start the work, or return None after saying what is wrong with the folder."""
    try:
        folder = allowed_folder(asked)
        out = review_folder(folder, dataset)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        return None
    key = (str(folder), str(dataset))
    st.session_state["replay"] = key

    def work(progress: JobProgress) -> Review:
        tell = progress.begin("Running the checkpoints")

        def count(done: int, total: int) -> None:
            tell(done, total)
            if progress.is_cancelled() and done < total:
                raise Cancelled("Stopped. What is done stays; the same folder and dataset go on from here.")

        return review_from_checkpoints(folder, library.dataset(dataset), out=out, on_progress=count)

    _jobs().start(key, None, work)
    return key


def _follow(key: tuple[str, str]) -> None:
    job = _jobs().get(key, None)
    if job is None:  # the app was restarted, or the result has been forgotten
        st.session_state.pop("replay", None)
    elif not job.wait(_GLANCE):
        _watch(job)
    elif job.failed:
        st.error(literal(job.failed), icon=":material/pause_circle:" if job.was_cancelled else ":material/error:")
    else:
        st.session_state.pop("replay", None)
        run_selection.show_next(job.result.folder)
        st.rerun()


@st.fragment(run_every=0.5)
def _watch(job: Job[Review]) -> None:
    """Show how far the work is; the whole page runs again when it has ended."""
    if job.wait(0):
        st.rerun()
    progress = job.progress
    left = progress.seconds_left
    time_left = "" if left is None else f", about {max(1, round(left))} s left"
    share = progress.done / progress.total if progress.total else 0.0
    counted = f"{progress.done} of {progress.total}" if progress.total else "reading the first"
    st.progress(share, f"Checkpoints: {literal(counted)}{time_left}")
    if st.button("Stop", icon=":material/stop:", disabled=progress.is_cancelled(), key="replay_stop"):
        progress.cancel()


def allowed_folder(asked: str) -> Path:
    """Return the folder that was asked for, a path or one relative to the home folder.

    Raises:
        RunFolderError: it is not there, or lies outside the home folder and the dataset roots.
    """
    try:
        folder = (home() / Path(asked).expanduser()).resolve()
        is_there = folder.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # too long, with a NUL, nobody's ~
        raise RunFolderError(f"{shortened(asked)} is no folder's name ({error}). Check the path.") from error
    roots = [home(), *dataset_roots()]
    if not any(folder.is_relative_to(root.resolve()) for root in roots):
        named = ", ".join(str(root) for root in roots)
        raise RunFolderError(f"{folder} is outside the folders that this app reads ({named}). Copy it into one.")
    if not is_there:
        raise RunFolderError(f"{folder} is no folder. Check the path; it may be relative to {home()}.")
    return folder


def review_folder(folder: Path, dataset: Path) -> Path:
    """Return where the review of a folder goes: ``runs/NAME on DATASET``, numbered where that is another's."""
    own = folder.parent.name if folder.name == "checkpoints" else folder.name
    stem, number = f"{own} on {dataset.name}", 1
    while _is_another(out := run_folder() / (stem if number == 1 else f"{stem} {number}"), folder):
        number += 1
    return out


def _is_another(out: Path, folder: Path) -> bool:
    """Tell whether ``out`` holds something else than an earlier review of ``folder``."""
    if not out.exists():
        return False
    try:
        described = json.loads((out / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return not isinstance(described, dict) or described.get("source") != str(folder)


def _likely_folders() -> list[Path]:
    """Return the folders with at least two checkpoints whose names have an epoch, except those of our own runs."""
    reviewed = {folder / "checkpoints" for root in run_selection.run_roots() for folder in run_selection.folders(root)}
    counts: dict[Path, int] = {}
    for path in library.checkpoint_files():
        if epoch_in(path.stem) is not None and path.parent not in reviewed:
            counts[path.parent] = counts.get(path.parent, 0) + 1
    return sorted(folder for folder, count in counts.items() if count >= 2)
