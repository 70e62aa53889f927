"""Take results along: each panel as PNG, the map as .npy, all of it as ZIP. Made on click, not before."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import numpy as np
import streamlit as st

from draem_core.data.images import encode_png
from draem_core.render import as_png, panels
from draem_core.types import Prediction
from pages._ui.common.library import Picture
from pages._ui.components.viewer import ViewerSettings

PANELS = ("original", "reconstruction", "anomaly_map", "mask", "overlay")


def render_downloads(
    picture: Picture, prediction: Prediction, settings: ViewerSettings, gt_mask: np.ndarray | None
) -> None:
    """Draw one button for each file."""
    stem = safe_stem(picture.name)

    def drawn() -> dict[str, np.ndarray]:
        return panels(picture.pixels, prediction, settings.post_process, settings.opacity, gt_mask)

    def one(name: str) -> bytes:
        return encode_png(drawn()[name])

    def npy() -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, prediction.anomaly_map)
        return buffer.getvalue()

    def everything() -> bytes:
        facts = {"image": picture.name, "image_score": prediction.image_score, **asdict(settings)}
        files = as_png(drawn()) | {"anomaly_map.npy": npy(), "settings.json": json.dumps(facts, indent=2).encode()}
        return zipped({f"{stem}/{name}": content for name, content in files.items()})

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown("**Download**")
        _button("All as ZIP", everything, f"{stem}.zip", "application/zip")
        _button("Anomaly map .npy", npy, f"{stem}_anomaly_map.npy", "application/octet-stream")
        for name in (*PANELS, *(("difference",) if gt_mask is not None else ())):
            label = f"{name.replace('_', ' ').capitalize()} .png"
            _button(label, partial(one, name), f"{stem}_{name}.png", "image/png")


def _button(label: str, data: Callable[[], bytes], file_name: str, mime: str) -> None:
    st.download_button(label, data, file_name, mime, key=f"download {label}", on_click="ignore", type="tertiary")


def safe_stem(name: str) -> str:
    """Return a file name for a picture's name: letters, digits, dash, dot and underscore alone, no suffix."""
    stem = re.sub(r"\.\w*$", "", name)
    return re.sub(r"[^\w.-]+", "_", stem).strip("._") or "picture"


def zipped(files: dict[str, bytes]) -> bytes:
    """Pack files by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
