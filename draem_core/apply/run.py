"""Judge picture after picture by a recipe: verdicts.csv, masks and overlays in a folder.

Memory does not grow with the number of pictures. Knows no command line.
"""

import json
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from draem_core.apply.drawing import recipe_overlay
from draem_core.apply.inputs import Source
from draem_core.apply.regions import picture_regions
from draem_core.atomic import write_atomically
from draem_core.data.depth import depth_note
from draem_core.data.images import encode_png, read_with_highest
from draem_core.errors import ImageError, NonFiniteError
from draem_core.evaluation.calibration import normalised_image, normalised_pixel
from draem_core.formatting import as_text
from draem_core.inference import Predictor
from draem_core.postprocess import find_regions, postprocessed_score, resize_nearest
from draem_core.recipe import Recipe, Zone
from draem_core.report.cells import Cell, CsvWriter
from draem_core.report.masks import mask_png
from draem_core.report.names import FileNames
from draem_core.types import Region

VERDICTS, UNFINISHED = "verdicts.csv", "verdicts.unfinished.csv"
COLUMNS = (
    *("file", "zone", "score", "peak", "normalised_score", "normalised_peak"),
    *("regions", "map_regions", "picture_regions", "picture_height", "picture_width"),
    *("mask", "picture_mask", "overlay", "error"),
)
"""Of verdicts.csv. The two lists of regions are JSON: {"top", "left", "height", "width", "area"} for each."""

_Decoded = tuple[np.ndarray | ImageError, int | None]  # and the highest sample, see `depth_note`
_AHEAD = 2  # pictures decoded while the network runs


@dataclass(frozen=True)
class Verdict:
    """One row of verdicts.csv.

    file: the picture's path as it was given. zone: its verdict, or "error", with the sentence in ``error``.
    score: the image score in [0, 1]. postprocessed_score: the column ``peak``, raw map units, −∞ is an
        empty cell. Both are None for an error.
    normalised_score, normalised_postprocessed_score: as anomalib shows them, None where it is not calibrated.
    map_regions: of the mask, on the map's pixels; picture_regions: the same on the picture's (see `picture_regions`).
    picture_size: (height, width). mask, picture_mask, overlay: paths below the output folder.
    """

    file: str
    zone: Zone | Literal["error"]
    score: float | None = None
    postprocessed_score: float | None = None
    normalised_score: float | None = None
    normalised_postprocessed_score: float | None = None
    map_regions: tuple[Region, ...] = ()
    picture_regions: tuple[Region | None, ...] = ()
    picture_size: tuple[int, int] | None = None
    mask: str = ""
    picture_mask: str = ""
    overlay: str = ""
    error: str = ""


@dataclass(frozen=True)
class Summary:
    """How many pictures got which verdict, and sentences about all of them."""

    ok: int
    unsure: int
    ng: int
    errors: int
    notes: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0: all OK; 1: some NG or unsure; 2: some could not be judged."""
        if self.errors:
            return 2
        return 1 if self.ng or self.unsure else 0


def apply_recipe(
    recipe: Recipe,
    predictor: Predictor,
    sources: Sequence[Source],
    out: Path,
    on_verdict: Callable[[Verdict], None] | None = None,
) -> Summary:
    """Judge each picture and write ``verdicts.csv``, ``masks/``, ``picture_masks/`` and ``overlays/`` into ``out``.

    Rows go to ``verdicts.unfinished.csv``, which gets its final name at the end: what was done before a failure
    stays there. A picture that cannot be judged is a row with the zone "error".

    Args:
        predictor: the network of the recipe's checkpoint.
        on_verdict: called after each picture.

    Raises:
        OSError: ``out`` cannot be written.
        DraemError: the device's memory ran out.
    """
    out.mkdir(parents=True, exist_ok=True)
    zones: Counter[str] = Counter()
    highest: list[int | None] = []
    names = FileNames()
    unfinished = out / UNFINISHED
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        table = CsvWriter(file, COLUMNS)
        for source, (picture, most) in _decoded_ahead(sources):
            highest.append(most)
            verdict = _judge(recipe, predictor, source, picture, out, names)
            table.write(_row(verdict))
            file.flush()
            zones[verdict.zone] += 1
            if on_verdict:
                on_verdict(verdict)
    unfinished.replace(out / VERDICTS)
    note = depth_note(highest, "The set of pictures holds")
    return Summary(zones["OK"], zones["unsure"], zones["NG"], zones["error"], () if note is None else (note,))


def _judge(
    recipe: Recipe, predictor: Predictor, source: Source, picture: np.ndarray | ImageError, out: Path, names: FileNames
) -> Verdict:
    file = as_text(source.path)
    if isinstance(picture, ImageError):
        return Verdict(file, "error", error=str(picture))
    try:
        prediction = predictor.predict(picture, file)
    except NonFiniteError as error:
        return Verdict(file, "error", error=str(error))
    size = (picture.shape[0], picture.shape[1])
    mask = recipe.post_process.apply(prediction.anomaly_map)
    highest = float(postprocessed_score(prediction.anomaly_map, recipe.kernel_size, recipe.min_area))
    calibration = recipe.checkpoint.calibration
    name = f"{names.next(source.name)}.png"
    files = {
        f"masks/{name}": mask_png(mask),
        f"picture_masks/{name}": mask_png(resize_nearest(mask, size)),
        f"overlays/{name}": encode_png(recipe_overlay(recipe, picture, prediction.anomaly_map)),
    }
    for place, content in files.items():
        write_atomically(out / place, content)
    mask_file, picture_mask_file, overlay_file = files
    return Verdict(
        file,
        recipe.zone(highest),
        score=prediction.image_score,
        postprocessed_score=highest,
        normalised_score=normalised_image(prediction.image_score, calibration) if calibration else None,
        normalised_postprocessed_score=normalised_pixel(highest, calibration) if calibration else None,
        map_regions=find_regions(mask),
        picture_regions=picture_regions(mask, size),
        picture_size=size,
        mask=mask_file,
        picture_mask=picture_mask_file,
        overlay=overlay_file,
    )


def _row(verdict: Verdict) -> list[Cell]:
    """Return the cells of COLUMNS."""
    height, width = verdict.picture_size or (None, None)
    judged = verdict.zone != "error"
    return [
        verdict.file,
        verdict.zone,
        verdict.score,
        _finite(verdict.postprocessed_score),
        verdict.normalised_score,
        verdict.normalised_postprocessed_score,
        len(verdict.map_regions) if judged else None,
        _as_json(verdict.map_regions) if judged else None,
        _as_json(verdict.picture_regions) if judged else None,
        height,
        width,
        verdict.mask,
        verdict.picture_mask,
        verdict.overlay,
        verdict.error,
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _as_json(regions: Sequence[Region | None]) -> str:
    return json.dumps([None if region is None else asdict(region) for region in regions])


def _decoded_ahead(sources: Sequence[Source]) -> Iterator[tuple[Source, _Decoded]]:
    """Yield each picture, or why there is none, while the next ones are being decoded."""

    def decode(source: Source) -> _Decoded:
        try:
            return read_with_highest(source.path)
        except ImageError as error:
            return error, None

    pending: deque[tuple[Source, Future[_Decoded]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for source in sources:
            pending.append((source, pool.submit(decode, source)))
            if len(pending) > _AHEAD:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
