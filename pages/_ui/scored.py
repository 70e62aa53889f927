"""The dataset that the sidebar picked, scored and counted: at once where that was done before, else while one waits."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from draem_core.data.datasets import Dataset
from draem_core.inference import Predictor
from draem_core.scoring import ScoredDataset, score_dataset, score_key
from draem_core.tuning import TuningSet, count_settings
from pages._ui import library
from pages._ui.escaping import literal
from pages._ui.jobs import Job, Jobs, Progress
from pages._ui.paths import score_folder
from pages._ui.shell import Workspace
from pages._ui.tuner import Entry, pack

_ASK_ABOVE = 400  # images; fewer are scored without a click
_THUMBNAILS = 2000  # shown in the gallery; the images after these are named alone
_GLANCE = 0.6  # s that a page waits before it shows progress: unchanged results are there by then


@dataclass(frozen=True, eq=False)
class Scored:
    """A scored dataset, its counts, and what the tuner shows of them."""

    dataset: Dataset
    scored: ScoredDataset
    tuning: TuningSet
    payload: bytes


@st.cache_resource(show_spinner=False)
def _jobs() -> Jobs[Scored]:
    return Jobs()


def scored_dataset(workspace: Workspace) -> Scored | None:
    """Return the workspace's dataset, scored; None while the work goes on or after saying what to do."""
    dataset, predictor = workspace.dataset, workspace.predictor
    assert dataset is not None
    key = score_key(predictor, dataset)
    job = _jobs().get(key, dataset)
    if job is None:
        known = (score_folder() / key / "metrics.json").exists()
        if not known and len(dataset.test) > _ASK_ABOVE and not _asked_to_start(dataset):
            return None
        job = _jobs().start(key, dataset, _work(predictor, dataset, key))
    if not job.wait(_GLANCE):
        _watch(job)
        return None
    if job.failed:
        st.error(literal(job.failed), icon=":material/pause_circle:" if job.was_cancelled else ":material/error:")
        if st.button("Go on" if job.was_cancelled else "Try again", type="primary"):
            _jobs().start(key, dataset, _work(predictor, dataset, key))
            st.rerun()
        return None
    for problem in job.result.scored.problems[:5]:
        st.warning(literal(problem), icon=":material/broken_image:")
    if len(job.result.scored.problems) > 5:
        st.caption(f"and {len(job.result.scored.problems) - 5} more problems, all listed in the report")
    return job.result


def _asked_to_start(dataset: Dataset) -> bool:
    st.header("Score the dataset first")
    st.markdown(
        f"The network has to see each of the **{len(dataset.test):,} test images** once. Maps are kept on disk: a "
        "second visit is instant, a stop loses nothing, and only changed files are scored again."
    )
    return st.button("Score the dataset", type="primary", icon=":material/play_arrow:")


def _work(predictor: Predictor, dataset: Dataset, key: str) -> Callable[[Progress], Scored]:
    folder = score_folder() / key

    def work(progress: Progress) -> Scored:
        stop = progress.is_cancelled
        scored = score_dataset(
            predictor, dataset, folder, on_progress=progress.begin("Running the network"), cancelled=stop
        )
        tell = progress.begin("Counting every setting")
        tuning = count_settings(scored, folder, on_progress=tell, cancelled=stop)
        tell = progress.begin("Drawing thumbnails")
        entries = []
        for done, sample in enumerate(tuning.samples):
            thumbnail = library.thumbnail_url(sample.path, 96) if done < _THUMBNAILS else ""
            entries.append(Entry(sample.name, sample.kind, thumbnail))
            tell(done + 1, len(tuning.samples))
        title = "/".join(dataset.root.parts[-2:])
        return Scored(dataset, scored, tuning, pack(title, tuning.grid, tuning.figures, entries, tuning.key))

    return work


@st.fragment(run_every=0.5)
def _watch(job: Job[Scored]) -> None:
    """Show how far the work is; the whole page runs again when it has ended."""
    if job.wait(0):
        st.rerun()
    progress = job.progress
    share = progress.done / progress.total if progress.total else 0.0
    left = progress.seconds_left
    time_left = "" if left is None else f", {_spoken(left)} left"
    st.progress(
        share, f"{literal(progress.phase or 'Starting')}: {progress.done:,} of {progress.total:,} images{time_left}"
    )
    if st.button("Stop", icon=":material/stop:", disabled=progress.is_cancelled()):
        progress.cancel()
    st.caption("Results stay on disk: whoever opens this page later, or stops now, goes on from here.")


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return time.strftime("%-H h %-M min" if seconds >= 3600 else "%-M min", time.gmtime(seconds + 30))
