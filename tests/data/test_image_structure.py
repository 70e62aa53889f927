"""Files that would cost time or memory beyond their pixels, and fax data that is no picture: refused, or read frugally.

Nothing here measures time: what is counted is chunks, markers, scans, pages and strips, and the memory of a process.
"""

import itertools
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from draem_core.data import structure
from draem_core.data.images import encode_png, image_size, read_image
from draem_core.errors import ImageError

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
PNG_START = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(data, name="odd")
    return str(caught.value)


# --- counted parts ------------------------------------------------------------------------------------------------


def png_in_chunks(chunks: int) -> bytes:
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in PICTURE))
    cuts = np.linspace(0, len(packed), chunks + 1).astype(int)
    data = b"".join(chunk(b"IDAT", packed[a:b]) for a, b in itertools.pairwise(cuts))
    header = struct.pack(">IIBBBBB", 30, 20, 8, 2, 0, 0, 0)
    return PNG_START + chunk(b"IHDR", header) + data + chunk(b"IEND")


def test_a_png_of_too_many_chunks_is_refused_and_one_at_the_limit_read(monkeypatch):
    monkeypatch.setattr(structure, "MAX_PNG_CHUNKS", 40)
    np.testing.assert_array_equal(read_image(png_in_chunks(38)), PICTURE)  # and IHDR, IEND
    assert refusal(png_in_chunks(39)).startswith("odd has more than 40 chunks")
    with pytest.raises(ImageError, match="more than 40 chunks"):
        image_size(png_in_chunks(39))


def test_a_png_of_millions_of_chunks_is_refused_by_the_real_limit():
    whole = encode_png(PICTURE)
    assert "more than 100,000 chunks" in refusal(whole[:-12] + chunk(b"IDAT") * 2_000_000 + whole[-12:])
    assert "more than 500 chunks beside its pixel data" in refusal(
        whole[:33] + chunk(b"tEXt", b"a\0b") * 2000 + whole[33:]
    )


def progressive(extra_scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again before the end."""
    data = saved(Image.fromarray(PICTURE), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * extra_scans + data[-2:]


def test_a_jpeg_of_thousands_of_scans_is_refused():
    scans = progressive(0).count(b"\xff\xda")
    assert read_image(progressive(0)).shape == PICTURE.shape
    assert read_image(progressive(structure.MAX_JPEG_SCANS - scans)).shape == PICTURE.shape
    assert "odd has more than 64 scans" in refusal(progressive(structure.MAX_JPEG_SCANS - scans + 1))
    assert "odd has more than 64 scans" in refusal(progressive(5000))


def test_scans_of_an_embedded_thumbnail_are_not_the_pictures():
    plain = saved(Image.fromarray(PICTURE), "JPEG")
    thumbnails = b"\xff\xda" * 100
    held = plain[:2] + b"\xff\xe5" + struct.pack(">H", 2 + len(thumbnails)) + thumbnails + plain[2:]
    assert read_image(held).shape == PICTURE.shape


@pytest.mark.parametrize("filler", [b"\xff", b"\x00", b"\xff\x00", b"\xff\xfe\x00\x02"])
def test_a_jpeg_of_endless_markers_is_refused(filler):
    plain = saved(Image.fromarray(PICTURE), "JPEG")
    assert read_image(plain[:20] + filler * 100 + plain[20:]).shape == PICTURE.shape
    assert "more than 10,000 markers" in refusal(plain[:20] + filler * 1_000_000 + plain[20:])


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_tiff_of_many_pages_is_refused_though_each_says_it_is_a_reduced_copy(bigtiff):
    def pages(number: int) -> bytes:
        buffer = BytesIO()
        with tifffile.TiffWriter(buffer, bigtiff=bigtiff) as writer:
            writer.write(PICTURE, photometric="rgb")
            for _ in range(number - 1):
                writer.write(PICTURE[:1, :1], photometric="rgb", subfiletype=1)
        return buffer.getvalue()

    np.testing.assert_array_equal(read_image(pages(100)), PICTURE)
    assert "odd holds more than one page" in refusal(pages(101))


def test_a_tiff_of_300_000_pages_is_refused():
    page = struct.pack("<H", 0)  # a page of no tags, whose end points to the next one
    pages = b"".join(page + struct.pack("<I", 8 + 6 * (index + 1)) for index in range(300_000))
    assert "odd holds more than one page" in refusal(b"II*\0" + struct.pack("<I", 8) + pages)


def test_a_tiff_in_circles_of_pages_ends():
    assert "odd holds more than one page" in refusal(b"II*\0" + struct.pack("<IHI", 8, 0, 8))


def test_a_tiff_of_too_many_strips_or_tags_is_refused(monkeypatch):
    buffer = BytesIO()
    tifffile.imwrite(buffer, PICTURE, rowsperstrip=1, photometric="rgb")
    np.testing.assert_array_equal(read_image(buffer.getvalue()), PICTURE)
    monkeypatch.setattr(structure, "MAX_TIFF_STRIPS", 19)
    assert "odd has more than 19 strips" in refusal(buffer.getvalue())
    entry = struct.pack("<HHII", 65000, 1, 10_000, 0)
    overlapping = b"II*\0" + struct.pack("<IH", 8, 4000) + entry * 4000 + bytes(4)
    assert "odd holds tags longer than the file itself" in refusal(overlapping + bytes(20_000))


# --- strips and tiles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 7},
        {"tile": (16, 32)},
        {"compression": "zlib"},
        {"compression": "zlib", "rowsperstrip": 7, "predictor": 2},
        {"compression": "zlib", "tile": (16, 16)},
        {"planarconfig": "separate", "rowsperstrip": 3},
        {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"},
    ],
    ids=str,
)
def test_strips_and_tiles_of_every_kind_give_the_same_picture(dtype, order, options, monkeypatch):
    monkeypatch.setattr("draem_core.data.strips._AT_ONCE", 1000)  # a few rows at a time
    monkeypatch.setattr("draem_core.data.samples._PIECE", 70)
    if dtype in (np.float32, np.float64):
        if options.get("predictor"):
            pytest.skip("tifffile writes no horizontal predictor for floats")
        samples = (PICTURE / 255).astype(dtype)
    else:
        samples = PICTURE.astype(dtype) * (257 if dtype == np.uint16 else 1)
    if options.get("planarconfig"):
        samples = np.ascontiguousarray(np.moveaxis(samples, -1, 0))
    buffer = BytesIO()
    tifffile.imwrite(buffer, samples, byteorder=order, photometric="rgb", **options)
    np.testing.assert_array_equal(read_image(buffer.getvalue()), PICTURE)


def test_a_missing_strip_is_said():
    buffer = BytesIO()
    tifffile.imwrite(buffer, PICTURE, rowsperstrip=10, photometric="rgb", metadata=None)
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        offsets = file.pages.first.tags["StripOffsets"].valueoffset
    data[offsets + 4 : offsets + 8] = bytes(4)
    assert "a strip of the picture is missing" in refusal(bytes(data))


# --- memory -------------------------------------------------------------------------------------------------------

MEASURE = """
import resource, sys
from draem_core.data.images import read_image
small, large = sys.argv[1:]
read_image(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
height, width, _ = read_image(large).shape
unit = 1 if sys.platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / (height * width))
"""


def big_and_small(kind: str, side: int) -> bytes:
    """A picture that takes few bytes on disk, side × side."""
    ramp = np.broadcast_to(np.arange(side, dtype=np.float64), (side, side))
    grey16 = np.broadcast_to(np.arange(side).astype(np.uint16), (side, side))
    if kind.startswith("TIFF"):
        buffer = BytesIO()
        array = ramp if "float64" in kind else grey16
        tifffile.imwrite(buffer, array, compression="zlib", rowsperstrip=side)
        return buffer.getvalue()
    if kind == "PNG 16":
        return saved(Image.fromarray(grey16.copy()), "PNG", compress_level=1)
    rgb = Image.fromarray(np.repeat(grey16.astype(np.uint8)[..., None], 3, axis=2))
    options = {"progressive": True, "subsampling": 0} if "progressive" in kind else {"lossless": "lossless" in kind}
    return saved(rgb, kind.split()[0], **options)


@pytest.mark.parametrize(
    ("kind", "decoded", "above"),
    [
        ("TIFF float64", 8, 6),
        ("TIFF uint16", 2, 6),
        ("PNG 16", 2, 6),
        ("PNG", 3, 6),
        ("JPEG", 3, 6),
        ("BMP", 3, 6),
        ("JPEG progressive", 3, 7),
        ("WEBP", 3, 13),
        ("WEBP lossless", 3, 13),
    ],
)
def test_reading_takes_at_most_so_many_bytes_a_pixel_above_the_decoded_one(kind, decoded, above, tmp_path):
    pytest.importorskip("resource")
    paths = []
    for side in (200, 3000):
        paths.append(tmp_path / str(side))
        paths[-1].write_bytes(big_and_small(kind, side))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    file_bytes = paths[1].stat().st_size / 3000**2  # a JPEG's markers are counted on the whole file
    assert float(done.stdout) <= decoded + above + file_bytes


@pytest.mark.parametrize(
    ("options", "colours", "least"),  # least: the limit at which 600 pixels are read, 600 × bytes a pixel / 6
    [
        ({"format": "WEBP"}, "RGB", 1300),
        ({"format": "WEBP", "lossless": True}, "RGB", 1300),
        ({"format": "JPEG"}, "RGB", 600),
        ({"format": "JPEG", "subsampling": 0}, "RGB", 600),
        ({"format": "JPEG", "progressive": True, "subsampling": 2}, "RGB", 600),  # 4 + 2 · 1.5 - 3 = 4 bytes
        ({"format": "JPEG", "progressive": True, "subsampling": 0}, "RGB", 700),  # 4 + 2 · 3 - 3 = 7
        ({"format": "JPEG", "progressive": True, "subsampling": 0}, "CMYK", 900),  # 4 + 2 · 4 - 3 = 9
        ({"format": "JPEG", "progressive": True}, "L", 600),  # 1 + 2 - 1 = 2
        ({"format": "PNG"}, "RGB", 600),
    ],
)
def test_what_takes_more_than_6_bytes_a_pixel_is_read_up_to_fewer_pixels(options, colours, least):
    buffer = BytesIO()
    Image.fromarray(PICTURE).convert(colours).save(buffer, **options)
    assert read_image(buffer.getvalue(), max_pixels=least).shape == PICTURE.shape
    with pytest.raises(ImageError, match=r"odd is 30 × 20 pixels .* million.*DRAEM_MAX_IMAGE_MPIX"):
        read_image(buffer.getvalue(), name="odd", max_pixels=least - 1)


def test_the_limit_of_such_files_names_the_way_out():
    with pytest.raises(ImageError, match="Save it as PNG or as a JPEG that is not progressive"):
        read_image(saved(Image.fromarray(PICTURE), "WEBP"), max_pixels=1299)


# --- fax ----------------------------------------------------------------------------------------------------------


def fax(data: bytes, compression: int, width: int = 64, height: int = 64) -> bytes:
    """A one-strip TIFF with nothing but what it must have: 122 bytes, and the data."""
    tags = [(256, width), (257, height), (258, 1), (259, compression), (262, 0), (273, 122), (277, 1), (278, height)]
    tags.append((279, len(data)))
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


@pytest.mark.parametrize("compression", [2, 3, 4])
@pytest.mark.parametrize("length", [8, 24, 300])
def test_junk_in_a_fax_tiff_is_no_picture(compression, length):
    junk = np.random.default_rng(length).bytes(length)
    assert len(fax(bytes(24), 4)) == 146
    assert "odd is damaged" in refusal(fax(junk, compression))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("orientation", [1, 6])
def test_fax_pictures_are_read(compression, photometric, orientation):
    bits = PICTURE[..., 0] > 128
    page = Image.fromarray(bits)
    tags = {262: photometric, 278: 6, 274: orientation}
    upright = bits if orientation == 1 else np.rot90(bits, -1)
    np.testing.assert_array_equal(
        read_image(saved(page, "TIFF", compression=compression, tiffinfo=tags))[..., 0] > 0, upright
    )


def test_group_4_without_its_end_mark_is_a_picture_all_the_same():
    data = saved(Image.fromarray(PICTURE[..., 0] > 128), "TIFF", compression="group4", tiffinfo={278: 20})
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        offset, length = page.dataoffsets[0], page.databytecounts[0]
        at = page.tags["StripByteCounts"].valueoffset
    bits = "".join(f"{byte:08b}" for byte in data[offset : offset + length]).rstrip("0")
    assert bits.endswith("000000000001" * 2)
    bits = bits[:-24].ljust(-(-len(bits[:-24]) // 8) * 8, "0")
    bare = int(bits, 2).to_bytes(len(bits) // 8, "big")
    changed = bytearray(data)
    changed[at : at + 2] = struct.pack("<H", len(bare))
    changed[offset : offset + length] = bare.ljust(length, b"\xaa")
    np.testing.assert_array_equal(read_image(bytes(changed)), read_image(data))
