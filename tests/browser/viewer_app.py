"""A page that shows nothing but the viewer, on synthetic maps that its URL describes: what the browser tests drive.

Query: ``height``, ``width`` (the map's), ``seed``, ``truth`` (0 or 1), or ``payload``, a file of packed bytes; and any
field of ViewerSettings.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
import streamlit as st
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pages._ui.components.viewer import ViewerSettings, pack, read_settings, viewer

COLORMAP = np.round(mpl.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)
DEFAULT_SCENE = {"height": 256, "width": 256, "seed": 0}


@st.cache_data(show_spinner=False)
def make_payload(height: int, width: int, seed: int, truth: bool) -> bytes:
    """A grey plate with a few blobs; the map is high on most of them and here and there where nothing is."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    defect = np.zeros((height, width), bool)
    glow = np.zeros((height, width))
    for _ in range(4):
        y, x, radius = rng.random(), rng.random(), rng.uniform(0.02, 0.07)
        distance = np.hypot(rows - y * height / max(height, width), columns - x * width / max(height, width))
        defect |= distance < radius
        glow += 9 * np.exp(-((distance / radius) ** 2) * rng.uniform(0.6, 1.6))
    noise = gaussian_filter(rng.standard_normal((height, width)), max(height, width) / 128)
    anomaly_map = 1 / (1 + np.exp(5 - glow - 0.8 * noise / noise.std()))
    plate = 0.55 + 0.08 * noise / noise.std() + 0.15 * columns
    image = np.repeat(np.clip(plate - 0.35 * defect, 0, 1)[..., None], 3, axis=2)
    return pack(
        (image * 255).astype(np.uint8),
        np.repeat(plate[..., None], 3, axis=2),
        anomaly_map.astype(np.float32),
        colormap=COLORMAP,
        image_score=float(anomaly_map.max()),
        score_rule="max of the map",
        title=f"plate {seed}",
        gt_mask=defect if truth else None,
    )


def main() -> None:
    st.set_page_config(layout="wide")
    query = st.query_params
    if "payload" in query:
        payload = Path(query["payload"]).read_bytes()
    else:
        height, width, seed = (int(query.get(name, value)) for name, value in DEFAULT_SCENE.items())
        payload = make_payload(height, width, seed, query.get("truth") != "0")
    asked = read_settings(query.to_dict(), ViewerSettings())
    settled = viewer(payload, asked, key="viewer")
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.html(f"<pre id='settled'>{json.dumps({**asdict(settled), 'runs': runs})}</pre>")
    if st.button("Rerun"):
        st.rerun()
    if st.button("Next plate"):
        query["seed"] = str(int(query.get("seed", 0)) + 1)
        st.rerun()
    if st.button("Order sensitivity 0.25"):
        query["sensitivity"] = "0.25"
        st.rerun()


main()
