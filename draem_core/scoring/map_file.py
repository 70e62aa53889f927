"""A ``.npy`` file of anomaly maps that grows row by row and is read row by row.

Written with plain writes, for a full disk then is an OSError; through a memory map it would end the process.
Knows neither pictures nor scores.
"""

import io
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np


class MapFile:
    """Maps (rows, H, W) float32 at ``path``; `seal` puts the header before them."""

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, shape
        self._start = len(_header(0, shape))
        self._row_bytes = 4 * shape[0] * shape[1]

    @property
    def rows(self) -> float:
        """How many rows the file's size is; not whole where the last one was cut short, 0 where there is no file."""
        if not self.path.is_file():
            return 0
        return (self.path.stat().st_size - self._start) / self._row_bytes

    def __getitem__(self, row: int) -> np.ndarray:
        """Return one map (H, W) float32; what was read earlier is not held. Raises IndexError past the end, OSError."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._start + row * self._row_bytes)
            content = file.read(self._row_bytes)
        if len(content) < self._row_bytes:
            raise IndexError(f"{self.path} has no row {row}")
        return np.frombuffer(content, np.float32).reshape(self.shape)

    def write(self, row: int, anomaly_map: np.ndarray) -> None:
        """Put a map (H, W) at ``row``, making the file where there is none. Raises OSError."""
        with self.path.open("r+b" if self.path.exists() else "x+b", buffering=0) as file:
            _write_at(file, self._start + row * self._row_bytes, anomaly_map.astype("<f4").tobytes())

    def seal(self, rows: int) -> None:
        """Cut the file after ``rows`` and write the header: from now on it is what ``np.load`` expects."""
        with self.path.open("r+b", buffering=0) as file:
            file.truncate(self._start + rows * self._row_bytes)
            _write_at(file, 0, _header(rows, self.shape))
            os.fsync(file.fileno())


def write_maps(file: BinaryIO, rows: int, shape: tuple[int, int], maps: Iterable[np.ndarray]) -> None:
    """Write a whole ``.npy`` of ``rows`` maps (H, W) = ``shape``, one at a time."""
    file.write(_header(rows, shape))
    for anomaly_map in maps:
        file.write(anomaly_map.astype("<f4").tobytes())


def checksum(anomaly_map: np.ndarray) -> int:
    """Return the CRC-32 of a map's float32 values."""
    return zlib.crc32(anomaly_map.astype("<f4").tobytes())


def _header(rows: int, shape: tuple[int, int]) -> bytes:
    """Return a ``.npy`` header; NumPy pads it so that it is equally long for any number of rows."""
    buffer = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": (rows, *shape)}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def _write_at(file: io.FileIO, offset: int, content: bytes) -> None:
    file.seek(offset)
    rest = memoryview(content)
    while rest:  # one write may take a part only
        rest = rest[file.write(rest) :]
