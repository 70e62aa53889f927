"""The report as one HTML file that needs nothing else: no script, no address, every text escaped.

Decides on words and order; metrics, plots and pictures come from their own modules.
"""

import html
import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path

import numpy as np

from draem_core.formatting import counted
from draem_core.metrics import undefined_reason
from draem_core.recipe import Measured, Zone
from draem_core.report.content import DEFECT, GOOD, Report
from draem_core.report.pictures import gallery_pictures
from draem_core.report.plots import histogram, precision_recall, roc

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
ZONES: tuple[Zone, ...] = ("OK", "unsure", "NG")
ABBREVIATIONS = {"f1": "F1", "auroc": "AUROC", "ap": "AP", "aupro": "AUPRO", "iou": "IoU"}
METRICS = {"recall": "recall", "precision": "precision", "f1": "F1", "false_alarm_rate": "false alarms"}


def html_report(report: Report, most_wrong: int = 24) -> bytes:
    """Return the report as UTF-8 HTML; ``most_wrong`` is how many images its gallery shows."""
    title = f"Inspection setting for {_subject(report)}"
    body = [
        f"<h1>{_text(title)}</h1>",
        _line(f"{_made(report)}, judged on {counted(len(report.images), 'image')}"),
        _numbers(report),
        *(_note(sentence) for sentence in (*_honesty(report.recipe.measured), *report.warnings)),
        _section("Verdicts", f'<div class="columns">{_confusion(report)}{_settings(report)}</div>'),
        _section("Peaks and thresholds", _plots(report)),
        _measurements(report.recipe.measured),
        _gallery(report, most_wrong),
        _section("Checkpoint", f'<div class="columns">{_card(report)}{_computation(report)}</div>'),
        _line(f"DRAEM Heatmap Explorer {report.recipe.app_version}. This file stands alone and can be kept or sent."),
    ]
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{_text(title)}</title><style>\n{STYLE}</style>"
    )
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body>\n</html>\n"
    )
    return page.encode()


def _subject(report: Report) -> str:
    names = dict.fromkeys(measured.dataset for measured in report.recipe.measured)
    return ", ".join(names) or counted(len(report.images), "image")


def _made(report: Report) -> str:
    created = report.recipe.created.astimezone(UTC)
    return f"Recipe of {created:%Y-%m-%d %H:%M} UTC for the checkpoint {report.card.name}"


def _numbers(report: Report) -> str:
    """Return the numbers to see first: how many images in each zone, and the metrics of the verdicts."""
    zones = [zone for zone in ZONES if zone != "unsure" or report.recipe.unsure_sensitivity is not None]
    tiles = [
        f'<div><b class="zone-{zone}">{report.zones.count(zone)}</b>{zone}{_share(report, zone)}</div>'
        for zone in zones
    ]
    if any(group in report.groups for group in (GOOD, DEFECT)):
        for name, label in METRICS.items():
            reason = report.counts.undefined_reason(name)
            why = f' <span class="quiet">({_text(reason)})</span>' if reason else ""
            tiles.append(f"<div><b>{_number(getattr(report.counts, name))}</b>{label}{why}</div>")
    return f'<div class="numbers">{"".join(tiles)}</div>'


def _share(report: Report, zone: Zone) -> str:
    total = len(report.zones)
    return f' <span class="quiet">{report.zones.count(zone) / total:.1%}</span>' if total else ""


def _honesty(measured: Sequence[Measured]) -> list[str]:
    """Return what must be said of the images that the metrics come from."""
    if not measured:
        return ["How well this setting does was not measured when the recipe was saved."]
    sentences = []
    for one in measured:
        images = f"{one.dataset}{f', {one.split}' if one.split else ''} ({one.good} good, {one.defect} defect)"
        sentences.append(
            f"The setting was chosen on the same images as these metrics: {images}. They are optimistic; "
            "on new parts expect worse."
            if one.tuned_on_these
            else f"The setting was checked on images that it was not chosen on: {images}."
        )
    return sentences


def _confusion(report: Report) -> str:
    zones = [zone for zone in ZONES if zone != "unsure" or report.recipe.unsure_sensitivity is not None]
    heads = "".join(f'<th class="number zone-{zone}">{zone}</th>' for zone in zones)
    rows = "".join(
        f"<tr><th>{group}</th>"
        + "".join(f'<td class="number">{found[zone]}</td>' for zone in zones)
        + f'<td class="number">{found.total()}</td></tr>'
        for group, found in report.groups.items()
    )
    return f'<table><caption>Images</caption><tr><th></th>{heads}<th class="number">all</th></tr>{rows}</table>'


def _settings(report: Report) -> str:
    recipe = report.recipe
    rows = {
        "Sensitivity": f"{recipe.sensitivity:.6g}",
        "NG above": _threshold(recipe.pixel_threshold, recipe.normalised_pixel_threshold),
    }
    if recipe.unsure_sensitivity is not None and recipe.unsure_threshold is not None:
        rows["Unsure above"] = _threshold(recipe.unsure_threshold, recipe.normalised_unsure_threshold)
    rows["Opening"] = f"{recipe.kernel_size} × {recipe.kernel_size} map pixels" if recipe.kernel_size > 1 else "none"
    rows["Minimum area"] = counted(recipe.min_area, "map pixel") if recipe.min_area > 1 else "none"
    if recipe.note:
        rows["Note"] = recipe.note
    return _table("Setting", rows)


def _threshold(raw: float, normalised: float | None) -> str:
    return f"{raw:.6g} raw" + ("" if normalised is None else f", {normalised:.6g} normalised")


def _plots(report: Report) -> str:
    if not report.images:
        return _line("There is no image to draw.")
    labels = np.array([image.label for image in report.images if image.label is not None])
    reason = undefined_reason(labels, "image")
    if reason:
        return histogram(report) + _line(f"ROC and precision over recall are undefined: {reason}.")
    curves = f'<div class="columns">{roc(report)}{precision_recall(report)}</div>'
    note = (
        "Each point of the curves is a threshold on the score after the recipe's opening and area filter; unsure is "
        "not flagged."
    )
    return histogram(report) + curves + _line(note)


def _measurements(measured: Sequence[Measured]) -> str:
    tables = []
    for one in measured:
        place = f"{one.dataset}{f', {one.split}' if one.split else ''}"
        images = f"{one.good} good, {one.defect} defect" + (f", {one.unlabelled} unlabelled" if one.unlabelled else "")
        origin = "the setting was chosen on these" if one.tuned_on_these else "not used to choose the setting"
        if one.mask_downscaling == "any":
            origin += "; a map pixel is defect where any part of a mask's defect lies in it"
        tables.append(_table(place, {"Images": f"{images}; {origin}"} | _named_metrics(one.figures)))
    return _section("Metrics saved with the recipe", f'<div class="columns">{"".join(tables)}</div>') if tables else ""


def _named_metrics(metrics: Mapping[str, int | float | None]) -> dict[str, str]:
    """Return each metric as text, with its 95 % interval where NAME_low and NAME_high are there."""
    ends = {f"{name}{end}" for name in metrics for end in ("_low", "_high")}
    rows = {}
    for name, value in metrics.items():
        if name in ends:
            continue
        low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
        interval = "" if low is None or high is None else f" (95 %: {_number(low)} – {_number(high)})"
        rows[" ".join(ABBREVIATIONS.get(word, word) for word in name.split("_"))] = (
            "undefined" if value is None else _number(value)
        ) + interval
    return rows


def _gallery(report: Report, limit: int) -> str:
    chosen = report.most_wrong(limit)
    if not chosen:
        return ""
    figures = []
    for index, pictures in zip(chosen, gallery_pictures(report, chosen), strict=True):
        shown = (
            f'<img src="{pictures.plain}" alt="the image"><img src="{pictures.masked}" alt="its mask laid over">'
            if pictures.plain
            else '<div class="missing">cannot be read</div><div class="missing"></div>'
        )
        figures.append(
            f'<figure><div class="pair">{shown}</div><figcaption>{_caption(report, index)}</figcaption></figure>'
        )
    labelled = any(image.label is not None for image in report.images)
    title = "Most wrong" if labelled else "Highest scores"
    told = (
        "The images furthest on the wrong side of the threshold come first, then those that are right by the least."
        if labelled
        else "No image has a label, so these are the ones most likely to be NG."
    )
    return _section(title, _line(told) + f'<div class="gallery">{"".join(figures)}</div>', whole=False)


def _caption(report: Report, index: int) -> str:
    image, zone = report.images[index], report.zones[index]
    judged = f'<b class="zone-{zone}">{zone}</b>'
    match image.label, zone:
        case None, _:
            judgement = f"{judged}, no label"
        case 0, "NG":
            judgement = f'{judged}, but good: <b class="wrong">false alarm</b>'
        case 1, "OK":
            judgement = f'{judged}, but defect: <b class="wrong">missed</b>'
        case _:
            judgement = f"{judged}, {image.group}"
    kind = f" ({_text(image.kind)})" if image.kind not in ("", image.group) else ""
    score = (
        f"score {image.postprocessed_score:.4g}"
        if math.isfinite(image.postprocessed_score)
        else "no region can survive"
    )
    return f'{judgement}{kind}<br><bdi>{_text(image.name)}</bdi><br><span class="quiet">{score}</span>'


def _card(report: Report) -> str:
    card = report.card
    return _table(
        "Card",
        {
            "Name": card.name,
            "Flavour": card.flavour,
            "Widths": f"{card.widths[0]}, {card.widths[1]}",
            "Input": f"{card.input_size[1]} × {card.input_size[0]}, {card.color_order}",
            "Resize": card.resize_filter.replace("_", ", "),
            "Normalised by": str(card.normalisation or "nothing"),
            "Image score": card.score_rule.replace("_", " "),
            "Parameters": f"{card.parameters:,}",
            "SHA-256": card.digest,
        },
    )


def _computation(report: Report) -> str:
    computation, training = report.recipe.computation, report.card.training or {}
    rows = {"Maps computed on": f"{computation.device}, {computation.precision}"}
    if report.card.assumed:
        rows["Assumed"] = ", ".join(name.replace("_", " ") for name in report.card.assumed)
    return _table("Origin", rows | {f"Trained: {name}": str(value) for name, value in training.items()})


def _table(caption: str, rows: Mapping[str, str]) -> str:
    lines = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows.items())
    return f'<table class="facts"><caption>{_text(caption)}</caption>{lines}</table>'


def _section(title: str, content: str, whole: bool = True) -> str:
    """Return a section of ready HTML; ``whole`` keeps it on one printed page."""
    kept = ' class="whole"' if whole else ""
    return f"<section{kept}><h2>{_text(title)}</h2>{content}</section>"


def _note(sentence: str) -> str:
    return f'<p class="note">{_text(sentence)}</p>'


def _line(sentence: str) -> str:
    return f'<p class="quiet">{_text(sentence)}</p>'


def _number(value: int | float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if math.isnan(value) else f"{value:.3f}"


def _text(text: str) -> str:
    """Return text from outside as HTML; what is no UTF-8 is escaped."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode("utf-8"), quote=True)
