"""Curves and newest pictures of a run that is being trained. Reads the run folder, and writes nothing."""

from base64 import b64encode
from html import escape
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from draem_core.data.images import encode_png
from draem_core.disk import Stamp
from draem_core.errors import DraemError
from draem_core.render import heatmap
from draem_core.runs.progress import read_history, read_newest_steps
from draem_core.runs.review import load_review

_HEIGHT = 360
_SHORTENED = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_LOSSES = {
    "total": "training, total",
    "validation_total": "validation, total",
    "l2": "L2",
    "ssim": "SSIM",
    "focal": "focal",
}
_COLORS = ("#0f8fb8", "#e8730c", "#7a5cc9", "#2b9a5b", "#c0398a")  # as on the Epochs page
_QUALITY = {
    "test_image_auroc": "image, real defects",
    "test_pixel_auroc": "pixel, real defects",
    "validation_image_auroc": "image, synthetic",
    "validation_pixel_auroc": "pixel, synthetic",
}


def render_curves(folder: Path) -> None:
    """Draw the losses of the newest steps and of all epochs, and the AUROCs where there are any."""
    steps, epochs = read_newest_steps(folder), pd.DataFrame(read_history(folder))
    drawn = [("Loss of the newest steps", _steps(steps))]
    drawn += [("Loss by epoch", _lines(epochs, _LOSSES, of_share=False))]
    drawn += [("AUROC by epoch", _lines(epochs, _QUALITY, of_share=True))]
    shown = [(title, chart) for title, chart in drawn if chart is not None]
    if not shown:
        return
    for column, (title, chart) in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.markdown(f"**{title}**")
            st.altair_chart(chart, width="stretch", key=f"curve_{title}")


def render_newest_pictures(folder: Path) -> None:
    """Draw the probes' originals, reconstructions and maps of the newest epoch."""
    try:
        epoch, pictures = _newest_pictures(str(folder), Stamp.of(folder / "metrics.csv"))
    except (DraemError, OSError):
        return  # no epoch is finished, or one is written just now
    if pictures:
        st.markdown(f"**Reconstructions after epoch {epoch}**")
        st.html(pictures)


@st.cache_data(max_entries=4, show_spinner=False)
def _newest_pictures(folder: str, stamp: Stamp) -> tuple[int, str]:
    """Return the newest epoch that has pictures, and these as HTML, empty where no probes are kept."""
    review = load_review(Path(folder))
    if not review.epochs or review.probes is None:
        return 0, ""
    epoch = review.epochs[-1]
    coloured = np.stack([heatmap(one / 255) for one in review.maps(epoch)])
    rows = {
        "original": review.originals(),
        "reconstruction": review.reconstructions(epoch),
        "anomaly map, 0 … 1": coloured,
    }
    count = len(review.probes.kinds)
    grid = f"display:grid;gap:4px;grid-template-columns:repeat({count},minmax(72px,160px))"
    cells = [
        f'<small style="{_SHORTENED}" title="{escape(kind)}">{escape(kind)}</small>' for kind in review.probes.kinds
    ]
    for row, pictures in rows.items():
        cells += [
            f'<img src="data:image/png;base64,{b64encode(encode_png(one)).decode()}" alt="{row} of {escape(name)}" '
            f'title="{row} of {escape(name)}" style="width:100%;display:block">'
            for name, one in zip(review.probes.names, pictures, strict=True)
        ]
    under = "<small>From above: " + ", ".join(rows) + "</small>"
    return epoch, f'<div style="overflow-x:auto"><div style="{grid}">{"".join(cells)}</div>{under}</div>'


def _steps(steps: pd.DataFrame) -> alt.Chart | None:
    if len(steps) < 2:
        return None
    shown = steps.iloc[-300:]
    table = pd.DataFrame({"step": np.arange(-len(shown) + 1, 1), "loss": shown["total"].to_numpy()})
    chart: alt.Chart = (
        alt.Chart(table, height=_HEIGHT)
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title="steps ago", axis=alt.Axis(tickMinStep=1, labelExpr="abs(datum.value)")),
            y=alt.Y("loss:Q", title=None, scale=alt.Scale(zero=False)),
        )
    )
    return chart


def _lines(table: pd.DataFrame, columns: dict[str, str], of_share: bool) -> alt.Chart | None:
    there = [column for column in columns if column in table and table[column].notna().any()]
    if not there:
        return None
    colors = [color for column, color in zip(columns, _COLORS, strict=False) if column in there]  # stay as others come
    long = table.melt("epoch", there, "curve", "value").dropna()
    long = long if of_share else long[long["value"] > 0]  # a logarithm's
    long["curve"] = long["curve"].map(columns)
    scale = alt.Scale(domain=(0, 1)) if of_share else alt.Scale(type="log", nice=False)
    chart: alt.Chart = (
        alt.Chart(long, height=_HEIGHT)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X(
                "epoch:Q", title=None, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickMinStep=1, format="d")
            ),
            y=alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4)),
            color=alt.Color(
                "curve:N",
                scale=alt.Scale(domain=[columns[one] for one in there], range=colors),
                legend=alt.Legend(title=None, orient="bottom", columns=1, rowPadding=0, labelLimit=220),
            ),
        )
    )
    return chart
