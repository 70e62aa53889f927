"""How far the metrics can be trusted: intervals, a half to tune on and one to check on, raw and normalised values."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from draem_core.evaluation import goals
from draem_core.evaluation.calibration import normalised_pixel
from draem_core.evaluation.goals import NoOperatingPoint
from draem_core.evaluation.tuning import TuningSet
from draem_core.evaluation.uncertainty import Interval, bootstrap_auroc, bootstrap_counts, cautions, split_half
from draem_core.metrics import Counts, image_auroc
from draem_core.recipe import raw_sensitivity
from draem_core.types import Card
from pages._ui.common.escaping import literal
from pages._ui.components.tuner import TunerSettings
from pages._ui.tune.goals_panel import take_over, trial_at


def render_confidence(card: Card, tuning: TuningSet, settings: TunerSettings) -> None:
    """Draw the settled setting's intervals and the check on another half."""
    for caution in cautions(tuning.grid.image_labels):
        st.warning(literal(caution), icon=":material/warning:")
    if tuning.unlabelled:
        st.caption(f"{tuning.unlabelled:,} images have no label and are left out.")
    _render_thresholds(card, tuning, settings)
    with st.expander("How far to trust these metrics", icon=":material/query_stats:"):
        scores, labels, stops = trial_at(tuning, settings)
        st.markdown(
            "**95 % intervals** by bootstrap over the images, at the setting as it stands. They do not know that the "
            "setting was chosen on these same images."
        )
        st.table(_intervals(scores, labels, settings), border="horizontal")
        st.markdown(
            "**Tune on half, check on the other half.** The images are split by a fixed rule, each defect kind in two; "
            "the best F1 is looked for on one half, and counted on the other, which it has not seen."
        )
        _render_halves(tuning, scores, labels, stops)


def _render_thresholds(card: Card, tuning: TuningSet, settings: TunerSettings) -> None:
    if card.calibration is None:
        return
    parts = []
    for name, threshold in (("NG", settings.threshold), ("unsure", settings.unsure_threshold)):
        if threshold is not None:
            normal = normalised_pixel(float(threshold), card.calibration)
            shown = "undefined (no range in the file)" if normal is None else f"{normal:.4f}"
            parts.append(f"{name} above raw {float(threshold):.4f} = normalised {shown}")
    st.caption(f"anomalib's calibration: {'; '.join(parts)}. Sliders and metrics work on raw values.")
    if raw_sensitivity(0.5, card.calibration) is None:
        return
    with st.expander("Set the threshold as anomalib normalises it", icon=":material/swap_horiz:"):
        asked = st.number_input("Normalised threshold", 0.0, 1.0, 0.5, 0.01, key="normalised_threshold")
        sensitivity = tuning.grid.nearest(raw_sensitivity(1 - asked, card.calibration) or 0.0)
        st.markdown(f"Normalised {asked:.4g} is raw {1 - sensitivity:.6g}, the nearest stop of the slider.")
        wanted = replace(settings, sensitivity=sensitivity)
        st.button("Use it", on_click=take_over(wanted), disabled=wanted == settings, key="use_normalised")


def counts_at(scores: np.ndarray, labels: np.ndarray, threshold: np.floating | float) -> Counts:
    """Count images by verdict and label; scores (M,) float32, labels (M,) bool."""
    flagged = scores > np.float32(threshold)
    return Counts(
        int((flagged & labels).sum()),
        int((flagged & ~labels).sum()),
        int((~flagged & labels).sum()),
        int((~flagged & ~labels).sum()),
    )


def _intervals(scores: np.ndarray, labels: np.ndarray, settings: TunerSettings) -> pd.DataFrame:
    counts = counts_at(scores, labels, settings.threshold)
    named = {"F1": "f1", "Precision": "precision", "Recall": "recall", "False-alarm rate": "false_alarm_rate"}
    rows = [(name, getattr(counts, metric), bootstrap_counts(counts, metric)) for name, metric in named.items()]
    rows.append(("AUROC", image_auroc(scores, labels), bootstrap_auroc(scores, labels)))
    return pd.DataFrame(
        [{"Image metric": name, "Value": _number(value), "95 % interval": _range(one)} for name, value, one in rows]
    ).set_index("Image metric")


def _render_halves(tuning: TuningSet, scores: np.ndarray, labels: np.ndarray, stops: np.ndarray) -> None:
    tune = split_half(labels, [sample.kind for sample in tuning.samples], [sample.name for sample in tuning.samples])
    choice = goals.best_f1(scores[tune], labels[tune], stops)
    if isinstance(choice, NoOperatingPoint):
        st.info(literal(choice.reason), icon=":material/info:")
        return
    rows = []
    for name, half in (("tuned on", tune), ("checked on", ~tune)):
        counts = counts_at(scores[half], labels[half], choice.threshold)
        rows.append(
            {
                "Half": f"{name} ({int(half.sum())} images)",
                "F1": _number(counts.f1),
                "Precision": _number(counts.precision),
                "Recall": _number(counts.recall),
                "False alarms": f"{counts.fp} of {counts.fp + counts.tn}",
                "Misses": f"{counts.fn} of {counts.fn + counts.tp}",
                "F1, 95 % interval": _range(bootstrap_counts(counts, "f1")),
            }
        )
    st.table(pd.DataFrame(rows).set_index("Half"), border="horizontal")
    st.caption(
        f"Threshold {choice.threshold:.6g} (sensitivity {choice.sensitivity:.6g}), chosen on the first half alone."
    )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4f}"


def _range(interval: Interval) -> str:
    span = "–" if np.isnan(interval.low) else f"{interval.low:.4f} … {interval.high:.4f}"
    return f"{span} ({interval.note})" if interval.note else span
