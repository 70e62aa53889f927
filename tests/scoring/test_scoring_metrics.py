"""A scored dataset's metrics against those that hold all pixels at once, and the memory that they take."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draem_core import metrics
from draem_core.data.datasets import Sample
from draem_core.scoring import measure

SIDE = 64
NO_MASK = "no NG picture has a mask"


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Ten good images, four with a hole, five with a crack (one mask missing, one broken), two unlabelled."""
    folder, rng = tmp_path_factory.mktemp("masks"), np.random.default_rng(0)
    samples, maps, masks = [], [], []
    for index in range(21):
        kind = "good" if index < 10 else "hole" if index < 14 else "crack" if index < 19 else ""
        mask = np.zeros((SIDE, SIDE), bool)
        if kind in ("hole", "crack"):
            top, left = rng.integers(0, 40, 2)
            mask[top : top + 9, left : left + 14] = True
        path = folder / f"{index}.png"
        Image.fromarray(mask).save(path)
        if index == 15:
            path.write_bytes(b"broken")
        label = None if not kind else int(kind != "good")
        has_mask = kind in ("hole", "crack") and index != 14
        samples.append(Sample(path, "test", kind, label, path if has_mask else None, f"{kind}/{index}"))
        maps.append((rng.random((SIDE, SIDE)) ** 4 * (1 + mask) / 2).astype(np.float32))
        masks.append(mask if kind == "good" or (has_mask and index != 15) else None)
    return samples, np.stack(maps), np.stack(maps).max((1, 2)), masks


@pytest.mark.parametrize(
    ("kind", "chosen"), [("all", range(21)), ("hole", range(14)), ("crack", [*range(10), *range(14, 19)])]
)
def test_figures_are_those_of_all_pixels_at_once(scored, kind, chosen):
    samples, maps, scores, masks = scored
    values = measure(samples, maps, scores)
    row = values if kind == "all" else values["per_defect"][kind]
    truths = {index: masks[index] for index in chosen if masks[index] is not None}
    annotated, truth = [maps[index] for index in truths], list(truths.values())
    labelled = [index for index in chosen if samples[index].label is not None]
    labels = np.array([samples[index].label for index in labelled])
    best = metrics.pixel_f1max(annotated, truth)
    assert row["image_auroc"] == metrics.image_auroc(scores[labelled], labels)
    assert row["image_ap"] == metrics.image_ap(scores[labelled], labels)
    assert row["image_f1max"] == metrics.image_f1max(scores[labelled], labels).f1
    assert row["pixel_auroc"] == pytest.approx(metrics.pixel_auroc(annotated, truth), abs=1e-5)
    assert row["pixel_ap"] == pytest.approx(metrics.pixel_ap(annotated, truth), abs=1e-4)
    assert row["pixel_f1max"] == pytest.approx(best.f1, abs=1e-4)
    assert row["aupro"] == pytest.approx(metrics.aupro(annotated, truth), abs=1e-4)
    assert row["images"] == {"all": 21, "hole": 4, "crack": 5}[kind]
    assert values["undefined"] == {}


def test_the_order_of_the_images_changes_nothing(scored):
    samples, maps, scores, _ = scored
    order = np.random.default_rng(1).permutation(len(samples))
    shuffled = measure([samples[index] for index in order], maps[order], scores[order])
    straight = measure(samples, maps, scores)
    assert shuffled.pop("per_defect").keys() == straight.pop("per_defect").keys()
    assert {name: value for name, value in shuffled.items() if name != "aupro"} == {
        name: value for name, value in straight.items() if name != "aupro"
    }
    assert shuffled["aupro"] == pytest.approx(straight["aupro"], abs=1e-12)


def test_without_masks_pixel_metrics_are_undefined_and_image_metrics_are_not(scored):
    samples, maps, scores, _ = scored
    unmasked = [Sample(one.path, one.split, one.kind, one.label, None, one.name) for one in samples]
    values = measure(unmasked, maps, scores)
    assert values["pixel_auroc"] is values["aupro"] is values["per_defect"]["hole"]["pixel_ap"] is None
    assert values["image_auroc"] is not None
    assert values["undefined"].keys() == {"pixel"}
    assert values["undefined"]["pixel"] == values["per_defect"]["hole"]["undefined"]["pixel"] == NO_MASK


class Made:
    """Maps (512, 512) made when asked for; a thousand of them would be a gigabyte."""

    def __getitem__(self, row: int) -> np.ndarray:
        return np.random.default_rng(row % 7).random((512, 512), np.float32)


def test_memory_does_not_grow_with_the_number_of_images():
    def memory_peak_of(images: int) -> int:
        samples = [Sample(Path("-"), "test", "good", 0, None, str(index)) for index in range(images)]
        tracemalloc.start()
        measure(samples, Made(), np.zeros(images))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert memory_peak_of(24) < memory_peak_of(6) + 2**20


def test_it_can_be_stopped_at_each_image(scored):
    samples, maps, scores, _ = scored
    asked = iter(range(5))
    with pytest.raises(RuntimeError):  # what a generator makes of StopIteration
        measure(samples, maps, scores, on_image=lambda: next(asked))


def tall(folder: Path, drawn: dict[str, np.ndarray | bytes | None]) -> tuple[list[Sample], np.ndarray]:
    """A good image and one "crack" for each mask, and their maps 4 × 4, brightest at the left."""
    samples = [Sample(Path("-"), "test", "good", 0, None, "good")]
    for name, mask in drawn.items():
        path = folder / f"{name}.png"
        if isinstance(mask, bytes):
            path.write_bytes(mask)
        elif mask is not None:
            Image.fromarray(mask).save(path)
        samples.append(Sample(Path("-"), "test", "crack", 1, None if mask is None else path, name))
    ramp = np.repeat(np.linspace(0.9, 0.3, 4, dtype=np.float32)[None], 4, axis=0)
    return samples, np.stack([ramp * 0.1, *([ramp] * len(drawn))])


def scratch(columns: slice) -> np.ndarray:
    """16 × 16: the map's four columns look at 2, 6, 10 and 14."""
    mask = np.zeros((16, 16), bool)
    mask[:, columns] = True
    return mask


def test_a_defect_that_vanishes_on_the_map_is_missed_and_the_other_rule_is_named(tmp_path):
    """Of two defects the map finds one with no false alarm: AUPRO 1/2. Any coverage makes both the first column."""
    samples, maps = tall(tmp_path, {"wide": scratch(slice(0, 4)), "thin": scratch(slice(3, 4))})
    values = measure(samples, maps, maps.max((1, 2)))
    grids = [np.zeros((4, 4), bool), np.arange(16).reshape(4, 4) % 4 == 0, np.zeros((4, 4), bool)]
    assert (values["mask_downscaling"], values["lost_regions"]) == ("nearest", 1)
    assert values["aupro"] == pytest.approx(metrics.aupro(maps, grids, lost_regions=1), abs=1e-9)
    assert values["aupro"] < 0.5
    other = values["other_mask_downscaling"]
    assert (other["rule"], other["aupro"], other["pixel_auroc"]) == ("any", 1, 1)
    assert other["per_defect"]["crack"]["aupro"] == 1
    turned = measure(samples, maps, maps.max((1, 2)), mask_downscaling="any")
    assert (turned["mask_downscaling"], turned["lost_regions"], turned["aupro"]) == ("any", 0, 1)
    assert turned["other_mask_downscaling"]["rule"] == "nearest"
    assert turned["other_mask_downscaling"]["aupro"] == values["aupro"]


def test_rules_that_agree_are_not_told_apart(tmp_path):
    samples, maps = tall(tmp_path, {"wide": scratch(slice(0, 4))})
    assert measure(samples, maps, maps.max((1, 2)))["other_mask_downscaling"] is None


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        ({"a": None, "b": None}, NO_MASK),
        ({"a": b"broken", "b": None}, "no mask of an NG picture can be read"),
        ({"a": scratch(slice(0, 0)), "b": b"broken"}, "no mask of an NG picture marks a pixel"),
        ({"a": scratch(slice(3, 4))}, "no mask of an NG picture has a pixel on the map's 4 × 4 grid"),
    ],
)
def test_undefined_pixel_metrics_have_their_true_reason(tmp_path, drawn, reason):
    samples, maps = tall(tmp_path, drawn)
    values = measure(samples, maps, maps.max((1, 2)))
    assert values["undefined"] == values["per_defect"]["crack"]["undefined"] == {"pixel": reason}
    assert values["pixel_auroc"] is values["pixel_ap"] is None
    # a region that is there and is never found has overlap 0; without a region there is no AUPRO
    assert values["aupro"] == (0.0 if values["lost_regions"] else None)
