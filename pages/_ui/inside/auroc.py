"""AUROC over the dataset with and without an ablation, and without the discriminator: a background job, on a button."""

import math
from collections.abc import Callable, Hashable
from pathlib import Path

import pandas as pd
import streamlit as st

from draem_core.data.datasets import Dataset
from draem_core.disk import Stamp
from draem_core.inference.precision import Precision
from draem_core.inside.ablations import Ablations
from draem_core.inside.over_dataset import ABLATED, AS_IT_IS, DIFFERENCE, Comparison, compare_over_dataset
from draem_core.scoring.keys import score_key
from pages._ui.common import library
from pages._ui.common.escaping import literal
from pages._ui.common.jobs import Job, JobProgress, Jobs
from pages._ui.frame.shell import Workspace
from pages._ui.texts import markdown, text

_NAMES = {AS_IT_IS: "as_trained", DIFFERENCE: "difference", ABLATED: "ablated"}
_GLANCE = 0.3  # s that the page waits before it shows progress


@st.cache_resource(show_spinner=False)
def _jobs() -> Jobs[Comparison]:
    return Jobs()


def render_aurocs(workspace: Workspace, ablations: Ablations, precision: Precision | None) -> None:
    """Draw the button, the work's progress, or the table.

    precision: another one than the workspace's, to compare with; None for the same.
    """
    dataset = workspace.dataset
    if dataset is None or not dataset.test:
        return
    key: Hashable = (score_key(workspace.predictor, dataset), ablations, precision)
    files = _files(dataset)
    job = _jobs().get(key, files)
    if job is None or job.was_cancelled:
        label = markdown("inside.auroc.compare", images=len(dataset.test))
        help_text = text("inside.auroc.compare_help" if job is None else "inside.auroc.again")
        if st.button(label, icon=":material/query_stats:", help=help_text):
            _jobs().start(key, files, _work(workspace, ablations, precision))
            st.rerun(scope="fragment")
        return
    if not job.wait(_GLANCE):
        _watch(job)
        return
    if job.failed:
        st.error(literal(job.failed), icon=":material/error:")
        return
    _render_table(job.result)


def _files(dataset: Dataset) -> list[tuple[str, str, Stamp | None, Stamp | None]]:
    """Return the test set as its files stand now, however often the dataset is opened anew while the work goes on."""
    return [(one.name, one.kind, Stamp.of_or_none(one.path), _stamp(one.mask_path)) for one in dataset.test]


def _stamp(path: Path | None) -> Stamp | None:
    return None if path is None else Stamp.of_or_none(path)


def _work(
    workspace: Workspace, ablations: Ablations, precision: Precision | None
) -> Callable[[JobProgress], Comparison]:
    predictor, dataset = workspace.predictor, workspace.dataset
    assert dataset is not None
    samples = dataset.test
    other = None if precision is None else library.predictor(workspace.checkpoint, workspace.asked_device, precision)

    def work(progress: JobProgress) -> Comparison:
        tell = progress.begin("Running the network")
        return compare_over_dataset(
            predictor,
            samples,
            ablations,
            ablated_predictor=other,
            on_progress=tell,
            cancelled=progress.is_cancelled,
        )

    return work


@st.fragment(run_every=0.5)
def _watch(job: Job[Comparison]) -> None:
    """Show how far the work is; the page runs again when it has ended."""
    if job.wait(0):
        st.rerun()
    progress = job.progress
    st.progress(
        progress.done / max(1, progress.total), markdown("inside.auroc.done", done=progress.done, total=progress.total)
    )
    if st.button(text("inside.auroc.stop"), icon=":material/stop:", disabled=progress.is_cancelled()):
        progress.cancel()


def _render_table(comparison: Comparison) -> None:
    names = [text(f"inside.auroc.{_NAMES[name]}") for name in comparison.metrics]
    figures = comparison.metrics.values()
    columns = {
        text("inside.auroc.image_auroc"): [_shown(one.image_auroc) for one in figures],
        text("inside.auroc.pixel_auroc"): [_shown(one.pixel_auroc) for one in figures],
    }
    st.markdown(markdown("inside.auroc.over", images=comparison.images))
    st.table(pd.DataFrame(columns, index=names))
    for problem in comparison.problems[:3]:
        st.warning(literal(problem), icon=":material/broken_image:")


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"
