"""Take the setting along: a recipe that gives the same masks without the app, a report, tables, masks; and back."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import streamlit as st

from draem_core.data.images import thumbnail
from draem_core.errors import RecipeError
from draem_core.evaluation.uncertainty import bootstrap_auroc, bootstrap_counts, cautions
from draem_core.inference import Predictor
from draem_core.postprocess import postprocessed_score
from draem_core.recipe import Computation, Measured, Recipe, check_card, parse_recipe, recipe_json
from draem_core.report import Report, ReportImage, html_report, verdicts_csv, verdicts_json, write_mask_archive
from pages._ui.common.escaping import code, literal
from pages._ui.components.tuner import TunerSettings
from pages._ui.frame.shell import Workspace
from pages._ui.tune.goals_panel import take_over
from pages._ui.tune.tune_data import TuneData


def render_recipe(workspace: Workspace, data: TuneData, settings: TunerSettings) -> None:
    """Draw the downloads of the settled setting, and the way back from a recipe's file."""
    predictor = workspace.predictor
    recipe = _recipe(workspace, data, settings)
    stem = re.sub(r"[^\w.-]+", "_", "_".join(data.dataset.root.parts[-2:]))

    def report() -> Report:
        return _report(recipe, predictor, data)

    def masks() -> bytes:
        buffer = io.BytesIO()
        write_mask_archive(report(), buffer)
        return buffer.getvalue()

    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown("**Take it along**")
            _button("Recipe", lambda: recipe_json(recipe), f"{stem}_recipe.json", "application/json", "primary")
            _button("Report .html", lambda: html_report(report()), f"{stem}_report.html", "text/html")
            _button("Verdicts .csv", lambda: verdicts_csv(report()), f"{stem}_verdicts.csv", "text/csv")
            _button("Verdicts .json", lambda: verdicts_json(report()), f"{stem}_verdicts.json", "application/json")
            _button("Masks .zip", masks, f"{stem}_masks.zip", "application/zip")
        st.caption(
            f"Without the app, with the same masks bit for bit: "
            f"{code(f'python -m draem_core apply {stem}_recipe.json IMAGES --out verdicts')}"
        )
        _render_open(predictor, settings)


def _button(
    label: str, data: Callable[[], bytes], name: str, mime: str, kind: Literal["primary", "tertiary"] = "tertiary"
) -> None:
    st.download_button(label, data, name, mime, key=f"take {label}", on_click="ignore", type=kind)


def _render_open(predictor: Predictor, settings: TunerSettings) -> None:
    with st.expander("Open a recipe", icon=":material/file_open:"):
        file = st.file_uploader("Recipe", type="json", key="recipe", max_upload_size=2, label_visibility="collapsed")
        if file is None:
            return
        try:
            recipe = parse_recipe(file.getvalue(), file.name)
            check_card(recipe, predictor.card)
        except RecipeError as error:
            st.error(literal(error), icon=":material/error:")
            return
        try:
            wanted = replace(
                settings,
                sensitivity=recipe.sensitivity,
                kernel_size=recipe.kernel_size,
                min_area=recipe.min_area,
                zones=recipe.unsure_sensitivity is not None,
                unsure_sensitivity=recipe.unsure_sensitivity or settings.unsure_sensitivity,
                saved_sensitivity=recipe.sensitivity,
                saved_kernel_size=recipe.kernel_size,
                saved_min_area=recipe.min_area,
            )
        except ValueError as error:
            st.error(
                f"{literal(file.name)} cannot be shown here: {literal(error)}. It works with `apply`.",
                icon=":material/error:",
            )
            return
        st.markdown(
            f"Made {recipe.created:%Y-%m-%d %H:%M} UTC: sensitivity {recipe.sensitivity:.6g}, kernel "
            f"{recipe.kernel_size}, minimum area {recipe.min_area}."
        )
        st.button("Use this recipe", on_click=take_over(wanted), key="use_recipe")


def _recipe(workspace: Workspace, data: TuneData, settings: TunerSettings) -> Recipe:
    predictor = workspace.predictor
    return Recipe.of(
        predictor.card,
        settings.post_process,
        Computation(device=predictor.device.type, asked=workspace.asked_precision, precision=predictor.precision),
        unsure_sensitivity=max(settings.sensitivity, settings.unsure_sensitivity) if settings.zones else None,
        measured=(_measured(data, settings),),
    )


def _measured(data: TuneData, settings: TunerSettings) -> Measured:
    tuning, grid = data.tuning, data.tuning.grid
    area = grid.nearest_area(settings.min_area)
    outcome = grid.at(grid.nearest(settings.sensitivity), settings.kernel_size, area)
    ranked = tuning.metrics[grid.kernel_sizes.index(settings.kernel_size)]
    scores, labels = grid.postprocessed_scores(settings.kernel_size, area), grid.image_labels
    intervals = {"image_f1": bootstrap_counts(outcome.image, "f1"), "image_auroc": bootstrap_auroc(scores, labels)}
    metrics: dict[str, float | None] = {
        "image_f1": outcome.image.f1,
        "image_precision": outcome.image.precision,
        "image_recall": outcome.image.recall,
        "image_false_alarm_rate": outcome.image.false_alarm_rate,
        "image_auroc": ranked.image_auroc,
        "pixel_f1": outcome.pixel.f1,
        "pixel_iou": outcome.pixel.iou,
        "pixel_auroc": ranked.pixel_auroc,
        "pixel_ap": ranked.pixel_ap,
        "aupro": ranked.aupro,
        "regions_found": outcome.regions_found,
        "regions_total": outcome.regions_total,
        "false_blobs": outcome.false_blobs,
    }
    for name, interval in intervals.items():
        metrics |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return Measured(
        dataset="/".join(data.dataset.root.parts[-2:]),
        good=int((~labels).sum()),
        defect=int(labels.sum()),
        unlabelled=tuning.unlabelled,
        dataset_digest=tuning.key,
        tuned_on_these=True,
        mask_downscaling=tuning.mask_downscaling,
        figures=metrics,
    )


def _report(recipe: Recipe, predictor: Predictor, data: TuneData) -> Report:
    maps, post_process = data.scored.maps, recipe.post_process
    images = tuple(
        ReportImage(
            sample.name,
            sample.kind,
            sample.label,
            float(score),
            float(postprocessed_score(maps[row], recipe.kernel_size, recipe.min_area)),
        )
        for row, (sample, score) in enumerate(zip(data.scored.samples, data.scored.scores, strict=True))
    )
    return Report(
        recipe,
        predictor.card,
        images,
        thumbnail=lambda index: thumbnail(data.scored.samples[index].path, 160),
        mask=lambda index: post_process.apply(maps[index]),
        warnings=(*cautions(data.tuning.grid.image_labels), *data.scored.problems),
    )
