"""A run on the Train page: how it stands, live; stop, resume; and the ways to Explore and Epochs.

What it shows lies on disk, so a reload, another browser and a restarted app show the same.
"""

from pathlib import Path

import streamlit as st

from draem_core.errors import DraemError
from draem_core.formatting import duration
from draem_core.launch.launcher import Launcher, RunState, RunStatus, device_of
from draem_core.runs.progress import RunProgress, read_history, read_progress
from draem_core.runs.review import load_review
from draem_core.training.config import TrainConfig
from draem_core.training.validation import disagreement
from pages._ui.common import library
from pages._ui.common.diagnosis import render_findings
from pages._ui.common.escaping import literal, visible
from pages._ui.frame.paths import short_name
from pages._ui.train.charts import render_curves, render_newest_pictures

_BADGES = {
    RunState.WAITING: (":material/hourglass_top:", "blue"),
    RunState.TRAINING: (":material/model_training:", "green"),
    RunState.FINISHED: (":material/check_circle:", "green"),
    RunState.STOPPED: (":material/pause_circle:", "gray"),
    RunState.FAILED: (":material/error:", "red"),
    RunState.ELSEWHERE: (":material/terminal:", "blue"),
}


def render_line(launcher: Launcher) -> None:
    """Say in the sidebar who trains and who waits."""
    tickets = launcher.queue.tickets()
    if not tickets:
        return
    seen: set[str] = set()
    for ticket in tickets:
        doing = "waits in the queue" if ticket.device in seen else "trains"
        seen.add(ticket.device)
        st.caption(f"**{literal(ticket.run)}** {doing} on {literal(ticket.device)}")


def render_run(launcher: Launcher, name: str) -> None:
    """Draw a run: live while it goes on."""
    try:
        config, status = launcher.config(name), launcher.status(name)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        return
    st.fragment(_watch, run_every=1.0 if status.is_active else None)(launcher, name, config, status.state)
    if not status.is_active:  # until then a disagreement is said above
        _render_diagnosis(launcher, name)
    with st.expander("What it was asked to do", icon=":material/list:"):
        st.dataframe(
            {field: visible(value) for field, value in config.model_dump(mode="json").items()}, width="stretch"
        )


def _watch(launcher: Launcher, name: str, config: TrainConfig, drawn_for: RunState) -> None:
    """Draw what changes by the second; the whole page runs again when the run has got to another state."""
    status = launcher.status(name)
    if status.state is not drawn_for:
        st.rerun()
    icon, colour = _BADGES[status.state]
    folder = launcher.runs / name
    st.header(f"{literal(name)} :{colour}-badge[{icon} {status.state.value}]")
    with st.container(horizontal=True, vertical_alignment="center"):
        _render_buttons(launcher, name, status)
        if status.state is not RunState.WAITING:
            _render_ways_on(folder, config)
    progress = read_progress(folder, config, _images(config))
    if status.state is RunState.WAITING:
        _render_waiting(launcher, status, config)
    else:
        st.progress(progress.share, literal(_progress_text(progress, status, folder)))
    if status.message:
        box = st.error if status.state is RunState.FAILED else st.info
        box(literal(status.message), icon=icon)
    history = read_history(folder)
    if status.is_active and history and (warning := disagreement(history[-1])) is not None:
        st.warning(literal(warning), icon=":material/balance:")
    render_curves(folder)
    render_newest_pictures(folder)
    if st.toggle("Show the log", key="train_log"):
        st.code(visible(launcher.log(name), keep="\n") or "Nothing was printed yet.", language=None, height=300)


def _render_buttons(launcher: Launcher, name: str, status: RunStatus) -> None:
    if status.state is RunState.WAITING:
        if st.button("Take out of the queue", icon=":material/close:"):
            launcher.withdraw(name)
            st.rerun()
    elif status.state is RunState.TRAINING:
        if st.button("Stop", icon=":material/stop:", help="Ends with the present step; it can be resumed."):
            with st.spinner("Stopping after the present step …"):
                launcher.stop(name)
            st.rerun()
    elif status.state in (RunState.STOPPED, RunState.FAILED) and st.button(
        "Resume", type="primary", icon=":material/play_arrow:", help="Goes on where it was stopped."
    ):
        try:
            launcher.resume(name)
        except (DraemError, OSError) as error:
            st.error(literal(error), icon=":material/error:")
        else:
            st.rerun()


def _render_waiting(launcher: Launcher, status: RunStatus, config: TrainConfig) -> None:
    first = status.ahead[0]
    try:
        asked = launcher.config(first)
        left = read_progress(launcher.runs / first, asked, _images(asked)).seconds_left
    except DraemError:
        left = None
    time_left = f"; {first} has {duration(left)} left" if left is not None else ""
    st.info(
        f"It waits in the queue for {literal(device_of(config))}, behind "
        f"{literal(' and '.join(status.ahead))}{literal(time_left)}. It begins by itself, also with this "
        "page closed.",
        icon=":material/hourglass_top:",
    )


def _render_ways_on(folder: Path, config: TrainConfig) -> None:
    newest = max(folder.glob("checkpoints/epoch_*.safetensors"), default=None)
    url_params = {"checkpoint": short_name(newest)} if newest else {}
    if config.data in library.dataset_folders():
        url_params["dataset"] = short_name(config.data)
    # Links, not buttons that switch the page: this runs by itself every second, and a run that was asked for before the
    # switch and comes after it would leave the next page blank.
    st.page_link(
        "pages/1_Explore.py",
        label="Open in Explore",
        icon=":material/image_search:",
        help="With the newest checkpoint.",
        disabled=newest is None,
        query_params=url_params,
    )
    st.page_link(
        "pages/3_Epochs.py",
        label="Open in Epochs",
        icon=":material/movie:",
        disabled=not (folder / "metrics.csv").exists(),
        query_params={"run": short_name(folder)},
    )


def _render_diagnosis(launcher: Launcher, name: str) -> None:
    if not read_history(launcher.runs / name):
        return
    try:
        render_findings(load_review(launcher.runs / name), None)
    except DraemError as error:
        st.warning(literal(error), icon=":material/error:")


def _images(config: TrainConfig) -> int | None:
    try:
        return len(library.dataset(config.data).train_good) or None
    except DraemError:
        return None


def _progress_text(progress: RunProgress, status: RunStatus, folder: Path) -> str:
    if status.state is RunState.TRAINING and not (folder / "steps.csv").exists():
        return "Starting: reading the images …"
    text = f"{progress.done:,} of {progress.epochs:,} epochs"
    if status.state not in (RunState.TRAINING, RunState.ELSEWHERE):
        return text
    if progress.step and progress.steps:
        text += f", step {progress.step:,} of {progress.steps:,} of the next"
    return text + (f", {duration(progress.seconds_left)} left" if progress.seconds_left is not None else "")
