"""What is wrong with a training or a checkpoint, in words: each finding with its evidence and a next step.

Reads numbers alone (a review's tables, or those of a few pictures); silent about what is healthy. Opens no file.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from draem_core.checkpoints import Checkpoint
from draem_core.inference import Predictor
from draem_core.runs.probes import PROBE_COLUMNS
from draem_core.runs.replay import prediction_metrics, probe_checkpoint
from draem_core.runs.review import Review
from draem_core.training.layers import LAYER_COLUMNS
from draem_core.training.validation import disagreement

FindingKind = Literal[
    "reconstruction_constant",
    "map_high_on_good",
    "map_low_everywhere",
    "loss_diverged",
    "layer_dead",
    "overfitted",
    "validation_misleads",
]

CONSTANT_SHARE = 0.1  # of the image's own spread of grey values; a blurred reconstruction still has half of it
FLAT_IMAGE = 0.01  # an image that is itself one colour says nothing about its reconstruction
BLACK, WHITE = 0.1, 0.9
HIGH_MEAN = 0.5  # of the map over a good image; a healthy one is below 0.05
LOW_SCORE = 0.1  # of the highest pixel over all defects
DIVERGED_TIMES = 2.0
DEAD_SHARE = 0.05  # of a layer's channels that still answer
SHRUNK_SHARE = 0.5  # of the spread that a layer's weights had in the first epoch
OVERFITTED_TIMES = 1.1
OVERFITTED_AUROC = 0.05
USEFUL_AUROC = 0.8  # below it there was nothing yet to lose
STILL_LEARNS = 0.95  # of the training loss at the best epoch
SMOOTHED = 3  # epochs that are averaged before they count as worse


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: which, the figures that show it, what to do about it."""

    kind: FindingKind
    evidence: str
    next_step: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a diagnosis goes by; every table may be empty.

    probes: PROBE_COLUMNS and ``label`` (0 good, 1 anomalous, NaN unknown), one row an epoch and image.
    layers: LAYER_COLUMNS. metrics: as in ``metrics.csv``, one row an epoch.
    stopped: the sentence with which the run broke off.
    """

    probes: pd.DataFrame
    layers: pd.DataFrame
    metrics: pd.DataFrame
    stopped: str | None = None

    @classmethod
    def of_review(cls, review: Review, epoch: int | None = None) -> "Evidence":
        """Take a review's evidence, as they stood after ``epoch`` (default: the last one)."""
        last = math.inf if epoch is None else epoch
        labels = dict(enumerate(review.probes.labels.astype(float))) if review.probes else {}
        probes = review.probe_table.assign(label=review.probe_table["probe"].map(labels))
        newest = last >= review.metrics["epoch"].max()
        return cls(
            probes=probes[probes["epoch"] <= last],
            layers=review.layers[review.layers["epoch"] <= last],
            metrics=review.metrics[review.metrics["epoch"] <= last],
            stopped=review.stopped if newest else None,
        )

    @classmethod
    def of_checkpoint(
        cls,
        checkpoint: Checkpoint,
        predictor: Predictor,
        pictures: Sequence[np.ndarray],
        labels: Sequence[int | None] | None = None,
    ) -> "Evidence":
        """Run a checkpoint over a few pictures, (H, W, 3) uint8 RGB, and take what they show.

        Args:
            labels: 0 good, 1 anomalous, None unknown; without any, what needs labels is left undecided.
        """
        view = probe_checkpoint(checkpoint, predictor, pictures)
        rows = [(0, *row) for row in prediction_metrics(view.predictions)]
        probes = pd.DataFrame(rows, columns=list(PROBE_COLUMNS))
        probes["label"] = [math.nan if label is None else float(label) for label in labels or [None] * len(rows)]
        layers = pd.DataFrame(
            [(0, name, std, math.nan, live) for name, std, live in view.layers], columns=LAYER_COLUMNS
        )
        return cls(probes, layers, pd.DataFrame({"epoch": []}))


def diagnose(subject: Evidence | Review, epoch: int | None = None) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first; nothing where all is well.

    Args:
        subject: a review, or figures of any origin.
        epoch: look at a review as it stood after this epoch; default: the last one.
    """
    evidence = Evidence.of_review(subject, epoch) if isinstance(subject, Review) else subject
    rules: tuple[Callable[[Evidence], Finding | None], ...] = (
        _diverged,
        _constant_reconstruction,
        _high_map_on_good,
        _low_map_everywhere,
        _dead_layers,
        _overfitted,
        _misleading_validation,
    )
    return tuple(finding for rule in rules if (finding := rule(evidence)) is not None)


def _constant_reconstruction(evidence: Evidence) -> Finding | None:
    rows = _latest(evidence.probes)
    rows = rows[rows["image_std"] > FLAT_IMAGE]
    if rows.empty or not (rows["reconstruction_std"] / rows["image_std"]).median() < CONSTANT_SHARE:
        return None
    level = rows["reconstruction_mean"].median()
    colour = "black" if level < BLACK else "white" if level > WHITE else "even"
    return Finding(
        "reconstruction_constant",
        f"The reconstructions are one {colour} area: their values spread by {rows['reconstruction_std'].median():.3f} "
        f"around {level:.2f}, the images' by {rows['image_std'].median():.3f} (median of {len(rows)} images).",
        "Within the first epochs wait for more of them. Later, take an earlier epoch, or train anew with a lower "
        "learning rate; see that the L2 or SSIM part of the loss weighs something.",
    )


def _high_map_on_good(evidence: Evidence) -> Finding | None:
    rows = _latest(evidence.probes)
    good = rows[rows["label"] == 0]
    if good.empty or not good["map_mean"].median() > HIGH_MEAN:
        return None
    return Finding(
        "map_high_on_good",
        f"The map of good images is {good['map_mean'].median():.2f} on average (median of {len(good)} images; "
        "a healthy one stays below 0.05): nearly every good pixel is called anomalous.",
        "See that the focal loss counts good pixels (focal_alpha must not be 1: kornia reads alpha=1 so), that some "
        "training samples stay clean, and that images are RGB in [0, 1], not normalised.",
    )


def _low_map_everywhere(evidence: Evidence) -> Finding | None:
    rows = _latest(evidence.probes)
    defects = rows[rows["label"] == 1]
    if defects.empty or not defects["score"].max() < LOW_SCORE:
        return None
    return Finding(
        "map_low_everywhere",
        f"No pixel of {len(defects)} defective images reaches {LOW_SCORE}; the highest is "
        f"{defects['score'].max():.3f}: nothing is ever called anomalous.",
        "Train longer, with fewer clean samples (clean_share), anomaly sources that look more like the defects, or "
        "CutPaste; see that the focal part of the loss weighs something.",
    )


def _diverged(evidence: Evidence) -> Finding | None:
    next_step = "Take the best epoch before it; train anew with a lower learning rate, or in float32."
    if evidence.stopped:
        return Finding("loss_diverged", evidence.stopped, next_step)
    totals = _curve(evidence.metrics, "total")
    if len(totals) <= SMOOTHED:
        return None
    best, now = totals.min(), totals.iloc[-SMOOTHED:].median()
    if not now > DIVERGED_TIMES * best or now - best < 0.1 * abs(totals.iloc[0]):
        return None
    loss_then_and_now = f"The training loss was {best:.4f} at epoch {totals.idxmin():.0f} and is {now:.4f} now."
    return Finding("loss_diverged", loss_then_and_now, next_step)


def _dead_layers(evidence: Evidence) -> Finding | None:
    if evidence.layers.empty:
        return None
    now = _latest(evidence.layers).set_index("layer")
    first = evidence.layers[evidence.layers["epoch"] == evidence.layers["epoch"].min()].set_index("layer")
    told = {}
    for layer, row in now.iterrows():
        before = first["std"].get(layer, math.nan)
        if row["live_share"] < DEAD_SHARE:
            told[layer] = f"{row['live_share']:.0%} of its channels still answer"
        elif row["gradient_norm"] == 0 and (now["gradient_norm"] > 0).any():
            told[layer] = "its gradient is 0"
        elif row["std"] < SHRUNK_SHARE * before:
            told[layer] = f"its weights' spread fell from {before:.4f} to {row['std']:.4f}"
    if not told:
        return None
    shown = "; ".join(f"{layer}: {what}" for layer, what in list(told.items())[:3])
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return Finding(
        "layer_dead",
        f"{len(told)} of {len(now)} layers are dead or dying. {shown}{more}.",
        "Train anew with a lower learning rate or less weight decay, or go on from an earlier epoch (--start-from).",
    )


def _overfitted(evidence: Evidence) -> Finding | None:
    totals = _curve(evidence.metrics, "total")
    errors = 1 - _curve(evidence.metrics, "test_image_auroc")
    since, best, now = _rise(_curve(evidence.metrics, "validation_total"))
    if now > OVERFITTED_TIMES * best and _still_learns(totals, since):
        told = f"the validation loss rose from {best:.4f} to {now:.4f}"
    else:
        since, best, now = _rise(errors)
        if not (best < 1 - USEFUL_AUROC and now > best + OVERFITTED_AUROC and _still_learns(totals, since)):
            return None
        told = f"the test set's image AUROC fell from {1 - best:.3f} to {1 - now:.3f}"
    falling = f", while the training loss fell to {totals.iloc[-1]:.4f}" if len(totals) else ""
    return Finding(
        "overfitted",
        f"Since epoch {since:.0f} {told}{falling}.",
        "Take that epoch's checkpoint; stop early (--patience), or train on more good images.",
    )


def _rise(curve: pd.Series) -> tuple[float, float, float]:
    """Return (epoch of the minimum, the minimum, the mean of the last values), NaN where too few came after it."""
    later = curve[curve.index > curve.idxmin()] if len(curve) else curve
    if len(later) < SMOOTHED:
        return math.nan, math.nan, math.nan
    return curve.idxmin(), curve.min(), later.iloc[-SMOOTHED:].mean()


def _misleading_validation(evidence: Evidence) -> Finding | None:
    if not {"validation_image_auroc", "test_image_auroc"} <= set(evidence.metrics.columns):
        return None
    evaluated = evidence.metrics.dropna(subset=["validation_image_auroc", "test_image_auroc"])
    warning = disagreement(evaluated.iloc[-1].to_dict()) if len(evaluated) else None
    if warning is None:
        return None
    message, _, next_step = warning.partition(". ")
    return Finding("validation_misleads", f"{message}.", next_step)


def _latest(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["epoch"] == table["epoch"].max()]


def _curve(metrics: pd.DataFrame, column: str) -> pd.Series:
    """Return the defined values of a column by epoch; empty where there is none."""
    if column not in metrics:
        return pd.Series(dtype=float)
    return metrics.set_index("epoch")[column].astype(float).dropna()


def _still_learns(totals: pd.Series, since: float) -> bool:
    """Tell whether the training loss is clearly lower now than at epoch ``since``; without a curve, it may be."""
    return (
        totals.empty or since not in totals.index or bool(totals.iloc[-SMOOTHED:].mean() < STILL_LEARNS * totals[since])
    )
