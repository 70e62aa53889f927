"""Masks as files: one PNG, and a ZIP of a whole dataset's.

Makes one mask at a time, so they need not fit into memory together.
"""

import zipfile
from typing import BinaryIO

import numpy as np

from draem_core.data.images import encode_png
from draem_core.recipe import recipe_json
from draem_core.report.content import Report
from draem_core.report.names import FileNames
from draem_core.report.tables import verdicts_csv


def mask_png(mask: np.ndarray) -> bytes:
    """Return a mask (H, W) bool as a grey PNG: 255 where flagged, else 0."""
    return encode_png(mask.astype(np.uint8) * 255)


def write_mask_archive(report: Report, file: BinaryIO) -> None:
    """Write a ZIP: masks/NAME.png on the map's grid in the order of the images, verdicts.csv and recipe.json."""
    names = FileNames()
    with zipfile.ZipFile(file, "w") as archive:
        for index, image in enumerate(report.images):
            _add(archive, f"masks/{names.next(image.name)}.png", mask_png(report.mask(index)), zipfile.ZIP_STORED)
        _add(archive, "verdicts.csv", verdicts_csv(report), zipfile.ZIP_DEFLATED)
        _add(archive, "recipe.json", recipe_json(report.recipe), zipfile.ZIP_DEFLATED)


def _add(archive: zipfile.ZipFile, name: str, content: bytes, compression: int) -> None:
    """Add a file without a date, so that the same masks give the same archive."""
    archive.writestr(zipfile.ZipInfo(name), content, compression)
