"""Traces, plans and paintings that the Inside page works on, shared by all sessions where they are the same."""

from pathlib import Path

import numpy as np
import streamlit as st

from draem_core.checkpoints import load_checkpoint
from draem_core.disk import Stamp
from draem_core.inference import Predictor
from draem_core.inference.resize import resize_picture
from draem_core.inside.ablations import AS_TRAINED, Ablations, has_sspcab
from draem_core.inside.diagram import diagram
from draem_core.inside.stages import Trace, mask_stages, trace
from draem_core.scoring.keys import network_key
from draem_core.types import ResizeFilter
from pages._ui.common.byte_cache import MB, cached_by_bytes, size_of
from pages._ui.common.library import Picture
from pages._ui.components.inside_view import InsideView, answered
from pages._ui.components.inside_view.painting import Painting, layer_size, read_painting
from pages._ui.components.inside_view.stroke import Stroke, painted
from pages._ui.components.inside_view.view import NetworkPlan
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.frame.shell import Workspace
from pages._ui.texts import text

_PAINTINGS = "_inside_paintings"  # in the session: the browser's last word on each picture, by digest
_PAINTINGS_BYTES = 16 * MB  # of a session; the picture painted on longest ago is forgotten first


def painting_of(picture: Picture, key: str) -> Painting:
    """Return what is painted on a picture in the component under ``key``.

    The session keeps it by picture: Streamlit forgets what a component said once its page is left.
    """
    kept = st.session_state.setdefault(_PAINTINGS, {})
    answer = answered(key, "painting")
    if isinstance(of := answer.get("of"), str):
        kept.pop(of, None)
        kept[of] = answer
        while len(kept) > 1 and size_of(kept) > _PAINTINGS_BYTES:
            del kept[next(iter(kept))]
    return read_painting(kept.get(picture.digest), picture.digest, layer_size(picture.pixels))


def paint_first(picture: Picture, stroke: Stroke) -> None:
    """Paint a stroke on a picture unless somebody painted there before, even if they took it away again."""
    kept = st.session_state.setdefault(_PAINTINGS, {})
    kept.setdefault(picture.digest, painted(stroke, picture.pixels, picture.digest))


def compute_view(workspace: Workspace, picture: Picture, painting: Painting, rule: LiveSettings) -> InsideView:
    """Run the network on a painted picture, where that was not done before, and apply the mask's rule.

    Raises:
        DraemError: the network's output is not finite, or the device's memory ran out.
    """
    predictor = workspace.predictor
    seen = painting.on(picture.pixels)
    traced = traced_picture(predictor, picture, painting, seen)
    post_process = rule.post_process
    return InsideView(
        title=picture.name,
        digest=picture.digest,
        pixels=picture.pixels,
        clean=_clean(picture.digest, predictor.card.input_size, predictor.card.resize_filter, picture.pixels),
        painted=seen,
        painting=painting,
        trace=traced,
        stages=(*traced.stages, *mask_stages(traced.prediction.anomaly_map, post_process)),
        rule=post_process,
        score_rule=text(f"score_rule.{predictor.card.score_rule}"),
        plan=plan(workspace.checkpoint, predictor.card.input_size),
    )


@cached_by_bytes(64 * MB)
def _clean(digest: str, size: tuple[int, int], resize_filter: ResizeFilter, _pixels: np.ndarray) -> np.ndarray:
    return resize_picture(_pixels, size, resize_filter)


def traced_picture(
    predictor: Predictor, picture: Picture, painting: Painting, painted: np.ndarray, ablations: Ablations = AS_TRAINED
) -> Trace:
    """Trace a painted picture; raises DraemError where no finite map comes out."""
    key = f"{network_key(predictor)} {picture.digest} {painting.digest}"
    return _traced(key, ablations, predictor, picture.name, painted)


@cached_by_bytes(512 * MB)  # 30 to 160 MB each
def _traced(key: str, ablations: Ablations, _predictor: Predictor, _name: str, _painted: np.ndarray) -> Trace:
    return trace(_predictor, _painted, ablations, _name)


def plan(checkpoint: Path, input_size: tuple[int, int]) -> NetworkPlan:
    """Return the plan of a checkpoint's network; raises CheckpointError."""
    return _plan(str(checkpoint), Stamp.of(checkpoint), input_size)


@st.cache_resource(max_entries=8, show_spinner=False)
def _plan(checkpoint: str, stamp: Stamp, input_size: tuple[int, int]) -> NetworkPlan:
    meta_model = load_checkpoint(checkpoint).model.to("meta")  # its numbers are the predictor's business
    return NetworkPlan(meta_model, diagram(meta_model, input_size), has_sspcab(meta_model))
