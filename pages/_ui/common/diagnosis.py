"""What is wrong with a run or a checkpoint, in words, with the evidence and a next step."""

import pandas as pd
import streamlit as st

from draem_core.diagnostics import Finding, diagnose
from draem_core.formatting import counted
from draem_core.runs.review import Review
from pages._ui.common import library
from pages._ui.common.escaping import literal
from pages._ui.frame.shell import Workspace

QUICK = 20_000_000  # parameters; a larger network is examined on the CPU only when asked


def render_findings(review: Review, epoch: int | None) -> None:
    """Draw the diagnosis of a run as it stood after ``epoch``; None is the last one."""
    when = f"after epoch {epoch}" if epoch else "at the last epoch"
    findings = diagnose(review, epoch)
    if findings:
        for finding in findings:
            render_finding(finding)
    else:
        signs = "a collapse, a dying layer or overfitting" if review.epochs else "a dying layer or overfitting"
        st.success(f"Nothing looks wrong {when}: no sign of {signs}.", icon=":material/check:")


def render_finding(finding: Finding) -> None:
    """Draw one finding: what, the evidence, the next step."""
    name = str(finding.kind).replace("_", " ")
    st.error(
        f"**{literal(name[:1].upper() + name[1:])}.** {literal(finding.evidence)} "
        f"**Next:** {literal(finding.next_step)}",
        icon=":material/diagnosis:",
    )


def render_checkpoint_findings(workspace: Workspace) -> None:
    """Say in the sidebar where the loaded checkpoint has collapsed. Last on a page: its pictures come first."""
    if workspace.dataset is None or not workspace.dataset.samples:
        return
    with st.sidebar:
        slow = workspace.predictor.card.parameters > QUICK and workspace.predictor.device.type == "cpu"
        if slow and not st.button("Look for signs of a collapse", icon=":material/diagnosis:", help="Takes some 10 s"):
            return
        findings = library.findings(workspace.checkpoint, workspace.predictor, workspace.dataset)
        for finding in findings:
            render_finding(finding)
        if slow and not findings:
            st.caption("No sign of a collapse on six pictures.")


def render_best_epochs(review: Review) -> None:
    """Draw the run's name and the best epoch by each rule, side by side."""
    last = int(review.metrics["epoch"].iloc[-1])
    epochs = counted(last, "epoch")
    best = review.best_epochs()
    said = "  ·  ".join(f"{literal(rule)}: **{literal(epoch)}**" for rule, epoch in best.items())
    st.markdown(f"**{literal(review.name)}**, {epochs}" + (f". Best epoch by {said}" if best else ""))
    for note in review.notes:
        st.caption(f":material/info: {literal(note)}")
    if review.stopped:
        st.error(literal(review.stopped), icon=":material/front_hand:")


def scores_table(review: Review) -> pd.DataFrame:
    """Return the image scores by epoch with the probes' AUROC, as shown."""
    return review.scores().assign(AUROC=review.probe_aurocs())
