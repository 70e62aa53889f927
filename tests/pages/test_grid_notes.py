"""What Explore says of a picture and its mask that lose something on the way to the map's grid."""

from pathlib import Path

import numpy as np
from PIL import Image

from draem_core.data.datasets import Sample
from pages._ui.common.library import Picture, grid_notes

GRID = 64, 96


def picture(height: int, width: int, sample: Sample | None = None) -> Picture:
    return Picture("a.png", np.zeros((height, width, 3), np.uint8), "digest", sample)


def test_strong_reduction_is_said() -> None:
    assert grid_notes(picture(512, 768), GRID) == ()
    assert grid_notes(picture(512, 960), GRID) == (
        "The picture is reduced 10 times to the map's 64 × 96 grid: a defect of less than 10 pixels across may leave "
        "no trace.",
    )


def test_defects_that_vanish_or_are_smaller_than_a_map_pixel_are_said(tmp_path: Path) -> None:
    """5 × 5 picture pixels a map pixel, whose centres lie at 2, 7, 12 …"""
    mask = np.zeros((320, 480), np.uint8)
    mask[0, 0] = mask[2, 20] = 1  # the second lies under no centre either: columns 17 and 22
    mask[100:200, 8:12] = 1  # a long scratch between the centres 7 and 12
    mask[50:90, 50:90] = 1
    Image.fromarray(mask).save(tmp_path / "m.png")
    sample = Sample(tmp_path / "a.png", "test", "scratch", 1, tmp_path / "m.png", "a.png")
    assert grid_notes(picture(320, 480, sample), GRID) == (
        "2 defects of the mask are smaller than one map pixel.",
        "3 defects of the mask have no pixel on the map's 64 × 96 grid, so the outline does not show them.",
    )
    (tmp_path / "m.png").write_bytes(b"broken")
    assert grid_notes(picture(320, 480, sample), GRID) == ()
