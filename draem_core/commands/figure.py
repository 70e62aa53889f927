"""``python -m draem_core figure``: one picture through one checkpoint, drawn as the classic row or stage by stage.

Reads arguments and calls the library; what it looks like is the business of ``figure`` and ``inside.figures``.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from draem_core.checkpoints import load_checkpoint
from draem_core.commands.terminal import complain, note_assumptions, say
from draem_core.data.datasets import Sample, read_mask
from draem_core.data.depth import depth_note
from draem_core.data.images import read_with_highest
from draem_core.errors import DraemError
from draem_core.inference import Predictor
from draem_core.inference.precision import Precision
from draem_core.inside.stages import mask_stages, trace
from draem_core.postprocess import PostProcess


def figure_command(
    image: Annotated[Path, typer.Argument(help="The picture.")],
    checkpoint: Annotated[Path, typer.Option(help="Any DRAEM checkpoint.")],
    out: Annotated[Path, typer.Option(help="The figure's file: .png, .svg or .pdf.")],
    mask: Annotated[Path | None, typer.Option(help="The picture's true mask; its contour is drawn.")] = None,
    sensitivity: Annotated[float, typer.Option(min=0, max=1, help="Threshold = 1 − sensitivity.")] = 0.5,
    kernel: Annotated[int, typer.Option(min=1, help="Side of the opening's square, in pixels of the map.")] = 3,
    min_area: Annotated[int, typer.Option(min=0, help="Smaller regions are removed, in pixels of the map.")] = 0,
    opacity: Annotated[float, typer.Option(min=0, max=1, help="Of the heatmap in the overlay.")] = 0.5,
    stage: Annotated[
        str | None, typer.Option(help="Draw this stage's strongest channels instead, or all of the stages: 'all'.")
    ] = None,
    dpi: Annotated[int, typer.Option(min=20, max=600, help="Dots per inch.")] = 200,
    width: Annotated[float, typer.Option(min=4, max=30, help="Of the figure, in inches.")] = 12.0,
    caption: Annotated[str | None, typer.Option(help="Line below; default: picture, checkpoint, setting.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Draw original, reconstruction, anomaly map with its colour bar, mask and overlay of a picture in one row."""
    from draem_core import figure  # loads matplotlib's drawing, which no other command needs to wait for
    from draem_core.inside.figures import stage_figure, stages_figure

    figure.check_format(out)
    picture, highest = read_with_highest(image)
    if (note := depth_note([highest], f"{image.name} holds")) is not None:
        complain(f"Note: {note}")
    predictor = Predictor(load_checkpoint(checkpoint), device=device, precision=precision)
    note_assumptions(predictor.card)
    traced = trace(predictor, picture, name=image.name)
    prediction = traced.prediction
    post_process = PostProcess(sensitivity, kernel, min_area)
    stages = {one.name: one for one in (*traced.stages, *mask_stages(prediction.anomaly_map, post_process))}
    if stage is None:
        setting = f"sensitivity {sensitivity:g}, kernel {kernel}, minimum area {min_area}"
        drawn = figure.classic_row(
            picture,
            prediction,
            post_process,
            opacity=opacity,
            gt_mask=_true_mask(image, mask, prediction.anomaly_map.shape),
            caption=f"{image.name} · {predictor.card.name} · {setting}" if caption is None else caption,
            width=width,
        )
    elif stage == "all":
        drawn = stages_figure(list(stages.values()), width=width)
    elif stage in stages:
        drawn = stage_figure(stages[stage], width=width)
    else:
        raise DraemError(f"There is no stage {stage!r}. Take 'all' or one of: {', '.join(stages)}.")
    say(f"Wrote {figure.write_figure(drawn, out, dpi)}")


def _true_mask(image: Path, mask: Path | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the mask on the map's grid, read as a dataset's is."""
    if mask is None:
        return None
    sample = Sample(path=image, split="test", kind="defect", label=1, mask_path=mask, name=image.name)
    return read_mask(sample, (shape[0], shape[1]))
