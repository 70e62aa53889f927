"""The numbers in the lesson's questions and answers, read off what the page shows: nothing in them is typed in.

Each function belongs to the step of its name and returns the values that the step's words ask for; None where the
picture has nothing to tell about, such as no defect. Knows no Streamlit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from draem_core.inside.ablations import difference_map
from draem_core.inside.pixel import softmax_steps
from draem_core.postprocess import PostProcess
from draem_core.synthesis.random_params import MAX_IMAGE_SHARE
from draem_core.types import Prediction
from pages._ui.components.inside_view.view import InsideView
from pages._ui.components.synthetic_view.settings import SyntheticSettings
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.texts import text

Values = Mapping[str, object]
HIGH_SENSITIVITY = 0.9  # what the mask's step compares the present one with
_CLEARLY = 2.0  # times as much: from here on the lesson says that a defect is gone from the reconstruction


@dataclass(frozen=True, eq=False)
class InsideScene:
    """What the Inside page shows. truth: (H, W) bool of the picture itself, None where there is none.

    pixel: (row, column) that is followed.
    good: what the network says of the lesson's good picture, None where the dataset has none.
    unpainted: and of the shown picture without paint.
    """

    view: InsideView
    truth: np.ndarray | None
    pixel: tuple[int, int] | None
    good: Prediction | None
    unpainted: Prediction

    @property
    def prediction(self) -> Prediction:
        return self.view.trace.prediction

    @property
    def defect(self) -> np.ndarray:
        """Where the picture's own defect and the paint lie, (H, W) bool."""
        return self.view.truth if self.truth is None else self.view.truth | self.truth


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """What the Synthetic page shows, and a way to see the same sample with other settings."""

    view: SyntheticView
    compute_view: Callable[[SyntheticSettings], SyntheticView]


def good(scene: InsideScene) -> Values:
    return _result(scene.prediction, scene.view.rule) | {"pixels": scene.prediction.anomaly_map.size}


def defect(scene: InsideScene) -> Values | None:
    if scene.good is None:
        return None
    before, after = scene.good.image_score, scene.prediction.image_score
    ending = text(f"lesson.step.defect.{'higher' if after > before else 'not_higher'}")
    return _result(scene.prediction, scene.view.rule) | {"before": before, "ending": ending}


def reconstruction(scene: InsideScene) -> Values | None:
    where = scene.defect
    if not _is_part(where):
        return None
    difference = difference_map(scene.prediction)
    inside, outside = float(difference[where].mean()), float(difference[~where].mean())
    channels, height, width = scene.view.stage("reconstructive.encoder.block5").shape
    ending = "gone" if inside > _CLEARLY * outside else "kept"
    return {
        "inside": inside,
        "outside": outside,
        "ratio": inside / outside if outside else math.inf,
        "bottleneck": f"{channels} × {height} × {width}",
        "ending": text(f"lesson.step.reconstruction.{ending}"),
    }


def difference(scene: InsideScene) -> Values | None:
    where = scene.defect
    if not _is_part(where):
        return None
    plain, found = difference_map(scene.prediction), scene.prediction.anomaly_map
    plain_cost, found_cost = _cost_of_half(plain, where), _cost_of_half(found, where)
    ending = "equal" if plain_cost == found_cost else "second_better" if found_cost < plain_cost else "plain_better"
    return {
        "inside": float(plain[where].max()),
        "outside": float(plain[~where].max()),
        "cost": plain_cost,
        "map_cost": found_cost,
        "ending": text(f"lesson.step.difference.{ending}"),
    }


def softmax(scene: InsideScene) -> Values | None:
    height, width = scene.prediction.anomaly_map.shape
    if scene.pixel is None or scene.pixel[0] >= height or scene.pixel[1] >= width:
        return None
    row, column = scene.pixel
    steps = softmax_steps(*(float(one) for one in scene.prediction.logits[:, row, column]))
    return {
        "row": row,
        "column": column,
        "good": steps.good_logit,
        "anomalous": steps.anomalous_logit,
        "margin": steps.anomalous_logit - steps.good_logit,
        "good_exponential": steps.good_exponential,
        "anomalous_exponential": steps.anomalous_exponential,
        "probability": steps.probability,
    }


def mask(scene: InsideScene) -> Values | None:
    where = scene.defect
    if not _is_part(where):
        return None
    rule, anomaly_map = scene.view.rule, scene.prediction.anomaly_map
    now = scene.view.mask
    left = rule.stages(anomaly_map)
    high = replace(rule, sensitivity=HIGH_SENSITIVITY).apply(anomaly_map)
    return {
        "sensitivity": rule.sensitivity,
        "kernel": rule.kernel_size,
        "erased": left.above_threshold - left.after_opening,
        "hits": int(np.count_nonzero(now & where)),
        "false": int(np.count_nonzero(now & ~where)),
        "defect": int(np.count_nonzero(where)),
        "high": HIGH_SENSITIVITY,
        "high_hits": int(np.count_nonzero(high & where)),
        "high_false": int(np.count_nonzero(high & ~where)),
    }


def verdict(scene: InsideScene) -> Values:
    rule = scene.view.rule
    left = rule.stages(scene.prediction.anomaly_map)
    return _result(scene.prediction, rule) | {
        "threshold": float(rule.threshold),
        "above": left.above_threshold,
        "opened": left.after_opening,
        "kernel": rule.kernel_size,
    }


def paint(scene: InsideScene) -> Values | None:
    where = scene.view.truth
    if not _is_part(where):
        return None
    plain = difference_map(scene.prediction)
    return _result(scene.prediction, scene.view.rule) | {
        "before": scene.unpainted.image_score,
        "painted": int(np.count_nonzero(where)),
        "hits": int(np.count_nonzero(scene.view.mask & where)),
        "inside": float(plain[where].mean()),
        "outside": float(plain[~where].mean()),
    }


def limit(scene: InsideScene) -> Values | None:
    where = scene.defect
    if not _is_part(where):
        return None
    plain, found = difference_map(scene.prediction), scene.prediction.anomaly_map
    ending = "found" if (scene.view.mask & where).any() else "missed"
    return _result(scene.prediction, scene.view.rule) | {
        "inside": float(plain[where].mean()),
        "outside": float(plain[~where].mean()),
        "map_inside": float(found[where].max()),
        "ending": text(f"lesson.step.limit.{ending}"),
    }


def summary(scene: InsideScene) -> Values | None:
    if scene.good is None:
        return None
    return _result(scene.prediction, scene.view.rule) | {"before": scene.good.image_score}


def noise(scene: SyntheticScene) -> Values | None:
    stages = scene.view.sample.texture
    if stages is None:
        return None
    rows, columns = (int(one) for one in stages.draw.noise.scales[0])
    share = float(scene.view.truth.mean())
    return {"rows": rows, "columns": columns, "threshold": stages.threshold, "share": share}


def blend(scene: SyntheticScene) -> Values | None:
    found = _blended(scene.view)
    return None if found is None else {**found, "false": scene.view.counts.fp}


def faint(scene: SyntheticScene) -> Values | None:
    now = _blended(scene.view)
    before = _blended(scene.compute_view(replace(scene.view.settings, beta=None)))
    if now is None or before is None:
        return None
    hits, hits_before = scene.view.counts.tp, int(before["hits"])
    ending = "missed" if not hits else "partly" if hits < hits_before / 2 else "found"
    told = {f"before_{name}": before[name] for name in ("score", "beta", "hits")}
    return {**now, **told, "most": MAX_IMAGE_SHARE, "ending": text(f"lesson.step.faint.{ending}")}


INSIDE: Mapping[str, Callable[[InsideScene], Values | None]] = {
    one.__name__: one
    for one in (good, defect, reconstruction, difference, softmax, mask, verdict, paint, limit, summary)
}
SYNTHETIC: Mapping[str, Callable[[SyntheticScene], Values | None]] = {
    one.__name__: one for one in (noise, blend, faint)
}


def _result(prediction: Prediction, rule: PostProcess) -> dict[str, object]:
    flagged = rule.stages(prediction.anomaly_map).after_min_area
    return {"score": prediction.image_score, "flagged": flagged, "verdict": "NG" if flagged else "OK"}


def _blended(view: SyntheticView) -> dict[str, float] | None:
    """Tell the image's share, and what the network found of a sample's anomaly."""
    stages = view.sample.texture
    if stages is None:
        return None
    return {
        "beta": stages.image_share,
        "texture": stages.texture_share,
        "score": view.prediction.image_score,
        "hits": view.counts.tp,
        "defect": view.counts.tp + view.counts.fn,
    }


def _cost_of_half(anomaly_map: np.ndarray, where: np.ndarray) -> int:
    """Return how many pixels outside are flagged by a threshold that flags half of those in ``where``."""
    return int(np.count_nonzero(anomaly_map[~where] >= np.median(anomaly_map[where])))


def _is_part(where: np.ndarray) -> bool:
    return bool(where.any() and not where.all())
