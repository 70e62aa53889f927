"""read_image on pictures small enough to write the expected pixels by hand, and on files that must be refused."""

import struct
import subprocess
import sys
import threading
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from draem_core.data import images
from draem_core.data.images import encode_png, image_size, read_image, read_samples, thumbnail
from draem_core.errors import ImageError

# pytest puts aside the filter that data/pillow.py sets at import; test_nothing_but_the_error_reaches_stderr checks it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

CORNERS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255, 255, 255], [10, 20, 30]]], np.uint8)
"""2 × 3 pixels, all different: an orientation mistake cannot hide."""


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(samples: np.ndarray, color_type: int) -> bytes:
    """A 16-bit PNG written by hand; each row uses another of the five filters where a reader could slip (Sub, Up)."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    pixel = rows.shape[1] // width
    packed = bytearray()
    for y, row in enumerate(rows):
        left = np.concatenate([np.zeros(pixel, np.uint8), row[:-pixel]])
        above = rows[y - 1] if y else np.zeros_like(row)
        packed += (b"\1" + (row - left).tobytes()) if y % 2 == 0 else (b"\2" + (row - above).tobytes())
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(packed))) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def sixteen_to_eight(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples.astype(np.float64) * 255 / 65535).astype(np.uint8)


# --- what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})],
)
def test_lossless_formats_return_the_very_pixels(kind, options, tmp_path):
    data = saved(Image.fromarray(CORNERS), kind, **options)
    path = tmp_path / "picture.dat"  # the content decides, not the suffix
    path.write_bytes(data)
    for source in (data, path, str(path)):
        rgb = read_image(source)
        assert rgb.dtype == np.uint8
        assert rgb.flags.c_contiguous
        assert rgb.flags.writeable
        np.testing.assert_array_equal(rgb, CORNERS)


def test_jpeg_grey_cmyk_and_ycbcr_keep_a_flat_colour():
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    for image in (flat, flat.convert("CMYK")):
        rgb = read_image(saved(image, "JPEG", quality=95))
        assert np.abs(rgb.astype(int) - (200, 100, 50)).max() <= 3
    np.testing.assert_array_equal(read_image(saved(flat.convert("CMYK"), "TIFF")), np.asarray(flat))
    assert np.abs(read_image(saved(flat.convert("YCbCr"), "TIFF")).astype(int) - (200, 100, 50)).max() <= 3
    assert np.unique(read_image(saved(flat.convert("L"), "JPEG"))).size == 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_and_grey_become_three_equal_channels(kind):
    bits = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)
    for mode in ("1", "L"):
        rgb = read_image(saved(Image.fromarray(bits).convert(mode), kind))
        np.testing.assert_array_equal(rgb, np.repeat(bits[..., None], 3, axis=2))


def test_palette_gives_its_colours_and_ignores_transparency():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image = image.convert("P")
    image.putpalette([9, 8, 7, 250, 0, 0, 0, 0, 250])
    expected = np.array([[[9, 8, 7], [250, 0, 0]], [[0, 0, 250], [250, 0, 0]]], np.uint8)
    for transparency in (None, 1, b"\x00\x80\xff"):
        options = {} if transparency is None else {"transparency": transparency}
        np.testing.assert_array_equal(read_image(saved(image, "PNG", **options)), expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_is_dropped_and_the_stored_colours_stay(kind, alpha):
    rgba = np.dstack([CORNERS, np.full(CORNERS.shape[:2], alpha, np.uint8)])
    np.testing.assert_array_equal(read_image(saved(Image.fromarray(rgba), kind)), CORNERS)
    grey_alpha = rgba[..., [2, 3]]
    expected = np.repeat(CORNERS[..., 2:], 3, axis=2)
    np.testing.assert_array_equal(read_image(saved(Image.fromarray(grey_alpha, "LA"), kind)), expected)


def test_grey_transparency_colour_of_png_is_ignored():
    grey = np.array([[0, 7, 255]], np.uint8)
    rgb = read_image(saved(Image.fromarray(grey), "PNG", transparency=7))
    np.testing.assert_array_equal(rgb[..., 0], grey)


# --- 16 bit and floats --------------------------------------------------------------------------------------------

STEPS_16 = np.array([[0, 128, 129, 257], [32768, 65406, 65407, 65535]], np.uint16)
STEPS_8 = np.array([[0, 0, 1, 1], [128, 254, 255, 255]], np.uint8)  # round(v / 257): 128.5 / 257 is the first half


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.fromarray(STEPS_16), "PNG"),
        saved(Image.fromarray(STEPS_16), "TIFF"),
        saved(Image.fromarray(STEPS_16), "TIFF", compression="tiff_lzw"),
        tiff(STEPS_16, byteorder=">"),
        tiff(STEPS_16, compression="zlib", predictor=True),
        tiff(65535 - STEPS_16, photometric="miniswhite"),
        tiff(STEPS_16, bigtiff=True),
    ],
    ids=["png", "tiff", "lzw", "big-endian", "deflate", "white-is-zero", "bigtiff"],
)
def test_sixteen_bit_grey_is_scaled_not_clipped(data):
    np.testing.assert_array_equal(read_image(data)[..., 1], STEPS_8)


@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_sixteen_bit_png_of_every_colour_type_is_exact(color_type, channels, data):
    samples = data.draw(arrays.arrays(np.uint16, (3, 4, channels)))
    expected = sixteen_to_eight(samples[..., :1] if channels < 3 else samples[..., :3])
    np.testing.assert_array_equal(
        read_image(png16(samples, color_type)), np.broadcast_to(expected, (3, 4, 3)), strict=True
    )


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_sixteen_bit_rgb_tiff_is_exact(planar, compression):
    samples = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), np.uint16)
    stored = samples if planar == "contig" else np.moveaxis(samples, -1, 0)
    data = tiff(np.ascontiguousarray(stored), photometric="rgb", planarconfig=planar, compression=compression)
    np.testing.assert_array_equal(read_image(data), sixteen_to_eight(samples))


def test_sixteen_bit_rgb_that_only_libtiff_unpacks_is_exact():
    samples = np.random.default_rng(1).integers(0, 65536, (4, 6, 3), np.uint16)
    raw = bytearray(tiff(samples, photometric="rgb", byteorder="<", metadata=None, software="", rowsperstrip=4))
    with tifffile.TiffFile(BytesIO(raw)) as file:
        page = file.pages.first
        compression, counts = page.tags["Compression"], page.tags["StripByteCounts"]
        offset = page.dataoffsets[0]
    literal = samples.astype("<u2").tobytes()
    packed = b"".join(bytes([len(run) - 1]) + run for run in (literal[i : i + 36] for i in range(0, len(literal), 36)))
    raw[compression.valueoffset : compression.valueoffset + 2] = struct.pack("<H", 32773)  # PackBits, literal runs
    size = {3: "<H", 4: "<I"}[int(counts.dtype)]
    raw[counts.valueoffset : counts.valueoffset + struct.calcsize(size)] = struct.pack(size, len(packed))
    raw[offset:] = packed
    np.testing.assert_array_equal(read_image(bytes(raw)), sixteen_to_eight(samples))


def test_twelve_bits_in_sixteen_are_scaled_by_a_stated_depth_only():
    values = np.array([[0, 2048, 4095]], np.uint16)
    assert read_image(tiff(values, extratags=[(281, "H", 1, 4095, True)]))[0, :, 0].tolist() == [0, 128, 255]
    assert read_image(tiff(values))[0, :, 0].tolist() == [0, 8, 16]
    # 3000 is the brightest pixel, no depth: two pictures of one camera must keep one scale
    assert read_image(tiff(values, extratags=[(281, "H", 1, 3000, True)]))[0, :, 0].tolist() == [0, 8, 16]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_floats_are_scaled_by_255(dtype):
    values = np.array([[0.0, 0.25, 0.5, 1.0]], dtype)
    assert read_image(tiff(values))[0, :, 0].tolist() == [0, 64, 128, 255]
    overshoot = np.array([[-0.001, 0.5, 1.001]], np.float32)  # a resampler's ringing does not change the scale
    assert read_image(tiff(overshoot))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int32, np.uint32])
def test_other_ranges_are_scaled_by_their_own_minimum_and_maximum(dtype):
    values = np.array([[1000, 1100, 1200, 1500]], dtype)
    assert read_image(tiff(values))[0, :, 0].tolist() == [0, 51, 102, 255]
    assert read_image(tiff(np.full((2, 2), 1000, dtype))).max() == 0


def test_nan_and_infinity_become_black_and_do_not_set_the_scale():
    values = np.array([[np.nan, 10, 20, np.inf, -np.inf]], np.float32)
    assert read_image(tiff(values))[0, :, 0].tolist() == [0, 0, 255, 0, 0]
    with pytest.raises(ImageError, match=r"depth\.tif holds no finite value"):
        read_image(tiff(np.full((2, 2), np.nan, np.float32)), name="depth.tif")


def test_float_colour_tiff():
    values = np.array([[[0, 0.5, 1], [1, 0, 0.2]]], np.float32)
    assert read_image(tiff(values, photometric="rgb")).tolist() == [[[0, 128, 255], [255, 0, 51]]]


def test_samples_keep_label_values_that_scaling_would_lose():
    labels = np.array([[0, 1], [2, 300]], np.uint16)
    np.testing.assert_array_equal(read_samples(saved(Image.fromarray(labels), "PNG")), labels)
    assert read_image(saved(Image.fromarray(labels), "PNG")).max() == 1


# --- orientation --------------------------------------------------------------------------------------------------

PILLOW_UNDOES = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "TIFF-LZW", "TIFF-16"])
def test_exif_orientation_is_undone(kind, orientation):
    image, how = Image.fromarray(CORNERS), PILLOW_UNDOES[orientation]
    expected = np.asarray(image if how is None else image.transpose(how))
    if kind == "TIFF-16":
        data = tiff(CORNERS.astype(np.uint16) * 257, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    elif kind == "TIFF-LZW":
        data = saved(image, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})
    elif kind == "TIFF":
        data = saved(image, "TIFF", tiffinfo={274: orientation})
    else:
        exif = Image.Exif()
        exif[274] = orientation
        data = saved(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(read_image(data), expected, strict=True)
    assert image_size(data) == expected.shape[:2]


def test_a_camera_jpeg_stands_upright():
    tall = Image.new("L", (8, 32))
    tall.paste(255, (0, 0, 8, 16))  # bright top
    exif = Image.Exif()
    exif[274] = 6  # stored lying on its side
    rgb = read_image(saved(tall.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif))
    assert rgb.shape == (32, 8, 3)
    assert rgb[:14].min() > 200
    assert rgb[18:].max() < 50


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_broken_exif_does_not_spoil_the_picture(exif):
    assert read_image(saved(Image.new("RGB", (8, 8)), "JPEG", exif=exif)).shape == (8, 8, 3)


# --- what is refused ----------------------------------------------------------------------------------------------


def refusal(source: object, **options: object) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(source, **options)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


FOREIGN = {
    "GIF": (saved(Image.new("L", (4, 4)), "GIF"), "is a GIF"),
    "PDF": (b"%PDF-1.7\n", "is a PDF"),
    "SVG": (b'<?xml version="1.0"?><svg/>', "markup"),
    "text": (b"hello there, not a picture", "not an image of a known format"),
    "zip": (b"PK\x03\x04rest", "is a ZIP archive"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_other_formats_are_named_and_the_way_out_told(what):
    data, words = FOREIGN[what]
    message = refusal(data, name="part 7.png")
    assert message.startswith("part 7.png ")
    assert words in message
    assert "save it as PNG" in message


def test_missing_folder_empty_pipe_and_odd_paths(tmp_path):
    assert refusal(tmp_path / "none.png") == f"{tmp_path / 'none.png'} does not exist; check the path."
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty.png is empty" in refusal(tmp_path / "empty.png")
    assert "the image is empty" in refusal(b"")
    assert "cannot be opened" in refusal("nul\0byte.png")
    assert "cannot be opened" in refusal("x" * 5000)
    assert "cannot be opened" in refusal(tmp_path / "empty.png" / "inside.png")
    assert "device" in refusal("/dev/null")


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "locked.png"
    path.write_bytes(encode_png(CORNERS))

    def denied(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root may read anything, so chmod proves nothing here
    assert "locked.png may not be read by this user" in refusal(path)


NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("BMP", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
    ],
)
def test_a_file_cut_anywhere_is_refused(kind, options):
    data = saved(Image.fromarray(NOISE), kind, **options)
    cuts = [*range(1, 200, 7), *range(200, len(data) - 200, 997), len(data) - 100, len(data) - 30]
    for length in cuts:
        refusal(data[:length], name="cut")


def test_a_flipped_bit_in_png_data_is_noticed():
    data = bytearray(saved(Image.fromarray(NOISE), "PNG"))
    data[len(data) // 2] ^= 1
    assert "wrong checksum" in refusal(bytes(data))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_hostile_bytes_give_an_image_or_an_image_error(data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF"]))
    raw = bytearray(saved(Image.fromarray(NOISE[:9, :11]), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        rgb = read_image(bytes(raw), max_pixels=100_000)
    except ImageError:
        return
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3


def bomb(kind: str) -> bytes:
    """A header that promises 30,000 × 30,000 pixels with nothing behind it."""
    side = 30_000
    if kind == "PNG":
        return (
            b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + (png_chunk(b"IDAT", zlib.compress(bytes(1000))))
        )
    if kind == "BMP":
        return b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    if kind == "WEBP":
        canvas = (side - 1).to_bytes(3, "little") * 2
        return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    if kind == "JPEG":
        data = bytearray(saved(Image.new("RGB", (8, 8)), "JPEG"))
        start = data.index(b"\xff\xc0") + 5
        data[start : start + 4] = struct.pack(">HH", side, side)
        return bytes(data)
    data = bytearray(tiff(np.zeros((8, 8), np.uint8)))
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        for name in ("ImageWidth", "ImageLength"):
            tag = file.pages.first.tags[name]
            data[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", side)
            data[tag.offset + 2 : tag.offset + 4] = struct.pack("<H", 4)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_a_bomb_is_refused_from_its_header(kind):
    message = refusal(bomb(kind), name="big")
    assert message.startswith("big is 30000 × 30000 pixels (900.0 million), over the limit of 100 million;")
    assert "DRAEM_MAX_IMAGE_MPIX" in message


def test_the_limit_comes_from_argument_then_environment(monkeypatch):
    data = encode_png(np.zeros((20, 30), np.uint8))
    assert read_image(data, max_pixels=600).shape == (20, 30, 3)
    assert "over the limit" in refusal(data, max_pixels=599)
    monkeypatch.setenv("DRAEM_MAX_IMAGE_MPIX", "0.0005")
    assert "over the limit of 0.0005 million" in refusal(data)
    assert read_image(data, max_pixels=600).shape == (20, 30, 3)
    for nonsense in ("many", "-1", "nan"):
        monkeypatch.setenv("DRAEM_MAX_IMAGE_MPIX", nonsense)
        assert f"DRAEM_MAX_IMAGE_MPIX is '{nonsense}'" in refusal(data)


def test_a_raised_limit_reads_past_pillows_own(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Image.open would refuse more than twice this
    data = encode_png(np.full((30, 30), 9, np.uint8))
    assert read_image(data).min() == 9


def test_a_deflated_strip_that_swells_is_refused():
    data = tiff(np.zeros((10, 10), np.uint16), compression="zlib", metadata=None)
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        offset, tag = page.tags["StripOffsets"].valueoffset, page.tags["StripByteCounts"]
    bomb_data = zlib.compress(bytes(5_000_000))
    raw = bytearray(data)
    raw[offset : offset + 4] = struct.pack("<I", len(data))
    raw[tag.offset + 2 : tag.offset + 4] = struct.pack("<H", 4)
    raw[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", len(bomb_data))
    assert "unpacks to more" in refusal(bytes(raw) + bomb_data)


def test_animations_and_pages_are_refused_with_the_way_to_split_them():
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 90, 200)]
    for kind in ("PNG", "WEBP"):
        assert "is animated" in refusal(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert "holds more than one page; split it" in refusal(
        saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    )
    assert "has 7 channels" in refusal(tiff(np.zeros((4, 4, 7), np.uint8), photometric="minisblack", planarconfig=1))


def test_a_tiff_with_its_own_reduced_copy_is_one_picture():
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(CORNERS, photometric="rgb")
        writer.write(CORNERS[:1, :1], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_image(buffer.getvalue()), CORNERS)


def test_a_phone_jpeg_with_a_second_picture_inside_is_one_picture():
    first, second = Image.new("RGB", (16, 8), (200, 0, 0)), Image.new("RGB", (16, 8))
    data = saved(first, "MPO", save_all=True, append_images=[second])
    assert read_image(data)[..., 0].min() > 190


def test_nothing_but_the_error_reaches_stderr(tmp_path):
    """Pillow's bomb warning, EXIF warnings and tifffile's log must not leak, even with all warnings on."""
    big = tmp_path / "big.png"
    big.write_bytes(encode_png(np.zeros((300, 300), np.uint8)))
    exif = tmp_path / "exif.jpg"
    exif.write_bytes(saved(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"))
    cut = tmp_path / "cut.tif"
    cut.write_bytes(tiff(np.zeros((50, 50), np.uint16))[:300])
    script = """
import sys
from PIL import Image
Image.MAX_IMAGE_PIXELS = 80_000
from draem_core.data.images import read_image
from draem_core.errors import ImageError
for path in sys.argv[1:]:
    try:
        read_image(path)
    except ImageError:
        pass
"""
    command = [sys.executable, "-W", "always", "-c", script, str(big), str(exif), str(cut)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2], check=True
    )
    assert done.stderr == ""


def test_threads_read_side_by_side():
    pictures = [np.full((64, 64, 3), value, np.uint8) for value in range(0, 250, 25)]
    files = [encode_png(picture) for picture in pictures]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(5):
            if not np.array_equal(read_image(files[index]), pictures[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- PNG out, thumbnails ------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_encode_png_and_read_image_are_inverse(rgb):
    np.testing.assert_array_equal(read_image(encode_png(rgb)), rgb)
    np.testing.assert_array_equal(read_image(encode_png(rgb[..., 0]))[..., 2], rgb[..., 0])
    np.testing.assert_array_equal(read_image(encode_png(rgb[:, ::-1])), rgb[:, ::-1])


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8)])
def test_encode_png_takes_nothing_else(bad):
    with pytest.raises(ValueError, match="encode_png takes uint8"):
        encode_png(bad)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((400, 200), (96, 48)), ((50, 60), (50, 60)), ((1, 1), (1, 1)), ((3000, 2), (96, 1))],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_thumbnails_fit_and_keep_the_shape(tmp_path, shape, expected, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", shape[::-1], (180, 60, 20)).save(path)
    small = Image.open(BytesIO(thumbnail(path)))
    assert (small.height, small.width) == expected
    assert np.abs(np.asarray(small).astype(int) - (180, 60, 20)).max() <= 6


def test_a_thumbnail_of_a_large_jpeg_decodes_a_fraction(tmp_path, monkeypatch):
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[274] = 8
    Image.new("RGB", (2000, 1000)).save(path, exif=exif)
    sizes = []
    original = images.rgb8
    monkeypatch.setattr(
        images, "rgb8", lambda decoded, label: sizes.append(decoded.samples.shape) or original(decoded, label)
    )
    small = Image.open(BytesIO(thumbnail(path, side=96)))
    assert sizes == [(500, 250, 3)]  # a quarter, still at least 2 × 96, and already upright
    assert small.size == (48, 96)


def test_a_thumbnail_of_a_broken_file_says_so(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(saved(Image.fromarray(NOISE), "JPEG")[:200])
    with pytest.raises(ImageError, match=r"broken\.jpg is damaged"):
        thumbnail(path)
