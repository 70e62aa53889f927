"""What all browser sessions share: opened datasets, loaded predictors, predictions, payloads, thumbnails.

Every entry is keyed by what it was made of (paths with their modification times, digests), so that a changed
file is noticed and two sessions never see each other's results. Entries are frozen; nobody changes them.
"""

import base64
import gc
import glob
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from draem_core.checkpoints import list_checkpoints, load_checkpoint
from draem_core.checkpoints.files import name_of
from draem_core.data.datasets import (
    STRONG_REDUCTION,
    Dataset,
    Sample,
    find_datasets,
    open_dataset,
    read_full_mask,
    read_mask,
    reduction,
)
from draem_core.data.depth import depth_note
from draem_core.data.folders import unreadable_names, unreadable_note
from draem_core.data.images import read_image, read_with_highest, thumbnail
from draem_core.data.masks import lost_regions, regions_below_a_pixel
from draem_core.diagnostics import Evidence, Finding, diagnose
from draem_core.disk import Stamp
from draem_core.errors import ImageError
from draem_core.formatting import counted, is_text
from draem_core.inference import Predictor
from draem_core.inference.precision import Precision
from draem_core.render import COLORMAP
from draem_core.types import Prediction
from pages._ui.common.byte_cache import MB, cached_by_bytes
from pages._ui.components.viewer import pack
from pages._ui.frame.paths import checkpoint_folder, dataset_roots, run_folder, short_name

Signature = tuple[tuple[str, Stamp], ...]  # names and stamps of files
MaskStamps = tuple[Stamp | None, ...]

EXAMINED = 3  # images of each kind that tell whether a checkpoint has collapsed

SCORE_RULES = {"max": "max of the map", "max_of_mean21": "max of the map's 21×21 mean"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to look at: ``pixels`` (h, w, 3) uint8 RGB, and the dataset's sample where it is one.

    note: a sentence where it is read too dark, else empty.
    """

    name: str
    pixels: np.ndarray
    digest: str
    sample: Sample | None = None
    note: str = ""


@st.cache_resource(show_spinner=False)
def freeze_gc(page: str) -> None:
    """Exempt what ``page`` has loaded by its end from garbage collection, which Streamlit runs after every rerun.

    Works once for each page: 170 ms a rerun → 20.
    """
    gc.collect()
    gc.freeze()


@st.cache_data(ttl=10, show_spinner=False)
def checkpoint_files() -> list[Path]:
    """Return every checkpoint file: bundled and uploaded ones first, then those of the run folders."""
    return [*list_checkpoints(checkpoint_folder()), *list_checkpoints(run_folder())]


@st.cache_data(ttl=10, show_spinner=False)
def dataset_folders() -> list[Path]:
    """Return every category folder below the dataset roots."""
    found = [folder for root in dataset_roots() if root.is_dir() for folder in find_datasets(root)]
    return [folder for folder in found if is_text(short_name(folder))]


@st.cache_data(ttl=30, show_spinner=False)
def unreadable_names_note() -> str:
    """Return a sentence about names of datasets, checkpoints and runs that no page can show; empty without any."""
    roots = [*dataset_roots(), checkpoint_folder(), run_folder()]
    own = [str(root) for root in roots if not is_text(root)]
    names = [*own, *(name for root in roots if root.is_dir() for name in unreadable_names(root))]
    return unreadable_note(names) if names else ""


@st.cache_resource(ttl=60, max_entries=16, show_spinner=False)
def dataset(folder: Path) -> Dataset:
    """Open a dataset; raises DatasetError."""
    return open_dataset(folder)


def predictor(checkpoint: Path, device: str, precision: Precision) -> Predictor:
    """Load a checkpoint onto a device, once for all sessions; raises CheckpointError and DraemError."""
    return _predictor(str(checkpoint), _signature(checkpoint), device, precision)


@st.cache_resource(max_entries=4, show_spinner="Loading the checkpoint and checking its precision …")
def _predictor(checkpoint: str, signature: Signature, device: str, precision: Precision) -> Predictor:
    loaded = Predictor(load_checkpoint(checkpoint), device=device, precision=precision)
    gc.collect()
    gc.freeze()
    return loaded


def _signature(checkpoint: Path) -> Signature:
    """Return name, size and time of the file and of its companions (a pair's other half, other parts, a JSON card)."""
    companions = sorted(checkpoint.parent.glob(f"{glob.escape(name_of(checkpoint))}*"))
    return tuple((path.name, Stamp.of(path)) for path in companions if is_text(path.name))


def dataset_picture(sample: Sample) -> Picture:
    """Read a dataset's picture; raises ImageError."""
    return _dataset_picture(sample, Stamp.of_or_none(sample.path))


@cached_by_bytes(512 * MB)
def _dataset_picture(sample: Sample, stamp: Stamp | None) -> Picture:
    return _picture(sample.name, *read_with_highest(sample.path), sample)


def uploaded_picture(name: str, content: bytes) -> Picture:
    """Read an uploaded picture; raises ImageError."""
    return _uploaded_picture(name, hashlib.blake2b(content, digest_size=16).hexdigest(), content)


@cached_by_bytes(512 * MB)
def _uploaded_picture(name: str, digest: str, _content: bytes) -> Picture:
    return _picture(name, *read_with_highest(_content, name=name), None)


def _picture(name: str, pixels: np.ndarray, highest: int | None, sample: Sample | None) -> Picture:
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=16)
    digest.update(str(pixels.shape).encode())
    note = depth_note([highest], f"{name} holds") or ""
    return Picture(name, pixels, digest.hexdigest(), sample, note)


def prediction(predictor: Predictor, picture: Picture) -> Prediction:
    """Run the network on a picture, once for all sessions; raises DraemError where no finite map comes out."""
    return _prediction(_predictor_key(predictor), picture.digest, predictor, picture)


@cached_by_bytes(512 * MB, show_spinner="Running the network …")  # 38 MB each at 1024 × 1024
def _prediction(predictor_key: str, digest: str, _predictor: Predictor, _picture: Picture) -> Prediction:
    return _predictor.predict(_picture.pixels, _picture.name)


def findings(checkpoint: Path, predictor: Predictor, dataset: Dataset) -> tuple[Finding, ...]:
    """Return what is wrong with a checkpoint, evaluated on a few good and a few defect images of a dataset."""
    few = [[sample for sample in dataset.samples if sample.label == label][:EXAMINED] for label in (0, 1)]
    samples = tuple(few[0] + few[1])
    return _findings(str(checkpoint), _signature(checkpoint), _predictor_key(predictor), samples, predictor)


@st.cache_resource(max_entries=32, show_spinner="Looking for signs of a collapse …")
def _findings(
    checkpoint: str, signature: Signature, predictor_key: str, samples: tuple[Sample, ...], _predictor: Predictor
) -> tuple[Finding, ...]:
    pictures, labels = [], []
    for sample in samples:
        try:
            pictures.append(read_image(sample.path))
        except ImageError:
            continue
        labels.append(sample.label)
    if not pictures:
        return ()
    return diagnose(Evidence.of_checkpoint(load_checkpoint(checkpoint), _predictor, pictures, labels))


def gt_mask(picture: Picture, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the picture's ground truth (H, W) bool on the map's grid, None where there is none; raises ImageError."""
    sample = picture.sample
    if sample is None or sample.label is None:
        return None
    return _gt_mask(sample, shape, _mask_stamps(sample))


@cached_by_bytes(128 * MB)
def _gt_mask(sample: Sample, shape: tuple[int, int], stamps: MaskStamps) -> np.ndarray | None:
    return read_mask(sample, shape)


def _mask_stamps(sample: Sample) -> MaskStamps:
    return tuple(Stamp.of_or_none(path) for path in sample.mask_paths)


def grid_notes(picture: Picture, grid: tuple[int, int]) -> tuple[str, ...]:
    """Return sentences about what a picture and its mask lose on the way to the map's ``grid`` (H, W)."""
    times = reduction(picture.pixels.shape[:2], grid)
    notes = []
    if times > STRONG_REDUCTION:
        notes.append(
            f"The picture is reduced {times:.3g} times to the map's {grid[0]} × {grid[1]} grid: a defect of less than "
            f"{times:.0f} pixels across may leave no trace."
        )
    if picture.sample is not None and picture.sample.label == 1:
        with suppress(ImageError):  # told where the mask itself is read
            notes += _lost_defects(picture.sample, grid, _mask_stamps(picture.sample))
    return tuple(notes)


@st.cache_resource(max_entries=256, show_spinner=False)
def _lost_defects(sample: Sample, grid: tuple[int, int], stamps: MaskStamps) -> list[str]:
    mask = read_full_mask(sample, grid)
    if mask is None:
        return []
    lost, small = lost_regions(mask, grid), regions_below_a_pixel(mask, grid)
    notes = []
    if small:
        notes.append(
            f"{counted(small, 'defect')} of the mask {'is' if small == 1 else 'are'} smaller than one map pixel."
        )
    if lost:
        notes.append(
            f"{counted(lost, 'defect')} of the mask {'has' if lost == 1 else 'have'} no pixel on the map's {grid[0]} × "
            f"{grid[1]} grid, so the outline does not show {'it' if lost == 1 else 'them'}."
        )
    return notes


def payload(predictor: Predictor, picture: Picture, truth: np.ndarray | None) -> bytes:
    """Return what the viewer shows of a picture and its ground truth."""
    truth_key = "" if truth is None else hashlib.blake2b(truth.tobytes(), digest_size=16).hexdigest()
    return _payload(_predictor_key(predictor), picture.digest, picture.name, truth_key, predictor, picture, truth)


@cached_by_bytes(512 * MB)
def _payload(
    predictor_key: str,
    digest: str,
    name: str,
    truth_key: str,
    _predictor: Predictor,
    _picture: Picture,
    _truth: np.ndarray | None,
) -> bytes:
    predicted = prediction(_predictor, _picture)
    return pack(
        _picture.pixels,
        predicted.reconstruction,
        predicted.anomaly_map,
        colormap=COLORMAP,
        image_score=predicted.image_score,
        score_rule=SCORE_RULES[_predictor.card.score_rule],
        title=name,
        gt_mask=_truth,
    )


def thumbnail_url(path: Path, side: int = 72) -> str:
    """Return a small picture of a file as a data URL, empty where the file cannot be read."""
    try:
        return _thumbnail_url(str(path), Stamp.of(path), side)
    except OSError:
        return ""


@st.cache_data(max_entries=4096, show_spinner=False)
def _thumbnail_url(path: str, stamp: Stamp, side: int) -> str:
    try:
        small = thumbnail(path, side)
    except ImageError:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"


def _predictor_key(predictor: Predictor) -> str:
    """Name everything that a prediction depends on besides the picture."""
    return f"{predictor.card.model_dump_json()} {predictor.device} {predictor.precision}"
