"""The dataset that the sidebar picked, scored and counted: at once where that was done before, else while one waits."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from draem_core.data.datasets import Dataset
from draem_core.evaluation.tuning import TuningSet, count_settings
from draem_core.formatting import duration
from draem_core.grid_mask import MASK_DOWNSCALINGS, MaskDownscaling
from draem_core.inference import Predictor
from draem_core.scoring import ScoredDataset, score_dataset, score_key
from pages._ui.common import library
from pages._ui.common.escaping import literal
from pages._ui.common.jobs import Job, JobProgress, Jobs
from pages._ui.components.tuner import Entry, pack
from pages._ui.frame.paths import score_folder
from pages._ui.frame.shell import Workspace

_ASK_ABOVE = 400  # images; fewer are scored without a click
_THUMBNAILS = 2000  # shown in the gallery; the images after these are named alone
_DOWNSCALING = "_mask_downscaling"  # in the session, for the widget's own state ends where the page shows progress
_DOWNSCALING_NAMES: dict[MaskDownscaling, str] = {"nearest": "nearest pixel", "any": "any coverage"}
_GLANCE = 0.6  # s that a page waits before it shows progress: unchanged results are there by then


@dataclass(frozen=True, eq=False)
class TuneData:
    """A scored dataset, its counts, and what the tuner shows of them."""

    dataset: Dataset
    scored: ScoredDataset
    tuning: TuningSet
    payload: bytes


@st.cache_resource(show_spinner=False)
def _jobs() -> Jobs[TuneData]:
    return Jobs()


def load_tune_data(workspace: Workspace) -> TuneData | None:
    """Return the workspace's dataset, scored; None while the work goes on or after saying what to do."""
    dataset, predictor = workspace.dataset, workspace.predictor
    assert dataset is not None
    folder = score_key(predictor, dataset)
    downscaling: MaskDownscaling = st.session_state.get(_DOWNSCALING, "nearest")
    key = f"{folder} {downscaling}"
    job = _jobs().get(key, dataset)
    if job is None:
        known = (score_folder() / folder / "metrics.json").exists()
        if not known and len(dataset.test) > _ASK_ABOVE and not _asked_to_start(dataset):
            return None
        job = _jobs().start(key, dataset, _work(predictor, dataset, folder, downscaling))
    if not job.wait(_GLANCE):
        _watch(job)
        return None
    if job.failed:
        st.error(literal(job.failed), icon=":material/pause_circle:" if job.was_cancelled else ":material/error:")
        if st.button("Go on" if job.was_cancelled else "Try again", type="primary"):
            _jobs().start(key, dataset, _work(predictor, dataset, folder, downscaling))
            st.rerun()
        return None
    for problem in job.result.scored.problems[:5]:
        st.warning(literal(problem), icon=":material/broken_image:")
    if len(job.result.scored.problems) > 5:
        st.caption(f"and {len(job.result.scored.problems) - 5} more problems, all listed in the report")
    _render_mask_downscaling(job.result)
    return job.result


def _render_mask_downscaling(data: TuneData) -> None:
    """Offer the rule by which masks come to the map's grid, with both rules' metrics; nothing where they agree."""
    metrics = data.scored.metrics
    other = metrics["other_mask_downscaling"]
    if other is None:
        return
    by_rule = {metrics["mask_downscaling"]: metrics, other["rule"]: other}
    left, right = st.columns([2, 5], vertical_alignment="center")
    left.selectbox(
        "Masks on the map's grid",
        MASK_DOWNSCALINGS,
        MASK_DOWNSCALINGS.index(data.tuning.mask_downscaling),
        format_func=lambda rule: _DOWNSCALING_NAMES[rule],
        key="mask_downscaling",
        on_change=_take_over_downscaling,
        help="Masks are finer than the map. A pixel of the map is defect where the mask's pixel under its centre is, "
        "or where any part of a defect lies in it. All pixel metrics below follow.",
    )
    lines = [
        f"{_DOWNSCALING_NAMES[rule]}: pixel AUROC {_number(row['pixel_auroc'])}, AP {_number(row['pixel_ap'])}, "
        f"F1max {_number(row['pixel_f1max'])}, AUPRO {_number(row['aupro'])}"
        for rule in MASK_DOWNSCALINGS
        for row in (by_rule[rule],)
    ]
    right.caption(literal("By " + "; by ".join(lines) + " (raw maps, no opening)."))


def _take_over_downscaling() -> None:
    st.session_state[_DOWNSCALING] = st.session_state["mask_downscaling"]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _asked_to_start(dataset: Dataset) -> bool:
    st.header("Score the dataset first")
    st.markdown(
        f"The network has to see each of the **{len(dataset.test):,} test images** once. Maps are kept on disk: a "
        "second visit is instant, a stop loses nothing, and only changed files are scored again."
    )
    return st.button("Score the dataset", type="primary", icon=":material/play_arrow:")


def _work(
    predictor: Predictor, dataset: Dataset, key: str, downscaling: MaskDownscaling
) -> Callable[[JobProgress], TuneData]:
    folder = score_folder() / key

    def work(progress: JobProgress) -> TuneData:
        stop = progress.is_cancelled
        scored = score_dataset(
            predictor, dataset, folder, on_progress=progress.begin("Running the network"), cancelled=stop
        )
        tell = progress.begin("Counting every setting")
        tuning = count_settings(scored, folder, mask_downscaling=downscaling, on_progress=tell, cancelled=stop)
        tell = progress.begin("Drawing thumbnails")
        entries = []
        for done, sample in enumerate(tuning.samples):
            thumbnail = library.thumbnail_url(sample.path, 96) if done < _THUMBNAILS else ""
            entries.append(Entry(sample.name, sample.kind, thumbnail))
            tell(done + 1, len(tuning.samples))
        title = "/".join(dataset.root.parts[-2:])
        reason = scored.metrics["undefined"].get("pixel", "")
        payload = pack(title, tuning.grid, tuning.metrics, entries, tuning.key, pixel_reason=reason)
        return TuneData(dataset, scored, tuning, payload)

    return work


@st.fragment(run_every=0.5)
def _watch(job: Job[TuneData]) -> None:
    """Show how far the work is; the whole page runs again when it has ended."""
    if job.wait(0):
        st.rerun()
    progress = job.progress
    share = progress.done / progress.total if progress.total else 0.0
    left = progress.seconds_left
    time_left = "" if left is None else f", {duration(left)} left"
    st.progress(
        share, f"{literal(progress.phase or 'Starting')}: {progress.done:,} of {progress.total:,} images{time_left}"
    )
    if st.button("Stop", icon=":material/stop:", disabled=progress.is_cancelled()):
        progress.cancel()
    st.caption("Results stay on disk: whoever opens this page later, or stops now, goes on from here.")
