"""Anomaly sources: the built-in ones and a folder's."""

import numpy as np
import pytest
import torch
from PIL import Image

from draem_core.data.pictures import load_pictures
from draem_core.data.textures import BUILT_IN, CROPS_PER_PICTURE, PATTERNS, load_textures
from draem_core.errors import DatasetError, ImageError


def test_built_in_textures_differ_and_repeat():
    textures = load_textures(None, (32, 48), seed=1)
    assert textures.shape == (len(BUILT_IN) * CROPS_PER_PICTURE + PATTERNS, 3, 32, 48)
    assert textures.dtype == torch.uint8
    assert len(torch.unique(textures.flatten(1), dim=0)) > 0.97 * len(textures)
    assert torch.equal(textures, load_textures(None, (32, 48), seed=1))


def test_a_folder_is_searched_and_a_broken_texture_skipped(tmp_path):
    (tmp_path / "deep").mkdir()
    Image.fromarray(np.full((10, 10), 77, np.uint8)).save(tmp_path / "deep" / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"no")
    textures = load_textures(tmp_path, (32, 32))
    assert textures.shape == (1, 3, 32, 32)
    assert textures.unique().tolist() == [77]


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="no readable picture"):
        load_textures(tmp_path, (32, 32))


def test_pictures_become_one_tensor_in_order(tmp_path):
    paths = [tmp_path / f"{level}.png" for level in (200, 10)]
    for path in paths:
        Image.fromarray(np.full((40, 20, 3), int(path.stem), np.uint8)).save(path)
    pictures = load_pictures(paths, (32, 32))
    assert pictures.shape == (2, 3, 32, 32)
    assert pictures.flatten(1).float().mean(1).tolist() == [200.0, 10.0]
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"bad\.png"):
        load_pictures([tmp_path / "bad.png"], (32, 32))
