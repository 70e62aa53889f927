"""Take a review along: a strip for printing (rows images, columns epochs), an animation, the table of scores."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import streamlit as st
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from draem_core.render import heatmap
from draem_core.report.cells import table_csv
from draem_core.runs.review import Review
from pages._ui.common.diagnosis import scores_table

STRIP_EPOCHS = 10
FRAME_TIME = 200  # ms
CAPTION = 18  # px


def render_exports(review: Review) -> None:
    """Draw one button for each file; each is made on click."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown("**Take it along**")
        for what in ("reconstruction", "anomaly map"):
            name = f"{review.name}_{what.replace(' ', '_')}s"
            _button(f"Strip of {what}s .png", partial(strip, review, what), f"{name}.png", "image/png")
        _button("Animation .gif", lambda: animation(review), f"{review.name}.gif", "image/gif")
        _button("Scores .csv", lambda: scores_csv(review), f"{review.name}_scores.csv", "text/csv")


def scores_csv(review: Review) -> bytes:
    """Return the table of scores, one row an epoch; a picture's name is never run as a formula."""
    return table_csv(scores_table(review), index=True)


def _button(label: str, data: Callable[[], bytes], name: str, mime: str) -> None:
    st.download_button(label, data, name, mime, key=f"review {label}", on_click="ignore", type="tertiary")


def _pictures(review: Review, epoch: int, what: str) -> np.ndarray:
    """Return an epoch's pictures of all probes, (P, h, w, 3) uint8."""
    if what == "reconstruction":
        return review.reconstructions(epoch)
    return np.stack([heatmap(one / np.float32(255)) for one in review.maps(epoch)])


def strip(review: Review, what: str) -> bytes:
    """Return a PNG at print size: a row for each probe, the original and then up to ten epochs evenly spread."""
    assert review.probes is not None
    places = np.unique(
        np.linspace(0, len(review.epochs) - 1, min(STRIP_EPOCHS, len(review.epochs))).round().astype(int)
    )
    epochs = [review.epochs[place] for place in places]
    columns = [("original", review.originals()), *((f"epoch {one}", _pictures(review, one, what)) for one in epochs)]
    rows = len(review.probes)
    figure = Figure(figsize=(1.1 * len(columns) + 1, 1.1 * rows + 0.4), layout="constrained", dpi=200)
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for column, (title, pictures) in enumerate(columns):
        axes[0, column].set_title(title, fontsize=7)
        for row in range(rows):
            axis = axes[row, column]
            axis.imshow(pictures[row])
            axis.set_xticks([])
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(review.probes.kinds[row], fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def animation(review: Review) -> bytes:
    """Return a GIF, a frame an epoch under its number: originals, reconstructions, anomaly maps, one probe a column."""
    originals = np.concatenate(list(review.originals()), axis=1)
    frames = []
    for epoch in review.epochs:
        rows = [
            np.concatenate(list(_pictures(review, epoch, what)), axis=1) for what in ("reconstruction", "anomaly map")
        ]
        pictures = np.concatenate([originals, *rows])
        frame = Image.new("RGB", (pictures.shape[1], pictures.shape[0] + CAPTION), "white")
        frame.paste(Image.fromarray(pictures), (0, CAPTION))
        ImageDraw.Draw(frame).text((4, 1), f"epoch {epoch} of {review.epochs[-1]}", "black", font_size=CAPTION - 5)
        frames.append(frame)
    times = [FRAME_TIME] * (len(frames) - 1) + [5 * FRAME_TIME]  # the last one stays a while
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return buffer.getvalue()
