"""Textures, samples and predictions that the Synthetic page works on, shared by all sessions where they are equal."""

import hashlib
from pathlib import Path

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from draem_core.data.datasets import Dataset
from draem_core.data.textures import load_textures
from draem_core.disk import Stamp
from draem_core.errors import DraemError
from draem_core.inference import Predictor
from draem_core.inference.resize import resize_picture
from draem_core.scoring.keys import network_key
from draem_core.synthesis.sample import AnomalySource, SyntheticSample, make_sample, mask_shares
from draem_core.types import Prediction
from pages._ui.common import library
from pages._ui.common.byte_cache import MB, cached_by_bytes
from pages._ui.common.library import Picture
from pages._ui.common.source import select_image
from pages._ui.common.texture_folders import texture_folders
from pages._ui.components.sample_grid import SampleGrid, Thumbnail, shrunk
from pages._ui.components.synthetic_view import Sources, SyntheticSettings, SyntheticView
from pages._ui.components.synthetic_view.card import as_picture
from pages._ui.frame.paths import home
from pages._ui.frame.shell import Workspace
from pages._ui.texts import text

GRID_SAMPLES = 24
AREAS_DRAWN = 300


def select_good_image(dataset: Dataset | None) -> None:
    """Make a good picture the session's, of the test set where it has one; nothing where there is none."""
    samples = [] if dataset is None else [one for one in dataset.test or dataset.samples if one.label == 0]
    if samples:
        select_image(samples[0].name)


def compute_view(workspace: Workspace, picture: Picture, settings: SyntheticSettings) -> SyntheticView:
    """Make the sample, run the network on it where that was not done before, and apply the mask's rule.

    Raises:
        DraemError: a folder of textures cannot be used, or the network's output is not finite.
    """
    predictor = workspace.predictor
    size = predictor.card.input_size
    textures = _textures_of(settings.textures, size)
    sample = make_sample(_good(picture, predictor), textures, settings.seed, settings.kind, settings.hand)
    return SyntheticView(
        title=picture.name,
        settings=settings,
        sources=Sources(_folders(), len(textures)),
        sample=sample,
        prediction=_prediction(predictor, picture.name, sample),
        rule=settings.post_process,
        score_rule=text(f"score_rule.{predictor.card.score_rule}"),
    )


def sample_grid(workspace: Workspace, picture: Picture, settings: SyntheticSettings) -> SampleGrid:
    """Make the 24 samples among which the present seed's is, nothing set by hand.

    Raises:
        DraemError: a folder of textures cannot be used.
    """
    predictor = workspace.predictor
    size = predictor.card.input_size
    first = settings.seed // GRID_SAMPLES * GRID_SAMPLES
    good, textures = _good(picture, predictor), _textures_of(settings.textures, size)
    stamp = Stamp.of_or_none(home() / settings.textures) if settings.textures else None
    key = f"{picture.digest} {predictor.card.resize_filter} {size} {settings.textures} {stamp}"
    thumbnails = _thumbnails(key, first, settings.kind, good, textures)
    return SampleGrid(first, settings.seed, thumbnails)


def areas(workspace: Workspace, settings: SyntheticSettings) -> np.ndarray:
    """Return the shares of the pixels that many drawn masks cover, (N,) float64, clean samples aside."""
    return _areas(workspace.predictor.card.input_size, settings.kind)


def _good(picture: Picture, predictor: Predictor) -> Tensor:
    """Return the picture as training would give it to the synthesis, (3, H, W) float32 in [0, 1]."""
    pixels = resize_picture(picture.pixels, predictor.card.input_size, predictor.card.resize_filter)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _folders() -> tuple[str, ...]:
    return tuple(texture_folders(library.dataset_folders()))


def _textures_of(name: str, size: tuple[int, int]) -> Tensor:
    """Return the anomaly sources of a folder that is offered, or the built-in ones; raises DatasetError."""
    if not name:
        return _textures(None, None, size)
    if name not in _folders():
        raise DraemError(text("synthetic.no_such_folder", name=name))
    folder = home() / name
    return _textures(folder, Stamp.of_or_none(folder), size)


@cached_by_bytes(512 * MB)  # 31 MB each at 256 × 256, up to 400 MB for a large folder
def _textures(folder: Path | None, stamp: Stamp | None, size: tuple[int, int]) -> Tensor:
    return load_textures(folder, size)


def _prediction(predictor: Predictor, name: str, sample: SyntheticSample) -> Prediction:
    """Run the network on the sample as an 8-bit picture, which is what any real picture would be."""
    shown = as_picture(sample.corrupted)
    key = f"{network_key(predictor)} {hashlib.blake2b(shown.tobytes(), digest_size=16).hexdigest()}"
    return _predicted(key, predictor, name, shown)


@cached_by_bytes(256 * MB)
def _predicted(key: str, _predictor: Predictor, _name: str, _shown: np.ndarray) -> Prediction:
    return _predictor.predict(_shown, _name)


@cached_by_bytes(64 * MB)
def _thumbnails(key: str, first: int, kind: AnomalySource, _good: Tensor, _textures: Tensor) -> tuple[Thumbnail, ...]:
    samples = (make_sample(_good, _textures, seed, kind) for seed in range(first, first + GRID_SAMPLES))
    return tuple(shrunk(sample) for sample in samples)


@st.cache_resource(max_entries=8, show_spinner=False)
def _areas(size: tuple[int, int], kind: AnomalySource) -> np.ndarray:
    return mask_shares(AREAS_DRAWN, size, kind).numpy()
