"""A run's pictures and metrics by epoch as the reviewer's payload. Knows no Streamlit and no settings.

The arrays are the sheets as they lie in the run folder, PNG files: "original", "contours", and "reconstruction 7" and
"map 7" for epoch 7.
"""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from draem_core.data.images import encode_png
from draem_core.render import COLORMAP
from draem_core.runs.review import Review
from draem_core.runs.run_folder import RunFolderError
from pages._ui.components.shared import payload

MAX_EPOCHS = 200  # with pictures; of a longer run every second, third … is sent

# What the charts draw, by chart: (column, words). Columns that a run does not have are left out.
CHARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "Loss": (
        ("total", "total, training"),
        ("validation_total", "total, validation (synthetic anomalies)"),
        ("l1", "L1"),
        ("l2", "L2"),
        ("ssim", "SSIM"),
        ("focal", "focal"),
        ("sspcab", "SSPCAB"),
    ),
    "Quality": (
        ("test_image_auroc", "image AUROC, real defects"),
        ("test_pixel_auroc", "pixel AUROC, real defects"),
        ("test_image_f1max", "image F1max, real defects"),
        ("validation_image_auroc", "image AUROC, synthetic anomalies"),
        ("validation_pixel_auroc", "pixel AUROC, synthetic anomalies"),
    ),
    "Learning rate": (("learning_rate", "learning rate"),),
}


def shown_epochs(epochs: Sequence[int]) -> tuple[int, ...]:
    """Return at most MAX_EPOCHS of them, evenly, the last one always among them."""
    step = math.ceil(len(epochs) / MAX_EPOCHS) if epochs else 1
    return tuple(reversed(tuple(reversed(epochs))[::step]))


def nearest_epoch(review: Review, epoch: int) -> int:
    """Return the epoch with pictures that the reviewer shows for a setting: the nearest below; the last one for 0."""
    shown = shown_epochs(review.epochs)
    return max((one for one in shown if one <= epoch), default=shown[0]) if epoch else shown[-1]


def pack(review: Review) -> bytes:
    """The reviewer's payload for a run with pictures. Cache it: an unchanged payload costs nothing on a rerun.

    Raises:
        RunFolderError: a sheet is missing or no picture of the right size.
    """
    assert review.probes is not None
    epochs = shown_epochs(review.epochs)
    first = _sheet(review, epochs[0], "map")
    width, height = _size(first, review, epochs[0])
    width //= len(review.probes)
    sheets = {
        "original": _png(np.concatenate(list(review.originals()), axis=1)),
        "contours": _png(_contours(review.truths())),
    }
    for epoch in epochs:
        for what in ("reconstruction", "map"):
            sheet = _sheet(review, epoch, what)
            if _size(sheet, review, epoch) != (width * len(review.probes), height):
                raise _damaged(review, epoch)
            sheets[f"{what} {epoch}"] = sheet
    scores = review.scores().reindex(list(epochs))
    header: dict[str, Any] = {
        "name": review.name,
        "epochs": epochs,
        "thinned": len(epochs) < len(review.epochs),
        "probes": [
            {"name": name, "kind": kind, "label": int(label)}
            for name, kind, label in zip(review.probes.names, review.probes.kinds, review.probes.labels, strict=True)
        ],
        "side": {"width": width, "height": height},
        "scores": _numbers(scores.to_numpy()),
        "aurocs": _numbers(review.probe_aurocs().reindex(list(epochs)).to_numpy()),
        "charts": _charts(review.metrics),
        "layers": {name: _layers(review.layers, name) for name in ("std", "gradient_norm")},
        "colormap": COLORMAP.ravel().tolist(),
    }
    arrays = {name: payload.as_array(sheet) for name, sheet in sheets.items()}
    header["digest"] = payload.digest_of(header, arrays)
    return payload.pack(header, arrays)


def _png(picture: np.ndarray) -> bytes:
    return encode_png(picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2))


def _sheet(review: Review, epoch: int, what: str) -> bytes:
    try:
        return (review.folder / "probes" / f"epoch_{epoch:04d}_{what}.png").read_bytes()
    except OSError as error:
        raise _damaged(review, epoch) from error


def _size(sheet: bytes, review: Review, epoch: int) -> tuple[int, int]:
    """Return a sheet's (width, height) after reading it to its end: a browser would show nothing at all of half one."""
    try:
        with Image.open(io.BytesIO(sheet)) as picture:
            size = picture.size
            picture.verify()
            return size
    except (OSError, SyntaxError) as error:  # Pillow's for broken chunks
        raise _damaged(review, epoch) from error


def _damaged(review: Review, epoch: int) -> RunFolderError:
    return RunFolderError(
        f"The pictures of epoch {epoch} in {review.folder / 'probes'} are missing or damaged. Delete that epoch's two "
        "files there to review the others, or train anew."
    )


def _contours(truths: np.ndarray) -> np.ndarray:
    """Return the masks side by side, (h, P·w) uint8, 255 on a mask's outermost pixels."""
    inner = truths.copy()
    for axis in (1, 2):
        for step in (1, -1):
            moved = np.roll(truths, step, axis=axis)
            edge = 0 if step == 1 else -1
            np.moveaxis(moved, axis, 0)[edge] = False
            inner &= moved
    return np.concatenate(list((truths & ~inner).astype(np.uint8) * 255), axis=1)


def _numbers(values: np.ndarray) -> list[Any]:
    """Return nested lists with None for NaN and infinity: JSON knows neither."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [float(value) if math.isfinite(value) else None for value in values.astype(float)]


def _charts(metrics: pd.DataFrame) -> dict[str, Any]:
    lines = {
        chart: [
            {"column": column, "words": words, "values": _numbers(metrics[column].to_numpy(float))}
            for column, words in columns
            if column in metrics and _says_something(metrics[column])
        ]
        for chart, columns in CHARTS.items()
    }
    return {"epochs": metrics["epoch"].astype(int).tolist(), "lines": {k: v for k, v in lines.items() if v}}


def _says_something(column: pd.Series) -> bool:
    """Tell whether any value is finite and not 0: a loss that was not asked for is 0 throughout."""
    values = column.to_numpy(float)
    return bool((np.isfinite(values) & (values != 0)).any())


def _layers(layers: pd.DataFrame, measure: str) -> dict[str, Any] | None:
    """Return {"names", "epochs", "values"} with a row a layer; None where nothing was taken."""
    if layers.empty or layers[measure].isna().all():
        return None
    table = layers.pivot_table(index="layer", columns="epoch", values=measure, sort=False)
    return {
        "names": table.index.tolist(),
        "epochs": [int(epoch) for epoch in table.columns],
        "values": _numbers(table.to_numpy()),
    }
