"""What of a mask's file means defect, by its content, and what is left of it on the map's grid."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from draem_core.data.datasets import Dataset, Sample, mask_problems, open_dataset, read_mask, read_truth
from draem_core.data.masks import lost_regions, orientation, read_defect_pixels, regions_below_a_pixel, to_grid
from draem_core.errors import ImageError

SHAPE = 64, 96


def truth() -> np.ndarray:
    """200 pixels of defect."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[20:30, 20:40] = 255
    return mask


def encoded(mask: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(mask).save(buffer, kind, **options)
    return buffer.getvalue()


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def noise(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(90, 130, (*shape, 3)).astype(np.uint8)


def with_masks(root: Path, masks: dict[str, np.ndarray], shape: tuple[int, int] = SHAPE) -> Dataset:
    """MVTec's layout with one good picture and a defect picture for each mask."""
    write(root / "test/good/0.png", noise(shape))
    for name, mask in masks.items():
        write(root / f"test/hole/{name}.png", noise(shape))
        write(root / f"ground_truth/hole/{name}_mask.png", mask)
    return open_dataset(root)


# --- which pixels mean defect -------------------------------------------------------------------------------------

GREY, RGB = truth(), np.repeat(truth()[..., None], 3, axis=2)
BY_CONTENT = {
    "JPEG named .png": ("m.png", lambda: encoded(GREY, "JPEG", quality=75)),
    "JPEG named .jpg": ("m.jpg", lambda: encoded(GREY, "JPEG", quality=75)),
    "lossy WebP": ("m.webp", lambda: encoded(RGB, "WEBP", quality=75)),
    "lossy WebP with ICC": ("m.webp", lambda: encoded(RGB, "WEBP", quality=75, icc_profile=b"x" * 7)),
    "lossless WebP of 0 and 1": ("m.webp", lambda: encoded(RGB // 255, "WEBP", lossless=True)),
    "JPEG in TIFF": ("m.tif", lambda: encoded(GREY, "TIFF", compression="jpeg")),
    "LZW in TIFF, 0 and 1": ("m.tif", lambda: encoded(GREY // 255, "TIFF", compression="tiff_lzw")),
    "PNG named .jpg": ("m.jpg", lambda: encoded(GREY, "PNG")),
    "PNG of 0 and 1 named .jpg": ("m.jpg", lambda: encoded(GREY // 255, "PNG")),
    "BMP named .webp": ("m.webp", lambda: encoded(GREY // 255, "BMP")),
    "alpha over white": ("m.png", lambda: encoded(np.dstack([np.full_like(RGB, 255), GREY]), "PNG")),
    "alpha over black": ("m.png", lambda: encoded(np.dstack([np.zeros_like(RGB), GREY // 255]), "PNG")),
    "colours under constant alpha": ("m.png", lambda: encoded(np.dstack([RGB, np.full_like(GREY, 9)]), "PNG")),
    "colours before alpha": ("m.png", lambda: encoded(np.dstack([RGB, 255 - GREY]), "PNG")),
}


@pytest.mark.parametrize("name", BY_CONTENT)
def test_the_line_goes_by_content(tmp_path: Path, name: str) -> None:
    file, content = BY_CONTENT[name]
    (tmp_path / file).write_bytes(content())
    np.testing.assert_array_equal(read_defect_pixels(tmp_path / file), truth() > 0)


def test_several_files_add_up_to_one_mask(tmp_path: Path) -> None:
    """As MVTec LOCO has them, each with a grey value of its own."""
    left, right = (np.zeros((4, 6), np.uint8) for _ in range(2))
    left[:, 0], right[:, 5] = 3, 250
    first, second = write(tmp_path / "000.png", left), write(tmp_path / "001.png", right)
    assert read_defect_pixels(first, second).sum(axis=0).tolist() == [4, 0, 0, 0, 0, 4]
    with pytest.raises(ImageError, match=r"other\.png has 3 × 2 pixels, the other files of the same mask 6 × 4"):
        read_defect_pixels(first, write(tmp_path / "other.png", np.zeros((2, 3), np.uint8)))


# --- on the map's grid --------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    mask=arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    shape=st.tuples(st.integers(1, 15), st.integers(1, 15)),
)
def test_any_coverage_is_the_slow_loop(mask: np.ndarray, shape: tuple[int, int]) -> None:
    """Pixel (r, c) of the mask is the square [r, r + 1) × [c, c + 1); that of the map is h/H by w/W."""

    def touches(index: int, target: int, source: int, pixel: int) -> bool:
        return pixel * target < (index + 1) * source and (pixel + 1) * target > index * source

    slow = np.zeros(shape, bool)
    for row, column in zip(*np.nonzero(mask), strict=True):
        for i in range(shape[0]):
            for j in range(shape[1]):
                slow[i, j] |= touches(i, shape[0], mask.shape[0], row) and touches(j, shape[1], mask.shape[1], column)
    np.testing.assert_array_equal(to_grid(mask, shape, "any"), slow, strict=True)
    assert lost_regions(mask, shape, "any") == 0


def test_regions_that_no_centre_meets_are_lost() -> None:
    """8 × 8 on 2 × 2: centres fall on rows and columns 2 and 6."""
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = True  # beside the centres
    mask[1:5, 4] = mask[5:8, 5:8] = True  # they touch by a corner: one region, with a centre
    assert to_grid(mask, (2, 2)).tolist() == [[False, False], [False, True]]
    assert lost_regions(mask, (2, 2)) == 1
    assert to_grid(mask, (2, 2), "any").tolist() == [[True, True], [False, True]]
    assert regions_below_a_pixel(mask, (2, 2)) == 2  # a map pixel is 16 of these, the regions are 1 and 13
    assert regions_below_a_pixel(mask, (8, 8)) == 0


def test_a_thin_scratch_is_told_and_counted(tmp_path: Path) -> None:
    """Ten picture columns a map column; the map looks at columns 5, 15 …: a scratch from 6 to 11 is met by none."""
    thin, mixed, thick = (np.zeros((640, 960), np.uint8) for _ in range(3))
    thin[100:500, 6:12] = mixed[100:500, 6:12] = 255
    mixed[100:200, 300:400] = thick[100:200, 300:400] = 255
    dataset = with_masks(tmp_path, {"thin": thin, "mixed": mixed, "thick": thick}, (640, 960))
    problems = mask_problems(dataset, grid=SHAPE)
    assert problems == [
        "1 mask has no pixel on the map's 64 × 96 grid; the defects count as missed, their pixels as good "
        '(mask downscaling "any" keeps them): test/hole/thin.png.',
        "1 mask has defects without a pixel on the map's 64 × 96 grid; these count as missed, their pixels as good "
        '(mask downscaling "any" keeps them): test/hole/mixed.png.',
    ]
    assert mask_problems(dataset, grid=SHAPE, downscaling="any") == mask_problems(dataset) == []
    found = {sample.path.stem: read_truth(sample, SHAPE) for sample in dataset.test if sample.label}
    assert {name: (one.mask.sum(), one.lost_regions) for name, one in found.items() if one} == {
        "mixed": (100, 1),
        "thick": (100, 0),
        "thin": (0, 1),
    }
    thin_sample = dataset.test[-1]
    kept = read_mask(thin_sample, SHAPE, "any")
    assert kept is not None
    assert kept.sum() == 2 * 40  # columns 6 to 11 lie in the map's columns 0 and 1


# --- what mask_problems says --------------------------------------------------------------------------------------


def test_a_mask_of_nearly_everything_is_named(tmp_path: Path) -> None:
    palette = Image.fromarray((truth() > 0).astype(np.uint8)).convert("P")
    palette.putpalette([255, 255, 255, 255, 0, 0])
    dataset = with_masks(tmp_path, {"0": 255 - truth(), "1": truth(), "2": truth()})
    palette.save(tmp_path / "ground_truth/hole/2_mask.png")
    assert mask_problems(dataset) == [
        "2 masks mark more than 90 % of the picture as defect, as an inverted mask or one on a white ground would; "
        "check what is marked: test/hole/0.png, test/hole/2.png."
    ]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_square_picture_that_its_tag_turns_is_named(tmp_path: Path, suffix: str) -> None:
    """Nothing else would tell: both are 64 × 64."""
    turned = Image.Exif()
    turned[274] = 6
    square = np.zeros((64, 64), np.uint8)
    square[3:9, 3:9] = 255
    for index in range(3):
        options = {} if index == 2 else {"exif": turned}
        write(tmp_path / f"test/hole/{index}.{suffix}", noise((64, 64)), **options)
        write(tmp_path / f"ground_truth/hole/{index}_mask.png", square, **({"exif": turned} if index == 1 else {}))
    write(tmp_path / "test/good/0.png", noise((64, 64)))
    assert orientation(tmp_path / f"test/hole/0.{suffix}") == 6
    assert orientation(tmp_path / f"test/hole/2.{suffix}") == 1
    assert mask_problems(open_dataset(tmp_path)) == [
        "1 picture is turned by an orientation tag that the mask does not have; check that the mask fits the upright "
        f"picture: test/hole/0.{suffix}."
    ]


def test_a_broken_header_has_no_orientation(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xffrubbish")
    assert orientation(tmp_path / "a.jpg") == orientation(tmp_path / "none.jpg") == 1


def test_a_sample_names_all_files_of_its_mask() -> None:
    path = Path("a.png")
    assert Sample(path, "test", "k", 1, None, "a").mask_paths == ()
    assert Sample(path, "test", "k", 1, path, "a", (Path("b.png"),)).mask_paths == (path, Path("b.png"))
