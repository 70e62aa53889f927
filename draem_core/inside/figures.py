"""A trace's stages as figures for slides: one stage by its strongest channels, or all of them on one sheet.

Each meaning has one colour scale: probabilities inferno on 0 … 1, features viridis from 0, signed values blue to red
around 0, masks black and white; pictures are shown as pictures.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from draem_core.figure import FONT_POINTS, PROBABILITY, panel_grid
from draem_core.inside.stages import Stage
from draem_core.render import show_reconstruction

_PICTURES = ("image", "reconstruction")
_PROBABILITIES = ("probabilities", "anomaly_map", "window_mean")
_TWO_CLASSES = ("logits", "probabilities")
_MASKS = ("above_threshold", "opened", "pred_mask")


def stage_figure(stage: Stage, channels: Sequence[int] | None = None, *, width: float = 8.0) -> Figure:
    """Draw a stage's channels on one scale with its colour bar; the image and the reconstruction in colour.

    Args:
        channels: which to draw; None takes the eight strongest.
        width: of the figure in inches.

    Raises:
        ValueError: there is no such channel.
    """
    _, height, across = stage.shape
    if stage.name in _PICTURES:
        figure, (panel,) = panel_grid([stage.name], 1, (height, across), width)
        _draw(panel, stage, 0)
        return figure
    chosen = stage.strongest()[:8] if channels is None else list(channels)
    figure, panels = panel_grid([f"channel {index}" for index in chosen], min(4, len(chosen)), (height, across), width)
    drawn = [_draw(panel, stage, index) for panel, index in zip(panels, chosen, strict=True)]
    scale = figure.colorbar(drawn[0], ax=panels, shrink=0.9)
    scale.ax.tick_params(labelsize=FONT_POINTS - 1)
    figure.supxlabel(f"{stage.name}, {_shape(stage)}", fontsize=FONT_POINTS)
    return figure


def stages_figure(stages: Sequence[Stage], *, columns: int = 8, width: float = 16.0) -> Figure:
    """Draw all stages in their order, on their own ranges, which stand below.

    Each by its strongest channel; logits and probabilities by that of "anomalous".
    """
    _, height, across = stages[0].shape
    figure, panels = panel_grid([_title(stage) for stage in stages], columns, (height, across), width, 1.0)
    for panel, stage in zip(panels, stages, strict=True):
        _draw(panel, stage, 1 if stage.name in _TWO_CLASSES else stage.strongest()[0])
        low, high = stage.range
        panel.set_xlabel(f"{_shape(stage)}\n{low:.3g} … {high:.3g}")
    return figure


def _draw(panel: Axes, stage: Stage, channel: int) -> AxesImage:
    """Draw one channel on its stage's scale, or a picture as a whole."""
    if stage.name in _PICTURES:
        return panel.imshow(show_reconstruction(stage.tensor.float().cpu().numpy().transpose(1, 2, 0)))
    colours, low, high = stage_scale(stage)
    return panel.imshow(stage.channel(channel), cmap=colours, vmin=low, vmax=high, interpolation="nearest")


def stage_scale(stage: Stage) -> tuple[Colormap | str, float, float]:
    """Return a stage's colours and the values at both ends."""
    if stage.name in _PROBABILITIES:
        return PROBABILITY, 0, 1
    if stage.name in _MASKS:
        return "gray", 0, 1
    low, high = stage.range
    if low < 0:
        farthest = max(-low, high)
        return "RdBu_r", -farthest, farthest
    return "viridis", 0, high or 1  # a stage of zeros is drawn dark


def _title(stage: Stage) -> str:
    """Return a stage's name in two lines where it has a path."""
    network, _, block = stage.name.partition(".")
    return f"{network}\n{block}" if block else stage.name


def _shape(stage: Stage) -> str:
    return " × ".join(str(side) for side in stage.shape)
