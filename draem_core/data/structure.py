"""How a picture file is put together, counted before it is decoded: chunks, markers, scans, pages, strips.

A decoder spends time on each of them however few pixels there are, so a small file could keep it busy for hours.
No pixel is decoded here, and what is merely damaged is left to the decoders to tell.
"""

import os
import re
import struct
from typing import BinaryIO

from draem_core.errors import ImageError

MAX_PNG_CHUNKS = 100_000
"""100 megapixels of 16-bit colour in the usual chunks of 8 KB are 73,000."""

MAX_PNG_NOTES = 500
"""Chunks beside the pixel data: texts, profiles, times."""

MAX_JPEG_SCANS = 64
"""Progressive pictures have about 10; each scan goes over the whole picture."""

MAX_JPEG_MARKERS = 10_000
"""Segments, and stray bytes between them, restarts within a scan aside; a colour profile takes up to 255."""

MAX_TIFF_PAGES = 100
"""Reduced copies and masks included."""

MAX_TIFF_STRIPS = 500_000
"""100 megapixels in tiles of 16 × 16 are 390,000."""

_PIXEL_CHUNKS = (b"IDAT", b"fdAT", b"fcTL")
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STRIP_TAGS = (273, 279, 324, 325)  # offsets and byte counts of strips, of tiles
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # TIFF's; else 1


def check_structure(file: BinaryIO, kind: str, label: str) -> None:
    """Raise ImageError where a PNG, JPEG or TIFF has more parts than any real picture; the position stays.

    Raises EOFError or struct.error where the file ends too early.
    """
    check = {"PNG": _check_png, "JPEG": count_jpeg_scans, "TIFF": _check_tiff}.get(kind)
    if check is not None:
        resume = file.tell()
        check(file, label)
        file.seek(resume)


def _check_png(file: BinaryIO, label: str) -> None:
    file.seek(8)
    chunks = notes = 0
    while len(head := file.read(8)) == 8:
        chunks += 1
        notes += head[4:] not in _PIXEL_CHUNKS
        _check_count(chunks, MAX_PNG_CHUNKS, "chunks", label)
        _check_count(notes, MAX_PNG_NOTES, "chunks beside its pixel data", label)
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)


def count_jpeg_scans(file: BinaryIO, label: str) -> int:
    """Return how many scans a JPEG has, from its start to its end mark; raises ImageError above the limits."""
    data = file.read()
    at, markers, scans = 2, 0, 0
    while 0 <= (start := data.find(b"\xff", at)) < len(data) - 1:
        markers += 1 + start - at  # the decoder tries every byte in between
        _check_count(markers, MAX_JPEG_MARKERS, "markers", label)
        marker = data[start + 1]
        at = start + 2
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # fill bytes, and markers without a segment
            at -= marker == 0xFF
            continue
        if marker == 0xD9:  # the end; a phone's second picture may follow
            return scans
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == 0xDA:
            scans += 1
            _check_count(scans, MAX_JPEG_SCANS, "scans", label)
            found = _MARKER_IN_SCAN.search(data, at)
            if found is None:
                return scans
            at = found.start()
    return scans


def _check_tiff(file: BinaryIO, label: str) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = head[2:4] in (b"\x2b\x00", b"\x00\x2b")
    entries_format, entry_format, offset_format = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "I")
    entry_bytes, inline = (20, 8) if is_big else (12, 4)
    (offset,) = struct.unpack_from(order + offset_format, head, 8 if is_big else 4)
    pages = 0
    while 0 < offset < size:
        pages += 1
        if pages > MAX_TIFF_PAGES:
            raise ImageError(f"{label} holds more than one page; split it into one file a page (it has hundreds).")
        file.seek(offset)
        (entries,) = struct.unpack(order + entries_format, file.read(struct.calcsize(entries_format)))
        if entries > 4096:
            raise ImageError(f"{label} holds {entries:,} tags, more than any picture; export it again.")
        table = file.read(entries * entry_bytes)
        values = 0
        for code, kind, count, _ in struct.iter_unpack(order + entry_format, table):
            if code in _STRIP_TAGS:
                _check_count(count, MAX_TIFF_STRIPS, "strips", label)
            length = count * _TYPE_BYTES.get(kind, 1)
            values += length if length > inline else 0
        if values > size:
            raise ImageError(f"{label} holds tags longer than the file itself; export it again.")
        (offset,) = struct.unpack(order + offset_format, file.read(struct.calcsize(offset_format)))


def _check_count(number: int, limit: int, parts: str, label: str) -> None:
    if number > limit:
        raise ImageError(f"{label} has more than {limit:,} {parts}, no picture needs so many; export it again.")
