"""The report's plots as SVG elements: scores with the thresholds on them, ROC, precision over recall.

Axes and text take the page's text colour, so that they read on light and dark. No pyplot: it is not safe in threads.
"""

import io
import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from draem_core.metrics import Ranking
from draem_core.report.content import DEFECT, GOOD, UNLABELLED, Report

COLOURS = {GOOD: "#648fff", DEFECT: "#fe6100", UNLABELLED: "#8c8c8c"}
_TEXT = "#010203"  # stands for the page's text colour until the SVG is written
_POINT = "#12a594"
_BINS = 40


def histogram(report: Report) -> str:
    """Draw how the scores of good and defect images spread, and the thresholds; a score of −∞ counts as 0."""
    thresholds = {"NG": report.recipe.pixel_threshold}
    if report.recipe.unsure_threshold is not None:
        thresholds["unsure"] = report.recipe.unsure_threshold
    scores = {group: np.maximum(_scores(report, group), 0) for group in report.groups}
    everything = np.concatenate([*scores.values(), list(thresholds.values())])
    low, high = float(everything.min()), float(everything.max())
    margin = max(0.02 * (high - low), 1e-6)
    bins = np.linspace(low - margin, high + margin, _BINS + 1)
    figure, axes = _axes((7.2, 2.9))
    for group, values in scores.items():
        label = f"{group} ({values.size})"
        axes.hist(values, bins.tolist(), color=COLOURS[group], alpha=0.7, label=label)
    for name, threshold in thresholds.items():
        style = "-" if name == "NG" else "--"
        axes.axvline(threshold, color=_TEXT, linestyle=style, linewidth=1.4, label=f"{name} above {threshold:.4g}")
    axes.set_xlabel("score after opening and area filter")
    axes.set_ylabel("images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, columns=4)
    return _svg(figure, "Histogram of the images' scores with the thresholds")


def roc(report: Report) -> str:
    """Draw recall over false-alarm rate for every threshold on the score, with the present point."""
    flagged_good, flagged_defect = _rates(report)
    counts = report.counts
    figure, axes = _axes((3.5, 3.2))
    label = f"AUROC {_ranking(report).auroc():.3f}"
    axes.plot(flagged_good, flagged_defect, color=COLOURS[GOOD], linewidth=1.8, label=label)
    _present(axes, counts.false_alarm_rate, counts.recall)
    axes.set_xlabel("false-alarm rate")
    axes.set_ylabel("recall")
    _legend(figure, columns=2)
    return _svg(figure, "ROC curve of the images with the present point")


def precision_recall(report: Report) -> str:
    """Draw precision over recall for every threshold on the score, with the present point."""
    good, defect = (_scores(report, group).size for group in (GOOD, DEFECT))
    flagged_good, flagged_defect = (rates[1:] for rates in _rates(report))
    caught = flagged_defect * defect
    precision = caught / (caught + flagged_good * good)
    counts = report.counts
    figure, axes = _axes((3.5, 3.2))
    recall, precision = np.append(0, flagged_defect), np.append(precision[0], precision)
    label = f"AP {_ranking(report).average_precision():.3f}"
    axes.step(recall, precision, color=COLOURS[DEFECT], linewidth=1.8, label=label)
    _present(axes, counts.recall, counts.precision)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    _legend(figure, columns=2)
    return _svg(figure, "Precision over recall of the images with the present point")


def _scores(report: Report, group: str) -> np.ndarray:
    return np.array([image.postprocessed_score for image in report.images if image.group == group], np.float64)


def _ranking(report: Report) -> Ranking:
    return Ranking(np.sort(_scores(report, DEFECT)), np.sort(_scores(report, GOOD)))


def _rates(report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Return which share of good and of defect images is flagged, for thresholds from above all scores to below all."""
    good, defect = np.sort(_scores(report, GOOD)), np.sort(_scores(report, DEFECT))
    levels = np.unique(np.concatenate([good, defect]))[::-1]
    flagged_good, flagged_defect = (
        np.append(0, 1 - np.searchsorted(values, levels, side="left") / values.size) for values in (good, defect)
    )
    return flagged_good, flagged_defect


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_TEXT)
    axes.tick_params(colors=_TEXT, labelsize=8)
    axes.xaxis.label.set(color=_TEXT, size=9)
    axes.yaxis.label.set(color=_TEXT, size=9)
    return figure, axes


def _present(axes: Axes, x: float, y: float) -> None:
    axes.plot([x], [y], "o", color=_POINT, markersize=8, label="present setting", clip_on=False, zorder=3)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)


def _legend(figure: Figure, columns: int) -> None:
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=8, labelcolor=_TEXT)


def _svg(figure: Figure, title: str) -> str:
    """Return the figure as an element for HTML: no prolog, no name spaces, no metadata, hence no address in it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    return text.replace(_TEXT, "currentColor")
