"""Figures for slides and print, by matplotlib's object interface: the classic row of a prediction.

Draws what it is given and writes files; opens no pictures, runs no network and never touches pyplot, whose global
state two sessions would share.
"""

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

from draem_core.atomic import write_atomically
from draem_core.errors import DraemError
from draem_core.formatting import counted
from draem_core.postprocess import PostProcess, find_regions
from draem_core.render import COLORMAP, overlay, show_reconstruction
from draem_core.types import Prediction

FORMATS = (".png", ".svg", ".pdf")
TRUTH_COLOUR = "#ffb000"
"""Of the ground truth's contour: to be told from white, black and every colour of the heatmap."""

PROBABILITY = ListedColormap(COLORMAP / 255, name="probability")
_SETTINGS_LOCK = threading.Lock()  # matplotlib's settings are the process's, and the app's sessions are threads
_LONGEST_SIDE = 1600  # pixels of a picture in a figure: more than print shows, and a vector file stays small
FONT_POINTS = 9


def classic_row(
    image: np.ndarray,
    prediction: Prediction,
    post_process: PostProcess,
    *,
    opacity: float = 0.5,
    gt_mask: np.ndarray | None = None,
    caption: str = "",
    width: float = 12.0,
) -> Figure:
    """Draw original, reconstruction, anomaly map with its colour bar, mask and overlay in one row.

    The map is on the fixed scale 0 … 1, so figures of different parts compare.

    Args:
        image: (h, w, 3) uint8 RGB, the picture's own pixels.
        opacity: of the heatmap in the overlay, in [0, 1].
        gt_mask: (H, W) bool on the map's grid; its contour is drawn into mask and overlay.
        caption: a line below, drawn as it is.
        width: of the figure in inches.

    Raises:
        ValueError: the map holds NaN.
    """
    mask = post_process.apply(prediction.anomaly_map)
    picture = _for_print(image)
    titles = ("Original", "Reconstruction", "Anomaly map", "Mask", "Overlay")
    figure, axes = panel_grid(titles, len(titles), picture.shape[:2], width, 0.9 if caption else 0.6)
    original, reconstruction, anomaly_map, mask_panel, overlaid = axes
    extent = (0, picture.shape[1], picture.shape[0], 0)
    original.imshow(picture, extent=extent)
    reconstruction.imshow(show_reconstruction(prediction.reconstruction), extent=extent, interpolation="bilinear")
    drawn = anomaly_map.imshow(
        prediction.anomaly_map, cmap=PROBABILITY, vmin=0, vmax=1, extent=extent, interpolation="bilinear"
    )
    scale = figure.colorbar(drawn, cax=anomaly_map.inset_axes((1.03, 0, 0.05, 1)), ticks=(0, 0.5, 1))
    scale.ax.tick_params(labelsize=FONT_POINTS - 1)
    mask_panel.imshow(mask, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    overlaid.imshow(overlay(picture, prediction.anomaly_map, opacity), extent=extent)

    anomaly_map.set_xlabel(f"image score {prediction.image_score:.4f}")
    regions = len(find_regions(mask))
    mask_panel.set_xlabel(f"{counted(regions, 'region')}, {np.count_nonzero(mask):,} px")
    if gt_mask is not None:
        overlaid.set_xlabel("truth outlined", color=TRUTH_COLOUR)
        for panel in (mask_panel, overlaid):
            _outline(panel, gt_mask, picture.shape[:2])
    if caption:
        figure.supxlabel(caption, fontsize=FONT_POINTS, parse_math=False)
    return figure


def write_figure(figure: Figure, path: Path, dpi: int = 200) -> Path:
    """Write a figure as PNG, SVG or PDF, by the file's suffix, whole or not at all.

    Args:
        dpi: dots per inch of PNG; and of what SVG and PDF hold of pictures that have to be resampled.

    Raises:
        DraemError: another suffix.
        OSError: the file cannot be written; an old one is untouched.
    """
    suffix = check_format(path)
    return write_atomically(path, lambda file: _save(figure, file, suffix, dpi))


def figure_bytes(figure: Figure, suffix: str, dpi: int = 200) -> bytes:
    """Return what `write_figure` would write into a file of that suffix, one of ``FORMATS``."""
    buffer = io.BytesIO()
    _save(figure, buffer, suffix, dpi)
    return buffer.getvalue()


def _save(figure: Figure, file: IO[bytes], suffix: str, dpi: int) -> None:
    """Save so that the same figure is the same bytes, and an SVG's text is text, which slides can edit."""
    undated = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[suffix]
    with _SETTINGS_LOCK, rc_context({"svg.fonttype": "none", "svg.hashsalt": "draem"}):
        figure.savefig(file, format=suffix[1:], dpi=dpi, metadata=undated)


def check_format(path: Path) -> str:
    """Return the suffix of a figure's file in small letters; DraemError where it names no format we write."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DraemError(f"{path} names no format for a figure. Let it end in {', '.join(FORMATS)}.")
    return suffix


def panel_grid(
    titles: Sequence[str], columns: int, size: tuple[int, int], width: float, text_height: float = 0.6
) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``width`` inches with one empty panel for each title, row by row.

    Args:
        size: (height, width) of the pictures to come, in any unit; only their ratio counts.
        text_height: inches for what stands above and below each row.
    """
    rows = -(-len(titles) // columns)
    panel_height = (width - 0.8) / columns * min(4.0, max(0.1, size[0] / size[1]))
    figure = Figure(figsize=(width, rows * (panel_height + text_height)), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for empty in panels[len(titles) :]:
        empty.remove()
    for panel, title in zip(panels, titles, strict=False):
        panel.set_title(title, fontsize=FONT_POINTS)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.xaxis.label.set_fontsize(FONT_POINTS - 1)
    return figure, panels[: len(titles)]


def _for_print(image: np.ndarray) -> np.ndarray:
    """Return a picture of at most ``_LONGEST_SIDE`` pixels a side, each the mean of what it stands for."""
    shrink = max(image.shape[:2]) / _LONGEST_SIDE
    if shrink <= 1:
        return image
    size = tuple(max(1, round(side / shrink)) for side in (image.shape[1], image.shape[0]))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def _outline(panel: Axes, mask: np.ndarray, size: tuple[int, int]) -> None:
    """Draw the contour of a mask (H, W) bool over a picture of ``size`` (height, width), closed at the border too."""
    if not mask.any():
        return
    padded = np.pad(mask, 1).astype(np.float32)
    rows, columns = (
        (np.arange(-1, cells + 1) + 0.5) * side / cells for cells, side in zip(mask.shape, size, strict=True)
    )
    panel.contour(columns, rows, padded, levels=[0.5], colors=[TRUTH_COLOUR], linewidths=1)
    panel.set_xlim(0, size[1])
    panel.set_ylim(size[0], 0)
