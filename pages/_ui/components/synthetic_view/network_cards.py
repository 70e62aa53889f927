"""What the present checkpoint makes of the sample: reconstruction, anomaly map, mask, and mask against truth.

Knows no Streamlit.
"""

import math

import numpy as np

from draem_core.render import difference, show_reconstruction
from pages._ui.components.synthetic_view.card import StageCard, shape_and_range, share_of
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.texts import text


def network_cards(view: SyntheticView) -> list[StageCard]:
    """Return the cards, in the order of the data."""
    prediction, counts, truth = view.prediction, view.counts, view.truth
    error = np.abs(prediction.reconstruction - view.sample.image.permute(1, 2, 0).numpy())
    inside = float(error[truth].mean()) if truth.any() else math.nan
    anomaly_map = prediction.anomaly_map
    return [
        StageCard(
            "reconstruction",
            "network",
            show_reconstruction(prediction.reconstruction),
            (
                shape_and_range(prediction.reconstruction.transpose(2, 0, 1)),
                text("synthetic.fact.error", error=float(error.mean())),
                *(() if math.isnan(inside) else (text("synthetic.fact.error_inside", error=inside),)),
            ),
        ),
        StageCard(
            "anomaly_map",
            "network",
            np.minimum(255, (anomaly_map * 256).astype(np.int64)).astype(np.uint8),
            (
                shape_and_range(anomaly_map),
                text("synthetic.fact.auroc", value=auroc_text(view)),
                text("synthetic.fact.score", score=prediction.image_score, rule=view.score_rule),
            ),
            scale="probability",
            ends=(0.0, 1.0),
        ),
        StageCard(
            "pred_mask",
            "network",
            np.where(view.pred_mask, 255, 0).astype(np.uint8),
            (text("synthetic.fact.rule", threshold=float(view.rule.threshold)), share_of(view.pred_mask)),
            scale="gray",
        ),
        StageCard(
            "comparison",
            "network",
            difference(view.pred_mask, truth),
            (
                text("synthetic.fact.iou", value=iou_text(view)),
                text("synthetic.fact.hits", count=f"{counts.tp:,}"),
                text("synthetic.fact.misses", count=f"{counts.fn:,}"),
                text("synthetic.fact.alarms", count=f"{counts.fp:,}"),
            ),
        ),
    ]


def auroc_text(view: SyntheticView) -> str:
    """Say the map's pixel AUROC, or that it is undefined and why."""
    if not math.isnan(view.pixel_auroc):
        return f"{view.pixel_auroc:.4f}"
    return text("synthetic.fact.undefined_all" if view.truth.any() else "synthetic.fact.undefined_none")


def iou_text(view: SyntheticView) -> str:
    """Say the mask's IoU, or that it is undefined and why."""
    if not math.isnan(view.counts.iou):
        return f"{view.counts.iou:.4f}"
    return text("synthetic.fact.undefined_nothing")
